//! What the mouse does, on a fleet that stands still.

use crossterm::event::MouseEventKind;

use super::*;

/// Where `text` stands in the first line that has all of `words`, too.
fn at(stage: &Stage, text: &str, words: &[&str]) -> (u16, u16) {
    let screen = stage.screen();
    let fits = |line: &str| line.contains(text) && words.iter().all(|word| line.contains(word));
    let (y, line) =
        screen.lines().enumerate().find(|(_, line)| fits(line)).unwrap_or_else(|| panic!("{text}: {screen}"));
    (unicode_width::UnicodeWidthStr::width(&line[..line.find(text).expect(text)]) as u16, y as u16)
}

/// What stands on the ground of the chosen row.
fn chosen(stage: &Stage) -> String {
    let ground = stage.app.shared().look.theme.style(crate::tui::theme::Role::TableRowSelected).bg;
    stage.buffer().content.iter().filter(|cell| cell.style().bg == ground).map(ratatui::buffer::Cell::symbol).collect()
}

fn asks(stage: &Stage, begin: &str, clause: &str) -> bool {
    stage.app.questions().iter().any(|it| it.query.starts_with(begin) && it.query.contains(clause))
}

#[test]
fn a_click_chooses_sorts_and_goes_in() {
    let mut stage = Stage::new(256, 8, SIZE);
    stage.press("2");
    let subject = |stage: &Stage| stage.app.screen().subject();
    let first = subject(&stage);
    let (x, y) = at(&stage, "UTIL", &["NODE"]);
    stage.click(x, y + 3);
    assert_ne!(first, subject(&stage));
    stage.click(x, y);
    let sorted = stage.screen();
    stage.click(x, y);
    assert_ne!(stage.screen(), sorted, "the other way round");
    stage.click(x, y + 2);
    let name = subject(&stage).expect("a row");
    assert_eq!(trail(&stage), "nodes");
    stage.click(x, y + 2);
    assert_eq!(trail(&stage), format!("nodes › {name}"), "into what is chosen");
    stage.press("esc 1");
    let (x, y) = at(&stage, "■", &[]);
    stage.click(x + 4, y);
    let entered = trail(&stage);
    stage.press("esc");
    let cell = subject(&stage).expect("a cell");
    assert_eq!(entered, format!("overview › {cell}"), "a cell is gone into at once");
}

#[test]
fn the_wheel_moves_the_cursor_both_ways() {
    let mut stage = Stage::new(256, 8, SIZE);
    stage.press("2 <");
    for (kind, expected) in [
        (MouseEventKind::ScrollDown, "gpu004"),
        (MouseEventKind::ScrollDown, "gpu007"),
        (MouseEventKind::ScrollUp, "gpu004"),
        (MouseEventKind::ScrollUp, "gpu001"),
        (MouseEventKind::ScrollUp, "gpu001"),
    ] {
        stage.mouse(kind, 9, 9);
        assert_eq!(stage.app.screen().subject().as_deref(), Some(expected), "{kind:?}");
    }
}

#[test]
fn a_click_in_problems_chooses_one_and_goes_in() {
    let mut stage = Stage::new(256, 8, SIZE);
    let (x, y) = at(&stage, "gpu117/mlx5_2", &[]);
    stage.click(x, y);
    assert_eq!((trail(&stage).as_str(), stage.app.screen().incident()), ("overview", Some("4")));
    assert!(chosen(&stage).contains("gpu117/mlx5_2"), "{}", chosen(&stage));
    stage.click(x, y);
    assert_eq!(trail(&stage), "overview › incident 4");
}

#[test]
fn a_click_on_a_jobs_gpus_sorts_them_and_chooses_one() {
    let mut stage = Stage::new(256, 8, SIZE);
    stage.press("4 enter");
    let (x, y) = at(&stage, "POWER", &["NODE"]);
    stage.click(x, y);
    assert!(asks(&stage, "gpus where job = ", " sort -gpu.power "), "{:?}", stage.app.questions());
    stage.click(x, y + 3);
    let gpu = stage.app.screen().subject().expect("a row");
    assert!(chosen(&stage).contains(gpu.split_once(':').expect("a GPU").0), "{gpu}: {}", chosen(&stage));
    assert_eq!(trail(&stage).matches('›').count(), 1);
    stage.click(x, y + 3);
    assert_eq!(trail(&stage), format!("jobs › job 4712 › {gpu}"));
    stage.press("esc");
    let before = stage.screen();
    stage.click(x, 3);
    assert_eq!(stage.screen(), before, "above its table there is nothing to choose");
}

#[test]
fn a_click_on_a_nodes_panel_moves_the_cursor_there() {
    let mut stage = Stage::new(256, 8, (200, 50));
    stage.press("2 < enter");
    let (x, y) = at(&stage, "mlx5_1", &[]);
    stage.click(x, y);
    assert!(chosen(&stage).contains("mlx5_1"), "{}", chosen(&stage));
    let (x, y) = at(&stage, "RATE", &["NIC"]);
    stage.click(x, y);
    assert!(asks(&stage, "nics where node", " sort -nic.rate "), "{:?}", stage.app.questions());
    let (x, y) = at(&stage, "7002", &[]);
    stage.click(x, y);
    assert!(chosen(&stage).contains("7002") && !chosen(&stage).contains("mlx5"), "{}", chosen(&stage));
    stage.click(x, y);
    assert_eq!(trail(&stage), "nodes › gpu001 › pid 7002");
    stage.press("esc");
    let (x, y) = at(&stage, "GPUS 8", &[]);
    stage.click(x, y);
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu001:0"), "a panel's title is the panel's");
    stage.click(x, y + 5);
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu001:3"));
    stage.click(x, y + 5);
    assert_eq!(trail(&stage), "nodes › gpu001 › GPU 3");
    stage.press("esc");
    let before = stage.screen();
    let (x, y) = at(&stage, "EVENTS", &[]);
    stage.click(x, y);
    assert_eq!(stage.screen(), before, "nothing is in there");
}

#[test]
fn a_click_on_the_name_of_a_panel_without_room_shows_it() {
    let mut stage = Stage::new(256, 8, (80, 24));
    stage.press("2 < enter");
    for (name, title) in [("disks 3", "DISKS 3"), ("ports 9", "PORTS 9"), ("processes 16", "PROCESSES 16")] {
        let (x, y) = at(&stage, name, &[]);
        stage.click(x + 2, y);
        assert!(stage.screen().contains(&format!("─ {title} ")), "{name}: {}", stage.screen());
    }
}

#[test]
fn a_click_on_a_gpus_panel_moves_the_cursor_there() {
    let mut stage = Stage::new(256, 8, (200, 50));
    stage.write(":gpu gpu017:3");
    stage.press("enter");
    let (x, y) = at(&stage, "NVRM: Xid", &[]);
    stage.click(x, y);
    assert!(chosen(&stage).contains("NVRM: Xid"), "{}", chosen(&stage));
    let (x, y) = at(&stage, "PID", &["GPUMEM"]);
    stage.click(x, y);
    assert!(asks(&stage, "processes where node", " sort -proc.pid "), "{:?}", stage.app.questions());
    stage.click(x, y + 1);
    assert_eq!(trail(&stage), "overview › gpu017:3 › gpu017/7003", "the cursor was on the only one");
    stage.press("esc");
    let (x, y) = at(&stage, "METRICS", &[]);
    stage.click(x, y + 3);
    assert_eq!(chosen(&stage), "", "metrics have no rows to choose");
}

#[test]
fn a_click_on_one_of_those_compared_chooses_it() {
    let mut stage = Stage::new(256, 8, SIZE);
    stage.press("3 space space space c");
    let names: Vec<String> = stage.app.shared().marks.iter().cloned().collect();
    let (x, y) = at(&stage, &names[2], &[&names[0], &names[1]]);
    stage.click(x, y);
    assert_eq!(stage.app.screen().subject().as_ref(), Some(&names[2]));
    let (x, _) = at(&stage, &names[1], &[&names[0]]);
    stage.click(x, y + 5);
    assert_eq!(stage.app.screen().subject().as_ref(), Some(&names[1]), "a value is its column's");
    stage.click(x, y + 6);
    assert_eq!(trail(&stage), format!("gpus › compare gpus › {}", names[1]));
}

#[test]
fn a_click_on_a_mark_or_a_lane_chooses_what_happened() {
    let mut stage = Stage::new(256, 8, SIZE);
    stage.press("b - - -");
    let said = |stage: &Stage| stage.screen().lines().nth(38).unwrap_or_default().to_owned();
    assert!(said(&stage).contains("gpu017:3  XID"), "{}", said(&stage));
    let lane = |stage: &Stage, name: &str| {
        let screen = stage.screen();
        let lines = screen.lines().enumerate().skip(4);
        let (y, line) = lines.into_iter().find(|(_, line)| line.starts_with(name)).expect(name);
        (y as u16, line.to_owned())
    };
    let (y, line) = lane(&stage, " XID");
    let last = line.chars().collect::<Vec<_>>().iter().rposition(|c| *c == 'X').expect("a mark") as u16;
    stage.click(last, y);
    assert!(said(&stage).contains("gpu150:1  XID"), "{}", said(&stage));
    let (y, _) = lane(&stage, " lost");
    stage.click(2, y);
    assert!(said(&stage).contains("  lost  "), "{}", said(&stage));
    let (y, _) = lane(&stage, " XID");
    stage.click(last, y);
    assert_eq!(trail(&stage), "overview › blast");
    stage.click(last, y);
    assert_eq!(trail(&stage), "overview › blast › gpu150:1");
    stage.press("esc");
    let before = stage.screen();
    stage.click(2, 30);
    assert_eq!(stage.screen(), before, "there is no lane");
}

#[test]
fn where_the_mouse_is_left_to_the_terminal_it_does_nothing() {
    let mut stage = Stage::with(Settings { mouse: false, ..settings() }, 256, 8, SIZE);
    stage.press("2");
    let before = stage.screen();
    let (x, y) = at(&stage, "UTIL", &["NODE"]);
    for (kind, column, row) in [
        (MouseEventKind::Down(MouseButton::Left), x, y),
        (MouseEventKind::Down(MouseButton::Left), x, y + 4),
        (MouseEventKind::Down(MouseButton::Left), 12, 0),
        (MouseEventKind::ScrollDown, x, y + 4),
    ] {
        stage.mouse(kind, column, row);
        assert_eq!(stage.screen(), before, "{kind:?} at {column}, {row}");
    }
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
