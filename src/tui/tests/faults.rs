//! `!`, wherever one is: what is faulty of what is on screen.

use super::*;
use crate::model::question::{Answer, Reply};

#[test]
fn a_table_narrows_to_faults_and_shows_all_again() {
    let mut stage = stage();
    stage.press("3 !");
    assert!(stage.screen().contains("faulty only"));
    assert!(stage.screen().contains("XID 79") && stage.screen().contains("hw thermal"));
    assert!(stage.screen().contains("its job waits for it"), "{}", stage.screen());
    stage.press("!");
    assert!(stage.screen().contains("of 2,048"));
    stage.press("1 !");
    assert_eq!(trail(&stage), "overview › nodes");
    assert!(stage.screen().contains("a disk is 98 % full"));
    stage.press(": m e t r i c s enter !");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("no faults")));
}

#[test]
fn the_grid_marks_what_has_no_sign_but_an_incident() {
    let mut stage = stage();
    stage.press(&format!("j j j{}", " l".repeat(20)));
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu117"));
    assert!(stage.screen().contains("▲ gpu117  an incident is open"), "{}", stage.screen());
    // Where there is no room for nodes, cells are racks, and in a rack GPUs.
    let mut stage = Stage::new(1200, 8, (80, 24));
    for _ in 0..30 {
        if stage.app.screen().subject().as_deref() != Some("rack=r07") {
            stage.press("l");
        }
    }
    stage.press("enter");
    assert_eq!(trail(&stage), "overview › r07");
    stage.press(&format!("G{}", " h".repeat(4 * 8 + 1)));
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu220:6"));
    assert!(stage.screen().contains("▲ gpu220:6  its job waits for it"), "{}", stage.screen());
}

#[test]
fn the_faults_of_a_place_are_the_places() {
    // Too many nodes for the grid: its cells are places, and the first is entered.
    let mut stage = Stage::new(9600, 1, SIZE);
    stage.press("enter");
    let place = stage.app.crumbs()[1].clone();
    stage.press("!");
    assert_eq!(trail(&stage), format!("overview › {place} › nodes"));
    let asks = |question: &crate::model::question::Question| {
        question.query.starts_with("nodes where ") && question.query.contains(&place)
    };
    assert!(stage.app.questions().iter().any(asks), "{:?}", stage.app.questions());
}

/// Goes to what `line` names; the numbers of the incidents that `!` shows there.
fn check(stage: &mut Stage, line: &str, expected: &[&str]) {
    stage.write(line);
    stage.press("enter");
    let here = trail(stage);
    stage.press("!");
    assert_eq!(trail(stage), format!("{here} › incidents"), "{line}");
    let table =
        stage.app.questions().into_iter().find(|it| it.query.starts_with("incidents where ")).expect("a question");
    let Ok(Answer::Table(table)) = stage.hub.answer(&table).answer else { panic!("{line}") };
    assert_eq!(table.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), expected, "{line}");
    assert!(stage.screen().contains("▲ open only"), "{}", stage.screen());
}

#[test]
fn a_things_faults_are_its_open_incidents() {
    let mut stage = stage();
    check(&mut stage, ":node gpu017", &["3"]);
    check(&mut stage, ":node gpu117", &["4"]);
    check(&mut stage, ":gpu gpu030:1", &["9"]);
    check(&mut stage, ":gpu gpu030:2", &[]);
    assert!(stage.screen().contains("● no open incidents"), "{}", stage.screen());
    stage.press("2 < enter p enter !");
    assert_eq!(trail(&stage), "nodes › gpu001 › pid 7000 › incidents", "a process has those of its node");
    stage.press("1 p enter !");
    assert_eq!(trail(&stage), "overview › incident 7 › incidents");
    assert!(stage.screen().contains("· node = 'gpu099'"), "what else is wrong there: {}", stage.screen());
    stage.press("enter");
    assert_eq!(trail(&stage), "overview › incident 7 › incidents › incident 7");
}

#[test]
fn the_faults_of_a_job_are_among_its_gpus() {
    let mut stage = stage();
    stage.write(":job 4716");
    stage.press("enter !");
    assert_eq!(trail(&stage), "overview › job 4716");
    let screen = stage.screen();
    assert!(screen.contains("▲ faulty only") && screen.contains("gpu121"), "{screen}");
    assert!(!screen.contains("gpu122"), "{screen}");
}

#[test]
fn what_broke_is_shown_without_what_ended() {
    let mut stage = stage();
    stage.press("b - - -");
    let question =
        stage.app.questions().into_iter().find(|it| it.query.starts_with("jobs where ")).expect("a question");
    let (_, after) = question.query.split_once(" sort ").expect("a sort");
    let ended = Question { query: format!("jobs where job = '4700' sort {after}"), ..question.clone() };
    let reply = Reply { query: question.query, ..stage.hub.answer(&ended) };
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    let lanes = |stage: &Stage| ["job end", "XID"].map(|name| stage.screen().contains(&format!("\n {name} ")));
    for (expected, is_told) in [([true, true], false), ([false, true], true), ([true, true], false)] {
        assert_eq!(lanes(&stage), expected, "{}", stage.screen());
        assert_eq!(stage.screen().contains("▲ faults only"), is_told);
        // The made-up hub is not asked again.
        let key = KeyEvent::new(KeyCode::Char('!'), KeyModifiers::NONE);
        stage.app.update(Input::Key(key), stage.hub.now);
    }
}

#[test]
fn where_nothing_can_be_faulty_that_is_said() {
    let mut stage = stage();
    for keys in ["2 ?", "3 ctrl-w"] {
        stage.press(keys);
        let before = trail(&stage);
        stage.press("!");
        assert_eq!(stage.app.notice(), Some("nothing here can be faulty"), "{keys}");
        assert_eq!(trail(&stage), before);
    }
    stage.press("1 s");
    assert_eq!(stage.app.notice(), Some("nothing to sort here"));
    stage.press("2 m");
    assert_eq!(stage.app.notice(), Some("nothing to colour here"));
    stage.press("? s");
    assert_eq!(stage.app.notice(), Some("nothing to sort here"));
}
