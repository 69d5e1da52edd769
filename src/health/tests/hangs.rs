//! A job that hangs, and what is found on the only one that holds it up.

use super::*;

const HANG: &str = "job.hang";
const LONG: &str = "job.hang.long";

fn job() -> Subject {
    Subject::Job { job: "42".into() }
}

fn hang(rule: &str, severity: Severity) -> Finding {
    let under: &[&str] = if rule == HANG { &[LONG, "gpu.xid"] } else { &["gpu.xid"] };
    finding(rule, job(), severity, under)
}

/// Folds, where something on the third GPU of a node holds the job up.
fn folded(findings: Vec<Finding>) -> Vec<Matter> {
    let culprit = |finding: &Finding| finding.rule.starts_with(HANG).then(|| gpu("n01", 3));
    fold(findings, &fleet(8), &BTreeMap::default(), &Known { culprit: &culprit, ..KNOWN })
}

#[test]
fn its_cause_says_that_it_waits_and_what_to_do() {
    let xid = finding("gpu.xid", gpu("n01", 3), Severity::Warn, &[]);
    let matters = folded(vec![hang(HANG, Severity::Warn), hang(LONG, Severity::Crit), xid]);
    assert_eq!(told(&matters), ["gpu.xid n01:3: gpu.xid it is; job 42 waits for it"]);
    let [matter] = &matters[..] else { panic!("{matters:#?}") };
    let Finding { severity, action, evidence, .. } = &matter.finding;
    assert_eq!((*severity, &**action), (Severity::Crit, "mend gpu.xid"));
    assert_eq!(*evidence, ["job.hang: job.hang it is", "job.hang.long: job.hang.long it is"]);
    assert_eq!((&*matter.nodes, &*matter.parts), (&["n01".to_owned()][..], &[gpu("n01", 3)][..]));
}

#[test]
fn what_is_found_elsewhere_or_explains_no_hang_leaves_it_alone() {
    let other = finding("gpu.xid", gpu("n01", 4), Severity::Crit, &[]);
    let trifle = finding("gpu.vbios", gpu("n01", 3), Severity::Info, &[]);
    let expected =
        ["gpu.vbios n01:3: gpu.vbios it is", "gpu.xid n01:4: gpu.xid it is", "job.hang job 42: job.hang it is"];
    assert_eq!(told(&folded(vec![hang(HANG, Severity::Warn), other, trifle])), expected);
}

#[test]
fn one_that_is_long_is_told_once() {
    let matters = folded(vec![hang(HANG, Severity::Warn), hang(LONG, Severity::Crit)]);
    assert_eq!(told(&matters), ["job.hang.long job 42: job.hang.long it is"]);
}

#[test]
fn it_keeps_its_number_while_its_cause_is_there() {
    let mut book = Book::default();
    let mut update = |findings: Vec<Finding>, second| {
        book.update(folded(findings), &proof(&|_| false), at(second));
        super::open(&book)
    };
    let xid = || finding("gpu.xid", gpu("n01", 3), Severity::Crit, &[]);
    assert_eq!(update(vec![hang(HANG, Severity::Warn)], 1), ["1 job 42"]);
    assert_eq!(update(vec![hang(HANG, Severity::Warn), xid()], 2), ["2 n01:3"]);
    assert_eq!(update(vec![hang(HANG, Severity::Warn)], 3), ["1 job 42"]);
    assert_eq!(update(vec![xid()], 4), ["3 n01:3"]);
}
