//! What was mended has to prove itself before it is over.

use super::*;

#[test]
fn what_was_mended_proves_itself_under_load() {
    let (fleet, mut book) = (fleet(4), Book::default());
    let mut update = |is_there: bool, works: bool, second: i64| {
        let findings = is_there.then(|| finding("a", gpu("n01", 1), Severity::Crit, &[])).into_iter().collect();
        let matters = fold(findings, &fleet, &BTreeMap::default(), &KNOWN);
        let (verify, work) = (|_: &Incident| Duration::from_secs(10), |_: &[Subject]| works);
        book.update(matters, &Proof { is_open: &|_| false, verify: &verify, work: &work }, at(second));
        let [incident] = &book.incidents()[..] else { panic!("{:?}", book.incidents()) };
        (incident.id, incident.stage)
    };
    assert_eq!(update(true, true, 0), (1, Stage::Open));
    assert_eq!(update(false, true, 5), (1, Stage::Verifying));
    assert_eq!(update(false, false, 14), (1, Stage::Verifying), "it has not worked");
    assert_eq!(update(false, true, 20), (1, Stage::Verifying));
    assert_eq!(update(true, true, 22), (1, Stage::Open), "it has come back, and is the same");
    assert_eq!(update(false, true, 30), (1, Stage::Verifying));
    assert_eq!(update(false, true, 39), (1, Stage::Verifying), "all of its time begins anew");
    assert_eq!(update(false, true, 40), (1, Stage::Cleared));
}

#[test]
fn what_proves_itself_goes_on_doing_so_after_a_restart_and_not_for_ever() {
    let (fleet, mut book) = (fleet(4), Book::default());
    let (verify, work) = (|_: &Incident| Duration::from_secs(10), |_: &[Subject]| false);
    let proof = Proof { is_open: &|_| false, verify: &verify, work: &work };
    let matters = fold(vec![finding("a", gpu("n01", 1), Severity::Crit, &[])], &fleet, &BTreeMap::default(), &KNOWN);
    book.update(matters, &proof, at(0));
    book.update(Vec::new(), &proof, at(1));
    let remark = Remark { incident: 1, verb: Verb::Acknowledge, text: String::new(), by: "ann".into() };
    assert!(book.remark(&remark, at(2)));
    assert_eq!(book.incidents()[0].stage, Stage::Verifying, "whatever is said of it");
    let mut next = Book::default();
    book.take_unsaved().into_iter().for_each(|record| next.restore(record));
    next.update(Vec::new(), &proof, at(3));
    assert_eq!(next.incidents()[0].stage, Stage::Verifying);
    next.update(Vec::new(), &proof, at(90_000));
    assert_eq!(next.incidents()[0].stage, Stage::Cleared, "nobody has used it for a day");
}

#[test]
fn what_comes_back_while_it_proves_itself_is_written_down_as_open() {
    let (fleet, mut book) = (fleet(4), Book::default());
    let (verify, work) = (|_: &Incident| Duration::from_secs(10), |_: &[Subject]| false);
    let proof = Proof { is_open: &|_| false, verify: &verify, work: &work };
    let mut stages = Vec::new();
    for (is_there, second) in [(true, 0), (false, 5), (true, 9), (true, 10)] {
        let findings = is_there.then(|| finding("a", gpu("n01", 1), Severity::Crit, &[])).into_iter().collect();
        book.update(fold(findings, &fleet, &BTreeMap::default(), &KNOWN), &proof, at(second));
        stages.push(book.take_unsaved().into_iter().map(|record| record.incident.stage).collect::<Vec<_>>());
    }
    assert_eq!(stages, [vec![Stage::Open], vec![Stage::Verifying], vec![Stage::Open], vec![]]);
}
