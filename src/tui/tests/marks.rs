//! Marks, on every screen that has something to mark.

use super::*;

fn marks(stage: &Stage) -> Vec<&str> {
    stage.app.shared().marks.iter().map(String::as_str).collect()
}

#[test]
fn whatever_is_under_the_cursor_is_marked() {
    let check = |keys: &str, expected: &[&str]| {
        let mut stage = stage();
        stage.press(keys);
        assert_eq!(marks(&stage), expected, "{keys}");
        let told = format!("{} marked", expected.len());
        assert!(expected.is_empty() || stage.screen().contains(&told), "{keys}: {}", stage.screen());
        stage.press("U");
        assert_eq!(marks(&stage), [""; 0], "{keys}");
    };
    check("space space", &["gpu001", "gpu002"]);
    check("p space space", &["gpu017:3", "gpu099"]);
    check("p space enter esc", &["gpu099"]);
    check("2 < enter space space", &["gpu001:0", "gpu001:1"]);
    check("2 < enter G space", &["gpu001:7"]);
    check("2 < enter p space", &["gpu001"]);
    check("2 < enter enter space", &["gpu001:0"]);
    check("2 < enter enter space space", &[]);
    check("2 < enter enter enter space", &["gpu001/7000"]);
    check("p enter space", &["gpu099"]);
    check("4 enter space", &["gpu024:0"]);
    check(": i n c i d e n t s enter space space space", &["gpu017:3", "gpu099", "gpu117"]);
}

#[test]
fn the_cursor_moves_on_only_to_what_could_be_marked_next() {
    let mut stage = stage();
    stage.press("2 < enter enter");
    let before = stage.screen();
    stage.press("space space");
    assert_eq!(stage.screen(), before, "a GPU's screen has but one GPU");
    stage.press("b space");
    assert_eq!(stage.app.notice(), Some("nothing to mark here"));
}

#[test]
fn what_incidents_are_about_is_drained_and_copied() {
    let mut stage = stage();
    stage.press(": i n c i d e n t s enter D");
    let copied = stage.copied.take().expect("a command");
    assert!(copied.starts_with("scontrol update nodename=gpu099 state=drain "), "{copied}");
    stage.press("space space space D");
    let copied = stage.copied.take().expect("commands");
    assert!(copied.contains("nodename=gpu099 ") && copied.contains("nodename=gpu117 "), "{copied}");
    assert!(!copied.contains("gpu017"), "it is drained already: {copied}");
    let stars = |stage: &Stage| stage.screen().lines().filter(|line| line.starts_with('*')).count();
    assert_eq!(stars(&stage), 3, "{}", stage.screen());
    assert_eq!(stage.press("y").copy.as_deref(), Some("gpu017:3 gpu099 gpu117"));
    stage.press("Y");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&stage.copied.take().expect("rows")).expect("an array");
    assert_eq!(rows.len(), 3, "{rows:?}");
    stage.press("U p 1 p enter D");
    assert!(stage.copied.take().is_some_and(|it| it.contains("nodename=gpu099 ")), "on its own screen");
}

#[test]
fn an_incidents_first_command_is_copied_wherever_it_is_listed() {
    for keys in [": i n c i d e n t s enter", "p", "p enter"] {
        let mut stage = stage();
        stage.press(keys);
        let copied = stage.press("y").copy.expect("commands");
        let lines: Vec<&str> = copied.lines().collect();
        assert!(lines[0].starts_with("scontrol update nodename=gpu099 ") && lines[1].starts_with("# ssh"), "{copied}");
        stage.hub.has_scheduler = false;
        stage.second();
        let copied = stage.press("y").copy.expect("a name");
        let told = format!("copied {copied}: no command without a scheduler; [commands] can give one");
        assert_eq!(stage.app.notice(), Some(&*told), "{keys}");
    }
}
