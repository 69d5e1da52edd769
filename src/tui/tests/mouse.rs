//! What the mouse does, on a fleet that stands still.

use crossterm::event::MouseEventKind;

use super::*;

#[test]
fn the_mouse_chooses_sorts_and_goes_in() {
    let mut stage = Stage::new(256, 8, (120, 40));
    let at = |stage: &Stage, text: &str| {
        let screen = stage.screen();
        let (y, line) = screen.lines().enumerate().find(|(_, line)| line.contains(text)).expect(text);
        (line[..line.find(text).expect(text)].chars().count() as u16, y as u16)
    };
    stage.press("2");
    let chosen = |stage: &Stage| stage.app.screen().subject();
    let first = chosen(&stage);
    let (x, y) = at(&stage, "UTIL");
    stage.click(x, y + 3);
    let third = chosen(&stage);
    assert_ne!(first, third);
    stage.mouse(MouseEventKind::ScrollDown, x, y + 3);
    assert_ne!(chosen(&stage), third, "the wheel moves on");
    stage.click(x, y);
    let sorted = stage.screen();
    stage.click(x, y);
    assert_ne!(stage.screen(), sorted, "the other way round");
    stage.click(x, y + 2);
    let name = chosen(&stage).expect("a row");
    assert!(!stage.screen().lines().next().expect("a header").contains(&name));
    stage.click(x, y + 2);
    assert!(stage.screen().lines().next().expect("a header").contains(&name), "into what is chosen");
    stage.press("esc 1");
    let (x, y) = at(&stage, "■");
    stage.click(x + 4, y);
    let cell = chosen(&stage).expect("a cell");
    stage.click(x + 4, y);
    assert!(stage.screen().lines().next().expect("a header").contains(&cell), "{}", stage.screen());
}

#[test]
fn a_click_on_a_view_goes_there() {
    let mut stage = Stage::new(256, 8, (200, 50));
    let header = stage.screen().lines().next().expect("a header").to_owned();
    let place = |words: &str| header[..header.find(words).expect(words)].chars().count() as u16;
    stage.click(place("3 gpus") + 2, 0);
    assert_eq!(stage.app.crumbs(), ["gpus"]);
    stage.click(place("supertop"), 0);
    assert_eq!(stage.app.crumbs(), ["gpus"]);
    stage.press("enter");
    stage.click(place("2 nodes"), 0);
    assert_eq!(stage.app.crumbs().len(), 2, "there is the way here instead");
}
