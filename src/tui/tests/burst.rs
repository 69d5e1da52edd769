//! Ten thousand events within a second: what is on screen stays legible, and says how many there are.

use super::*;

const BURST: usize = 10_000;
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// A second after which so many events have come, on what these keys lead to.
fn after(keys: &str, size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(256, 8, size);
    stage.press(keys);
    stage.hub.burst = BURST;
    stage.second();
    stage
}

#[test]
fn the_events_stay_legible_and_are_counted() {
    for size in SIZES {
        let mut stage = after("8", size);
        let (screen, shown) = (stage.screen(), usize::from(size.1) - 5);
        let caption = screen.lines().nth(2).unwrap_or_default();
        assert!(caption.ends_with(&format!(" 1–{shown} of 10,003")), "{screen}");
        let rows: Vec<&str> = screen.lines().skip(4).take(shown).collect();
        for row in &rows {
            let words: Vec<&str> = row.split_whitespace().collect();
            assert!(
                matches!(words[..], ["14:04:31" | "14:04:32", "xid", subject, "NVRM:", ..] if subject.starts_with("gpu")),
                "{row}"
            );
            assert!(row.ends_with("Fault") || row.ends_with('…'), "{row}");
        }
        every::check_whole("events", &stage, &every::words(&after("8", every::ROOM)));
        // The oldest are still there, after all of those.
        stage.press("G");
        let screen = stage.screen();
        assert!(screen.lines().rev().nth(1).is_some_and(|row| row.contains("mlx5_2: link up")), "{screen}");
        assert!(screen.contains("–10,003 of 10,003"), "{screen}");
    }
}

#[test]
fn the_cursor_stays_on_its_event_or_says_that_it_is_elsewhere() {
    let mut stage = after("8 j j", SIZE);
    assert_eq!(stage.app.screen().subject().as_deref(), Some("gpu017/mlx5_2"));
    assert!(stage.screen().contains("gpu017/mlx5_2 has moved out of these rows"), "{}", stage.screen());
    stage.press("g g");
    assert_eq!(stage.app.screen().subject().as_deref(), Some("burst 0"));
    stage.press("j j");
    stage.second();
    assert_eq!(stage.app.screen().subject().as_deref(), Some("burst 2"));
    stage.press("/");
    stage.write("event.kind = link");
    stage.press("enter");
    let screen = stage.screen();
    assert!(screen.contains("mlx5_2: link up") && !screen.contains("Fault"), "{screen}");
}

#[test]
fn the_problems_stay_legible_and_are_counted() {
    for size in SIZES {
        let mut stage = after("1", size);
        let screen = stage.screen();
        let title = screen.lines().find(|line| line.contains("PROBLEMS")).expect("a panel");
        assert!(title.trim_end_matches(['─', ' ']).ends_with(" 400 crit · 9,604 warn"), "{screen}");
        let first = title.chars().position(|c| c == 'P').expect("a title") - 2;
        let rows: Vec<String> = screen.lines().map(|line| line.chars().skip(first).collect()).collect();
        let problems: Vec<&String> = rows.iter().filter(|row| row.contains(" XID 31: ")).collect();
        assert!(problems.len() > 4, "{screen}");
        for row in problems {
            let words: Vec<&str> = row.split_whitespace().collect();
            assert!(words[0] == "✖" && words[1].starts_with("gpu") && words[1].contains(':'), "{row}");
            assert!(words.last().is_some_and(|age| age.ends_with('s')), "{row}");
        }
        stage.press("p G");
        assert_eq!(stage.app.screen().incident(), Some("10497"), "the last of those that were asked for");
        stage.press("enter");
        assert!(stage.screen().contains("WHY"), "{}", stage.screen());
    }
}

#[test]
fn other_screens_bear_it() {
    let told = ["overview by utilisation", "node", "gpu", "incidents", "incident", "blast", "blast by rack"];
    let ways = every::all().filter(|((name, ..), ..)| told.contains(name));
    for (way, nodes, gpus) in ways {
        let mut stage = every::at(way, nodes, gpus, (80, 24));
        stage.hub.burst = BURST;
        stage.second();
        stage.settle();
        assert!(!every::words(&stage).is_empty(), "{}: {}", way.0, stage.screen());
    }
}
