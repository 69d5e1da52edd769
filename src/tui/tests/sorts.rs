//! What tables are sorted by: by hand, and from one time to the next.

use super::*;

/// What is remembered of the GPUs.
fn remembered(stage: &Stage) -> String {
    stage.app.shared().habits.of("gpus").sort
}

fn is_asked(stage: &Stage, what: &str) -> bool {
    stage.app.questions().iter().any(|it| it.query.contains(what))
}

#[test]
fn what_is_sorted_by_hand_is_remembered() {
    let check = |keys: &str, expected: &str| {
        let mut stage = stage();
        stage.press(keys);
        assert_eq!(remembered(&stage), expected, "{keys}");
    };
    check("3", "");
    check("3 s p", "-gpu.power");
    check("3 s p s p", "gpu.power");
    check("3 I", "util,node,index");
    check("3 >", "-gpu.sm.active");
    check("3 : s o r t space - t e m p enter", "-temp");
    check("3 s p : s o r t space - u t i l , n o d e , i n d e x enter", "");
    let mut stage = stage();
    stage.press("3");
    let header = stage.screen().lines().nth(3).unwrap_or_default().to_owned();
    let before = &header[..header.find("POWER").expect("a column")];
    stage.click(before.chars().count() as u16, 3);
    assert_eq!(remembered(&stage), "-gpu.power", "a click is a hand's");
}

#[test]
fn a_view_is_sorted_as_it_was_left_however_one_goes_there() {
    let mut stage = stage();
    stage.press("3 s p");
    for line in [":gpus", ":gpus where temp > 80"] {
        stage.write("1");
        stage.write(line);
        stage.press("enter");
        assert!(is_asked(&stage, " sort -gpu.power "), "{line}: {:?}", stage.app.questions());
        assert_eq!(remembered(&stage), "-gpu.power", "{line}");
    }
    // Who says how it is to be sorted, grouped or shown, says so for once.
    for line in [":gpus sort temp", ":gpus by model", ":gpus show node,index", ":hot"] {
        stage.write(line);
        stage.press("enter j k");
        assert!(!is_asked(&stage, " sort -gpu.power "), "{line}: {:?}", stage.app.questions());
        assert_eq!(remembered(&stage), "-gpu.power", "{line}");
    }
    stage.press("5 enter s u");
    assert_eq!(stage.app.shared().habits.of("nodes").sort, "", "and so does who sorts inside of a place");
    stage.press("3");
    assert!(is_asked(&stage, " sort -gpu.power "), "{:?}", stage.app.questions());
}

#[test]
fn what_cannot_be_sorted_by_is_not_remembered() {
    let mut stage = stage();
    stage.press("3 s p");
    stage.write(":sort tmep");
    stage.press("enter");
    assert!(stage.screen().contains("no key is called tmep"), "{}", stage.screen());
    assert_eq!(remembered(&stage), "-gpu.power");
    stage.press("1 3");
    assert!(!stage.screen().contains("tmep") && stage.screen().contains("POWER▾"), "{}", stage.screen());
}
