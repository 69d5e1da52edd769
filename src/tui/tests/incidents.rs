//! Incidents under the fingers: into them, out of them, what is copied of them, and what is said of them.

use super::*;
use crate::model::{
    incident::{Remark, Verb},
    question::Complaint,
};

fn said(effects: &Effects) -> Option<(u64, Verb, &str)> {
    effects.say.as_ref().map(|Remark { incident, verb, text, .. }| (*incident, *verb, text.as_str()))
}

#[test]
fn a_takes_note_of_the_incident_under_the_cursor() {
    let mut stage = stage();
    stage.press("p");
    stage.press("a");
    assert_eq!(stage.app.prompt().map(|prompt| prompt.text().to_owned()).as_deref(), Some("ack 7 "), "of the problems");
    stage.write("waits for RMA");
    let effects = stage.press("enter");
    assert_eq!(said(&effects), Some((7, Verb::Acknowledge, "waits for RMA")));
    stage.press("enter");
    let effects = stage.press("a enter");
    assert_eq!(said(&effects), Some((7, Verb::Acknowledge, "")), "on its own screen");
    let effects = stage.press("esc esc : i n c i d e n t s enter j a enter");
    assert!(said(&effects).is_some(), "of the table");
}

#[test]
fn an_incident_shows_its_subject_beside_its_peers() {
    let mut stage = Stage::new(256, 8, (200, 50));
    stage.press(": i n c i d e n t s enter G enter");
    let screen = stage.screen();
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu030:1"), "{screen}");
    for title in ["UTIL", "POWER", "SM CLOCK", "TEMP", "peers "] {
        assert!(screen.lines().any(|line| line.split(title).count() > 1), "{title}: {screen}");
    }
    let asked: Vec<String> = stage.app.questions().into_iter().map(|question| question.query).collect();
    assert!(asked.iter().any(|it| it.starts_with("gpus where node = 'gpu030' show gpu.util")), "{asked:?}");
    assert!(asked.iter().any(|it| it.starts_with("events where event.subject = 'gpu030:1'")), "{asked:?}");
}

#[test]
fn events_are_marked_under_the_graphs_where_they_happened() {
    let mut stage = Stage::new(256, 8, (200, 50));
    stage.press(": i n c i d e n t s enter j enter");
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu017:3"));
    // The graphs stand at the right half.
    let marks = |stage: &Stage| -> Vec<usize> {
        let screen = stage.screen();
        let marked = screen.lines().filter_map(|line| line.chars().collect::<Vec<_>>().iter().rposition(|c| *c == '✖'));
        marked.filter(|at| *at > 100).collect()
    };
    assert_eq!(marks(&stage), [0; 0], "its XID was before all that is shown");
    stage.press("-");
    let near = marks(&stage);
    assert!(
        near.len() == 4 && near.iter().all(|at| at.abs_diff(near[0]) < 3),
        "one under each graph: {}",
        stage.screen()
    );
    stage.press("-");
    let far = marks(&stage);
    assert!(far.len() == 4 && far[0] > near[0], "in an hour it was later: {}", stage.screen());
}

#[test]
fn what_has_no_room_of_an_incident_is_scrolled_to() {
    let mut stage = Stage::new(256, 8, (80, 24));
    stage.hub.is_wordy = true;
    stage.press(": i n c i d e n t s enter enter");
    let body = |stage: &Stage| stage.screen().lines().skip(2).take(21).map(str::to_owned).collect::<Vec<_>>();
    let first = body(&stage);
    assert!(first[0].contains("gpu099  node.silent") && first[1].ends_with(" of 36"), "{first:#?}");
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..40 {
        let lines = body(&stage);
        assert_eq!(lines[0], first[0], "the headline stays");
        let curves = ["GPU UTIL", "GPU POWER", "CPU", "MEMORY"];
        let last = lines[lines.len() - 4..].iter().zip(curves);
        assert!(last.into_iter().all(|(line, curve)| line.starts_with(&format!(" {curve} "))), "{lines:#?}");
        seen.extend(lines.into_iter().skip(2).filter(|line| !seen.contains(line)).collect::<Vec<_>>());
        stage.press("down");
    }
    let said = seen.join("\n");
    let all = (1..=12).map(|at| format!("kernel line {at} ")).chain((1..=3).map(|at| format!("ssh {at} gpu099")));
    for line in all.chain(["scontrol update nodename=gpu099".into(), "down, silent for".into()]) {
        assert!(said.contains(&line), "{line}: {said}");
    }
    let end = body(&stage);
    for (keys, expected) in [
        ("g g", &first),
        ("ctrl-f ctrl-f ctrl-f", &end),
        ("ctrl-b ctrl-b ctrl-b", &first),
        ("G", &end),
        ("home", &first),
    ] {
        stage.press(keys);
        assert_eq!(&body(&stage), expected, "{keys}");
    }
    stage.press("G k");
    assert_ne!(body(&stage), end, "the first step back is seen at once");
    // With more room all of it is there.
    stage.app.update(Input::Resize(80, 60), stage.hub.now);
    assert!(!stage.screen().contains(" of 36") && stage.screen().contains("kernel line 12 "), "{}", stage.screen());
}

#[test]
fn commands_say_something_of_an_incident() {
    let mut stage = stage();
    stage.press(":");
    stage.write("silence 9 2h burn-in");
    let effects = stage.press("enter");
    assert_eq!(said(&effects), Some((9, Verb::Silence(std::time::Duration::from_hours(2)), "burn-in")));
    stage.press(":");
    stage.write("reopen 9");
    assert_eq!(said(&stage.press("enter")), Some((9, Verb::Reopen, "")));
    stage.press(":");
    stage.write("ack");
    assert_eq!(said(&stage.press("enter")), None);
    assert!(stage.app.notice().unwrap().contains("which incident"));
    stage.press("2 a");
    assert!(stage.app.notice().unwrap().contains("no incident"));
}

#[test]
fn what_the_hub_says_of_a_remark_is_shown() {
    let mut stage = stage();
    let now = stage.hub.now;
    stage.app.update(Input::News(News::Said(Ok(()))), now);
    assert_eq!(stage.app.notice(), Some("taken note of"));
    let complaint = Complaint { message: "incident 9 is over".into(), ..Complaint::default() };
    stage.app.update(Input::News(News::Said(Err(complaint))), now);
    assert_eq!(stage.app.notice(), Some("incident 9 is over"));
}

#[test]
fn the_first_command_is_copied_and_the_others_beside_it_do_nothing() {
    let mut stage = stage();
    stage.press("p j enter");
    let copied = stage.press("y").copy.expect("commands");
    let lines: Vec<&str> = copied.lines().collect();
    assert!(lines[0].starts_with("scontrol update nodename=gpu017"), "{copied}");
    assert!(lines[1..].iter().all(|line| line.starts_with("# ")) && lines.len() == 2, "{copied}");
}

#[test]
fn what_happened_is_marked_under_sparks_too() {
    let mut stage = Stage::new(256, 8, (80, 24));
    stage.press("p j enter - -");
    assert_eq!(trail(&stage), "overview › incident 3");
    let screen = stage.screen();
    let below = screen.lines().skip_while(|line| !line.starts_with(" TEMP ")).nth(1).map(str::trim);
    assert_eq!(below, Some("✖"), "{screen}");
}
