//! What is typed after `:`, letter by letter, and what comes of it.

use super::*;
use crate::{
    model::incident::{Remark, Verb},
    tui::theme::Theme,
};

fn run(stage: &mut Stage, line: &str) -> Effects {
    stage.write(line);
    assert_eq!(stage.app.prompt().map(|prompt| format!(":{}", prompt.text())).as_deref(), Some(line));
    let effects = stage.press("enter");
    assert!(stage.app.prompt().is_none(), "{line}: {}", stage.screen());
    effects
}

#[test]
fn a_query_goes_to_its_table() {
    let mut stage = stage();
    run(&mut stage, ":gpus where xid != none");
    assert_eq!(trail(&stage), "gpus");
    let screen = stage.screen();
    assert!(screen.contains("· where xid != none"), "{screen}");
    let rows = screen.lines().skip(4).filter(|line| line.contains("gpu")).count();
    assert!(screen.contains("gpu017 ") && screen.contains("gpu150 ") && rows == 2, "{screen}");
    run(&mut stage, ":sort -power");
    assert!(stage.app.questions().iter().any(|it| it.query.contains(" sort -power ")), "{:?}", stage.app.questions());
    assert!(stage.screen().contains("POWER▾"), "{}", stage.screen());
    run(&mut stage, ":node gpu042");
    assert_eq!(trail(&stage), "gpus › gpu042");
}

#[test]
fn tab_completes_keys_names_and_what_can_be_copied() {
    let check = |line: &str, typed: &str, told: &str| {
        let mut stage = stage();
        stage.press("3");
        stage.write(line);
        stage.press("tab");
        let prompt = stage.app.prompt().expect("a line");
        let objection = prompt.objection.as_ref().map_or("", |objection| &objection.message);
        assert_eq!(prompt.text(), typed, "{line}");
        assert!(if told.is_empty() { objection.is_empty() } else { objection.contains(told) }, "{line}: {objection}");
    };
    check(":gpus where te", "gpus where te", "temp  temp.limit");
    check(":gpus sort -pow", "gpus sort -power", "");
    check(":gpus sort -po", "gpus sort -po", "pod  power  power.limit");
    check(":gpus sort -power", "gpus sort -power", "power  power.limit");
    check(":gpus sort util,-clock.m", "gpus sort util,-clock.mem ", "");
    check(":gpus where max(remap.p", "gpus where max(remap.pending ", "");
    check(":sort -remap.p", "sort -remap.pending ", "");
    check(":where gpu.remap.p", "where gpu.remap.pending ", "");
    check(":copy j", "copy json ", "");
    for line in [":ack w", ":when l", ":copy w", ":node s", ":ack ", ":node "] {
        check(line, &line[1..], "");
    }
}

#[test]
fn tab_completes_the_keys_of_a_filter() {
    let mut stage = stage();
    stage.press("3 /");
    stage.write("pow");
    stage.press("tab");
    assert_eq!(stage.app.prompt().map(|prompt| prompt.text().to_owned()).as_deref(), Some("power"));
    stage.write(" > 1 and remap.p");
    stage.press("tab");
    stage.write("= 1");
    stage.press("enter");
    assert!(stage.screen().contains("· where power > 1 and remap.pending = 1"), "{}", stage.screen());
}

#[test]
fn filters_and_commands_come_back_also_at_the_next_start() {
    let mut stage = stage();
    stage.press("3 /");
    stage.write("xid != none");
    stage.press("enter /");
    stage.press("ctrl-u enter");
    run(&mut stage, ":sort -power");
    let recall = |stage: &mut Stage| {
        stage.press("3 / up");
        let filter = stage.app.prompt().map(|prompt| prompt.text().to_owned());
        let rows = stage.screen().lines().skip(4).filter(|line| line.contains("gpu")).count();
        stage.press("esc : up");
        let command = stage.app.prompt().map(|prompt| prompt.text().to_owned());
        stage.press("esc");
        (filter, rows, command)
    };
    let expected = (Some("xid != none".to_owned()), 2, Some("sort -power".to_owned()));
    assert_eq!(recall(&mut stage), expected, "it holds as it is recalled");
    assert!(!stage.screen().contains("· where"), "and Esc takes it back: {}", stage.screen());
    let habits = crate::tui::Habits::from_toml(&stage.app.shared().habits.to_toml()).expect("what was written");
    assert_eq!(recall(&mut Stage::with(Settings { habits, ..settings() }, 256, 8, SIZE)), expected);
}

#[test]
fn a_theme_is_put_on() {
    let mut stage = stage();
    run(&mut stage, ":theme nord");
    let nord = Theme::load("nord", &[], Depth::True).unwrap();
    assert_eq!(stage.app.shared().look.theme, nord);
    run(&mut stage, ":theme nrod");
    assert_eq!(stage.app.shared().look.theme, nord, "one that is not there changes nothing");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("nrod")), "{:?}", stage.app.notice());
}

#[test]
fn an_incident_is_taken_note_of_with_a_word() {
    let mut stage = stage();
    let effects = run(&mut stage, ":ack 7 waiting for RMA");
    let text = "waiting for RMA".to_owned();
    assert_eq!(effects.say, Some(Remark { incident: 7, verb: Verb::Acknowledge, text, by: "u1042".into() }));
}

#[test]
fn another_time_is_gone_to_by_the_clock_and_by_how_long_ago() {
    let mut stage = stage();
    let banner = |stage: &Stage| stage.screen().lines().nth(1).unwrap_or_default().trim().to_owned();
    run(&mut stage, ":when 14:02");
    assert!(banner(&stage).starts_with("AS OF 2026-11-23 14:02:00, 2m31s ago"), "{}", banner(&stage));
    run(&mut stage, ":when -20m");
    assert!(banner(&stage).starts_with("AS OF 2026-11-23 13:52:31, 12m00s ago"), "{}", banner(&stage));
    assert_eq!(stage.app.notice(), Some("history reaches back 12m00s only"));
}

#[test]
fn what_was_typed_before_comes_back() {
    let mut stage = stage();
    run(&mut stage, ":gpus where temp > 80");
    run(&mut stage, ":theme light");
    let typed = |stage: &Stage| stage.app.prompt().map(|prompt| prompt.text().to_owned()).unwrap_or_default();
    for (keys, expected) in [
        (": up", "theme light"),
        ("up", "gpus where temp > 80"),
        ("down", "theme light"),
        ("down", ""),
        ("up", "theme light"),
    ] {
        stage.press(keys);
        assert_eq!(typed(&stage), expected, "{keys}");
    }
    stage.press("up enter");
    assert_eq!(trail(&stage), "gpus");
    stage.press("/ up");
    assert_eq!(typed(&stage), "temp > 80", "a command is no filter");
}
