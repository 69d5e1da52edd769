//! Each action has a key that a test presses, and so has each key of an action.

use super::*;
use crate::tui::action::ACTIONS;

/// Keys that tests press one after another out of a list.
fn listed() -> impl Iterator<Item = &'static str> {
    let walks = keys::STEPS.iter().chain(&keys::GRID).chain(&keys::VIEWS).map(|(keys, _)| *keys);
    walks.chain(saved::PLACES)
}

/// The keys that `source` gives to `press` as they are written, those of each time together. What is typed into a prompt
/// and the letter that picks a column are no keys of actions.
fn pressed(source: &str) -> impl Iterator<Item = Vec<&str>> {
    let written = source.split("press(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    written.map(keys_of)
}

fn keys_of(written: &str) -> Vec<&str> {
    let (mut keys, mut rest) = (Vec::new(), written.split(' '));
    while let Some(key) = rest.next() {
        keys.push(key);
        match key {
            ":" | "/" | "a" | "ctrl-s" => drop(rest.find(|key| ["enter", "esc"].contains(key))),
            "s" => drop(rest.next()),
            _ => {}
        }
    }
    keys
}

#[test]
fn what_is_typed_is_no_key_of_an_action() {
    let source =
        "stage.press(\"3 : s o r t space - t e m p enter Z\"); stage.write(\"+ I\"); press(\"s t > / ! esc q\")";
    let expected: [&[&str]; 2] = [&["3", ":", "Z"], &["s", ">", "/", "q"]];
    assert_eq!(pressed(source).collect::<Vec<_>>(), expected);
}

#[test]
fn no_action_is_without_a_key_that_a_test_presses() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tui/tests");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: Vec<String> =
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let written = sources.iter().flat_map(|source| pressed(source));
    let all: Vec<Vec<&str>> = written.chain(listed().map(|keys| keys_of(keys))).collect();
    for row in ACTIONS {
        for keys in row.keys.split(' ') {
            let sequence: Vec<&str> = keys.split(',').collect();
            let is_pressed = all.iter().any(|pressed| pressed.windows(sequence.len()).any(|keys| keys == sequence));
            assert!(is_pressed, "{}: {keys} is pressed by no test", row.name);
        }
    }
}
