//! The screen held still: nothing moves but what somebody moves.

use super::*;

#[test]
fn a_frozen_screen_stands_still() {
    let mut stage = stage();
    stage.press("3 Z");
    let before = stage.screen();
    assert!(before.contains("FROZEN"));
    assert!(stage.app.questions().is_empty(), "nothing is asked for what stands still");
    assert!(!stage.second());
    stage.hub.now = Time::from_millis(stage.hub.now.as_millis() + 64_000);
    stage.app.update(Input::Tick, stage.hub.now);
    let after = stage.screen();
    let body = |screen: &str| screen.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&after), body(&before));
    assert!(before.contains("FROZEN for 0.0s") && after.contains("FROZEN for 1m05s"), "{before}\n{after}");
    stage.press("2");
    assert!(stage.screen().contains("gpu001"), "a screen that was never filled is filled once");
    assert!(stage.app.questions().is_empty());
    stage.press("Z");
    assert!(!stage.screen().contains("FROZEN"));
    assert!(!stage.app.questions().is_empty());
}

#[test]
fn what_is_asked_anew_of_a_frozen_screen_is_answered_once() {
    let body = |stage: &Stage| stage.screen().lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    for keys in ["/ g p u 0 1 7 enter", "!", "s p", "I", "G", "ctrl-f ctrl-f ctrl-f", "- enter"] {
        let (mut still, mut live) = (stage(), stage());
        still.press("3 Z");
        let before = body(&still);
        still.press(keys);
        live.press("3");
        live.press(keys);
        assert!(body(&still) != before && body(&still) == body(&live), "{keys}: {}", still.screen());
        assert!(still.screen().contains("FROZEN") && still.app.questions().is_empty(), "{keys}: asked once");
        assert!(!still.second(), "{keys}: it stands still again");
    }
}

#[test]
fn another_time_ends_what_was_held_still() {
    for keys in ["3 - Z {", "3 - { { Z }", "3 Z : w h e n space - 5 m enter"] {
        let mut stage = stage();
        stage.press(keys);
        let screen = stage.screen();
        assert!(screen.contains("AS OF 2026-11-23") && !screen.contains("FROZEN"), "{keys}: {screen}");
        assert!(stage.app.questions().iter().any(|it| it.query.contains(" at 2026-11-23T")), "{keys}");
    }
    let mut stage = stage();
    stage.press("3 { Z : w h e n enter");
    assert!(!stage.screen().contains("FROZEN") && !stage.screen().contains("AS OF"), "{}", stage.screen());
}
