//! Each action through its key, on a fleet that stands still.

use super::*;
use crate::tui::{
    action::{ACTIONS, Action},
    update::Draw,
};

/// The line under the cursor, told by its ground.
fn selected(stage: &Stage) -> String {
    let buffer = stage.buffer();
    let ground = stage.app.shared().look.theme.style(crate::tui::theme::Role::TableRowSelected).bg;
    let line = buffer.content.chunks(usize::from(buffer.area.width)).find(|line| line[0].style().bg == ground);
    line.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim().to_owned())
        .unwrap_or_default()
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().find(|word| word.len() > 1 && word.is_ascii()).unwrap_or_default()
}

fn check_selected(stage: &Stage, expected: &str) {
    assert_eq!(first_word(&selected(stage)), expected);
}

/// Steps through the nodes, and where each leads.
pub(super) const STEPS: [(&str, &str); 14] = [
    ("j", "gpu002"),
    ("down", "gpu003"),
    ("k", "gpu002"),
    ("up", "gpu001"),
    ("G", "gpu256"),
    ("g g", "gpu001"),
    ("end", "gpu256"),
    ("home", "gpu001"),
    ("ctrl-d", "gpu019"),
    ("ctrl-u", "gpu001"),
    ("ctrl-f", "gpu036"),
    ("ctrl-b", "gpu001"),
    ("pagedown", "gpu036"),
    ("pageup", "gpu001"),
];

#[test]
fn the_cursor_moves_by_rows_screens_and_to_the_ends() {
    let mut stage = stage();
    stage.press("2 <");
    for (keys, expected) in STEPS {
        stage.press(keys);
        assert_eq!(first_word(&selected(&stage)), expected, "{keys}");
    }
}

#[test]
fn a_scheduler_that_does_not_answer_is_said_everywhere_and_takes_nothing_away() {
    let mut stage = stage();
    stage.hub.scheduler_problem = "connection refused".into();
    for keys in
        ["1", "2", "3", "4", "5", "4 enter", "2 enter", "2 enter enter", ": u s e r s enter", ": b e n c h enter"]
    {
        stage.press(keys);
        stage.second();
        let screen = stage.screen();
        assert!(screen.contains("▲ slurm silent 9.0s"), "{keys}: {screen}");
    }
    stage.press("4");
    stage.second();
    let screen = stage.screen();
    assert!(screen.contains("▲ slurm has not answered for 9.0s: connection refused"), "{screen}");
    assert!(screen.contains("4711") && screen.contains("running"), "{screen}");
}

#[test]
fn my_own_jobs_are_one_word_away() {
    let mut stage = stage();
    stage.press(": m i n e enter");
    let asked = stage.app.questions();
    assert!(asked.iter().any(|it| it.query.starts_with("jobs where job.user = 'u1042' ")), "{asked:?}");
    // Jobs 0, 4 and 8 of the eleven are this user's.
    let screen = stage.screen();
    let others = ["u1043", "u1044", "u1045"].map(|user| screen.matches(user).count());
    assert_eq!((first_word(&selected(&stage)), others), ("4715", [0; 3]), "{screen}");
    assert!(screen.contains("4711") && screen.contains("4719"), "{screen}");
    // Who starts it is not always known.
    let nobody = Settings { user: String::new(), ..settings() };
    let mut stage = Stage::with(nobody, 64, 8, SIZE);
    stage.press(": m i n e enter");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("USER is not set")));
}

#[test]
fn what_is_marked_on_the_bench_is_copied_wherever_it_is() {
    let mut stage = stage();
    stage.press(": b e n c h enter");
    let asked = |stage: &Stage| stage.app.questions().into_iter().filter(|it| it.query.contains("node in")).count();
    assert_eq!(asked(&stage), 0, "nothing is marked");
    stage.press("space");
    assert_eq!(asked(&stage), 1);
    let here = stage.press("y").copy.expect("a command");
    assert!(here.starts_with("scontrol update nodename=gpu"), "{here}");
    // It is not among the rows any more.
    stage.press("/");
    stage.write("zzz");
    stage.press("enter");
    assert!(stage.screen().contains("no nodes where zzz"), "{}", stage.screen());
    assert_eq!(stage.press("y").copy, Some(here));
}

#[test]
fn enter_goes_in_esc_comes_back_and_never_quits() {
    let mut stage = stage();
    stage.press("5 enter");
    assert_eq!(trail(&stage), "racks › r01");
    stage.press("j j j enter");
    assert_eq!(trail(&stage), "racks › r01 › gpu004");
    stage.press("enter");
    assert_eq!(trail(&stage), "racks › r01 › gpu004 › GPU 0");
    stage.press("enter");
    assert_eq!(trail(&stage), "racks › r01 › gpu004 › GPU 0 › pid 7000");
    for expected in ["racks › r01 › gpu004 › GPU 0", "racks › r01 › gpu004", "racks › r01", "racks", "racks"]
    {
        let effects = stage.press("esc");
        assert!(!effects.quit);
        assert_eq!(trail(&stage), expected);
    }
    check_selected(&stage, "r01");
    stage.press("enter");
    assert_eq!(trail(&stage), "racks › r01");
    assert!(!stage.press("backspace").quit);
    assert_eq!(trail(&stage), "racks");
}

#[test]
fn q_goes_back_and_quits_at_the_root_only() {
    let mut stage = stage();
    stage.press("2 enter");
    assert!(!stage.press("q").quit);
    assert_eq!(trail(&stage), "nodes");
    assert!(stage.press("q").quit);
    assert!(stage.press("3 enter ctrl-c").quit);
}

/// The views by their numbers.
pub(super) const VIEWS: [(&str, &str); 9] = [
    ("1", "overview"),
    ("2", "nodes"),
    ("3", "gpus"),
    ("4", "jobs"),
    ("5", "racks"),
    ("6", "processes"),
    ("7", "nics"),
    ("8", "events"),
    ("9", "mounts"),
];

#[test]
fn digits_and_tab_go_to_views() {
    let mut stage = stage();
    for (key, view) in VIEWS {
        stage.press(key);
        assert_eq!(trail(&stage), view);
    }
    stage.press("tab");
    assert_eq!(trail(&stage), "overview");
    stage.press("tab");
    assert_eq!(trail(&stage), "nodes");
    stage.press("backtab");
    assert_eq!(trail(&stage), "overview");
}

#[test]
fn the_history_of_views_goes_both_ways() {
    let mut stage = stage();
    stage.press("2 j enter 3");
    assert_eq!(trail(&stage), "gpus");
    stage.press("[");
    assert_eq!(trail(&stage), "nodes › gpu099");
    stage.press("[");
    assert_eq!(trail(&stage), "overview");
    stage.press("] ]");
    assert_eq!(trail(&stage), "gpus");
    assert!(stage.press("]").draw == Draw::Nothing, "nothing lies further on");
}

#[test]
fn s_and_a_letter_sort_and_again_reverse() {
    let mut stage = stage();
    stage.press("3");
    assert!(stage.screen().contains("UTIL▾"));
    stage.press("s t");
    assert!(stage.screen().contains("TENS▾"), "t is the first free letter of TENS");
    stage.press("s p");
    assert!(stage.screen().contains("POWER▾"));
    let most = first_word(&selected(&stage)).to_owned();
    stage.press("s p");
    assert!(stage.screen().contains("POWER▴"));
    assert_ne!(first_word(&selected(&stage)), most);
    stage.press("I");
    assert!(stage.screen().contains("POWER▾"));
    check_selected(&stage, &most);
    stage.press(">");
    assert!(stage.screen().contains("TEMP▾"));
    stage.press("<");
    assert!(stage.screen().contains("POWER▾"));
    stage.press("s esc j");
    assert!(stage.screen().contains("POWER▾"), "Esc leaves the sort as it was");
}

#[test]
fn a_filter_holds_while_it_is_typed() {
    let mut stage = stage();
    stage.press("2 /");
    stage.write("gpu1 and gpu.temp > 80");
    assert!(stage.screen().contains("gpu121") && !stage.screen().contains("gpu122"));
    stage.press("enter");
    assert!(stage.screen().contains("where gpu1 and gpu.temp > 80"));
    check_selected(&stage, "gpu121");
    stage.press("/ backspace esc");
    assert_eq!(stage.app.screen().filter(), Some("gpu1 and gpu.temp > 80"), "Esc brings back what stood there");
    stage.press("esc");
    assert_eq!(stage.app.screen().filter(), Some(""), "out of the filter before out of the screen");
    stage.press("1 /");
    assert_eq!(trail(&stage), "nodes", "from the overview a filter looks for nodes");
}

#[test]
fn a_complaint_stands_under_its_word() {
    let mut stage = stage();
    stage.press("2 j /");
    stage.write("tmep > 85");
    let screen = stage.screen();
    assert!(screen.contains("no key is called tmep"), "{screen}");
    assert!(screen.contains("gpu001"), "the rows that were there stay");
    let buffer = stage.buffer();
    let style = stage.app.shared().look.theme.style(crate::tui::theme::Role::PromptError);
    let underlined = buffer
        .content
        .iter()
        .filter(|cell| cell.style().add_modifier == style.add_modifier && cell.fg == style.fg.unwrap());
    assert_eq!(underlined.map(ratatui::buffer::Cell::symbol).collect::<String>(), "tmep");
    stage.press("ctrl-u");
    stage.write("temp >");
    assert!(stage.screen().lines().last().unwrap().contains('✖'), "{}", stage.screen());
    stage.press("esc");
    assert!(!stage.screen().contains('✖') || stage.app.screen().objection().is_none());
}

#[test]
fn commands_go_places() {
    let mut stage = stage();
    let mut run = |line: &str| {
        stage.press(":");
        stage.write(line);
        let effects = stage.press("enter");
        (trail(&stage), effects.quit, stage.screen())
    };
    assert_eq!(run("gpus where temp > 80").0, "gpus");
    assert_eq!(run("node gpu007").0, "gpus › gpu007");
    assert_eq!(run("gpu gpu007:2").0, "gpus › gpu007 › GPU 2");
    assert_eq!(run("gpu gpu008:2").0, "gpus › gpu007 › GPU 2 › gpu008:2");
    assert_eq!(run("pods").0, "pods");
    assert!(run("sort -gpu.temp").2.contains("TEMP▾"));
    assert!(run("where gpu.temp > 90").2.contains("where gpu.temp > 90"));
    assert_eq!(run("overview").0, "overview");
    assert_eq!(run("help").0, "overview › keys");
    let (trail, quit, screen) = run("gpsus");
    assert_eq!((trail.as_str(), quit), ("overview › keys", false));
    assert!(screen.contains("did you mean gpus"), "{screen}");
    stage.press("esc");
    stage.press(":");
    stage.write("q");
    assert!(stage.press("enter").quit);
}

#[test]
fn tab_completes_a_command() {
    let mut stage = stage();
    stage.press(":");
    stage.write("proc");
    stage.press("tab");
    assert_eq!(stage.app.prompt().unwrap().text(), "processes ");
    stage.press("ctrl-u");
    stage.write("theme l");
    stage.press("tab enter");
    let light = crate::tui::theme::Theme::load("light", &[], Depth::True).unwrap();
    assert_eq!(stage.app.shared().look.theme, light);
}

#[test]
fn marks_are_copied_as_a_hostlist() {
    let mut stage = stage();
    stage.press("2 <");
    let one = stage.press("y");
    assert_eq!(one.copy.as_deref(), Some("gpu001"));
    let three = stage.press("space space j space y");
    assert_eq!(three.copy.as_deref(), Some("gpu[001-002,004]"));
    assert!(stage.app.notice().unwrap().contains("gpu[001-002,004]"));
    stage.press("k space");
    assert_eq!(stage.press("y").copy.as_deref(), Some("gpu[001-002]"), "a second time takes the mark away");
    stage.press("U");
    assert_eq!(stage.press("y").copy.as_deref(), Some("gpu005"));
    let gpu = stage.press("3 space space y");
    assert_eq!(gpu.copy.map(|text| text.split(' ').count()), Some(2));
}

/// Steps through the grid of nodes, and where each leads.
pub(super) const GRID: [(&str, &str); 9] = [
    ("l", "gpu002"),
    ("j", "gpu034"),
    ("h", "gpu033"),
    ("k", "gpu001"),
    ("right", "gpu002"),
    ("left", "gpu001"),
    ("left", "gpu001"),
    ("G", "gpu256"),
    ("right", "gpu256"),
];

#[test]
fn the_grid_is_walked_and_coloured() {
    let mut stage = stage();
    let under = |stage: &Stage| stage.app.screen().subject().unwrap();
    for (key, expected) in GRID {
        stage.press(key);
        assert_eq!(under(&stage), expected, "{key}");
    }
    assert!(stage.screen().contains("by health"));
    stage.press("m");
    assert!(stage.screen().contains("by util"));
    stage.press("M");
    assert!(stage.screen().contains("by health"));
    stage.press("enter");
    assert_eq!(trail(&stage), "overview › gpu256");
}

#[test]
fn p_goes_through_panels() {
    let mut stage = stage();
    stage.press("p enter");
    assert_eq!(trail(&stage), "overview › incident 7", "the worst problem comes first");
    stage.press("enter");
    assert_eq!(trail(&stage), "overview › incident 7 › gpu099", "and leads to what it is about");
    stage.press("esc");
    stage.press("esc p 2 < enter p enter");
    assert_eq!(trail(&stage), "nodes › gpu001 › pid 7000");
    stage.press("esc P enter");
    assert_eq!(trail(&stage), "nodes › gpu001 › GPU 0");
}

#[test]
fn zoom_asks_for_another_span() {
    let mut stage = stage();
    let asked =
        |stage: &Stage, span: &str| stage.app.questions().iter().any(|q| q.query.contains(&format!("over {span} ")));
    assert!(asked(&stage, "10m"));
    stage.press("-");
    assert!(asked(&stage, "30m") && stage.screen().contains("30 min"));
    assert!(stage.app.notice().unwrap().starts_with("30 min; history reaches back 12m"), "{:?}", stage.app.notice());
    stage.press("=");
    assert!(asked(&stage, "10m") && stage.screen().contains("10 min"));
    stage.press("+");
    assert!(!asked(&stage, "10m") && stage.screen().contains("5 min"));
}

#[test]
fn help_lists_every_action() {
    let mut stage = Stage::new(4, 1, (100, 200));
    stage.press("?");
    let screen = stage.screen();
    for row in ACTIONS {
        assert!(screen.contains(&row.help[..row.help.len().min(60)]), "{}", row.name);
    }
    stage.press("esc");
    assert_eq!(trail(&stage), "overview");
}

#[test]
fn another_key_acts_and_is_shown_where_keys_are_told() {
    let keys = [("faults", "x"), ("help", "H")].map(|(name, keys)| (name.to_owned(), keys.to_owned())).into();
    let mut stage = Stage::with(Settings { keys, ..settings() }, 256, 8, (200, 80));
    stage.press("3");
    let footer = stage.screen().lines().last().unwrap_or_default().to_owned();
    assert!(footer.contains(" x faults ") && footer.ends_with("H all keys"), "{footer}");
    stage.press("! ?");
    assert!(trail(&stage) == "gpus" && !stage.screen().contains("faulty only"), "{}", stage.screen());
    stage.press("x");
    assert!(stage.screen().contains("faulty only"), "{}", stage.screen());
    stage.press("H");
    assert_eq!(trail(&stage), "gpus › keys");
    let screen = stage.screen();
    let told =
        |row: &str| screen.lines().find(|line| line.ends_with(row)).and_then(|line| line.split_whitespace().next());
    assert_eq!(told(Action::Faults.row().help), Some("x"), "{screen}");
    assert_eq!(told(Action::Help.row().help), Some("H"), "{screen}");
}

#[test]
fn words_that_name_keys_name_those_that_are_bound() {
    let keys = [("faults", "x"), ("freeze", "F"), ("mark", "v"), ("unmark", "W"), ("save", "alt-s"), ("earlier", "")];
    let keys = keys.map(|(name, keys)| (name.to_owned(), keys.to_owned())).into();
    let mut stage = Stage::with(Settings { keys, ..settings() }, 256, 8, SIZE);
    for (keys, told) in [
        ("3 F", " · F to go on"),
        ("F c", "mark two nodes or GPUs at least, with v, to compare them"),
        ("v v c x", "only these; x shows all"),
        ("3 ctrl-w", "v shows or hides · < > move · h l size · W as at first"),
        ("3 alt-2", "no view 2 is saved: alt-s saves what is on screen"),
        (": w h e n space - 5 m enter", " ago · } later · :when now goes on"),
    ] {
        stage.press(keys);
        assert!(stage.screen().contains(told), "{keys}: {}", stage.screen());
    }
}

#[test]
fn redraw_and_suspend_are_left_to_the_loop() {
    let mut stage = stage();
    let effects = stage.press("ctrl-l");
    assert!(effects.draw == Draw::All && !effects.suspend);
    assert!(stage.press("ctrl-z").suspend);
}

#[test]
fn the_cursor_stays_on_its_row_when_rows_move() {
    let mut stage = stage();
    stage.press("3 s p j j j");
    let id = stage.app.screen().subject().unwrap();
    for _ in 0..5 {
        stage.second();
        assert_eq!(stage.app.screen().subject().unwrap(), id);
    }
}

#[test]
fn nothing_is_redrawn_when_nothing_changed() {
    let mut stage = Stage::new(256, 8, SIZE);
    for keys in ["1", "2", "enter", "3", "enter", "4", "enter", "5", "6", "7", "8", "9"] {
        stage.press(keys);
        let questions = stage.app.questions();
        for question in &questions {
            assert!(!stage.hear(question), "{keys}: {}", question.query);
        }
    }
}

#[test]
fn answers_to_old_questions_are_left_alone() {
    let mut stage = stage();
    let old = stage.app.questions();
    stage.press("2 j");
    let before = stage.screen();
    stage.hub.now = Time::from_millis(stage.hub.now.as_millis() + 1000);
    for question in old.iter().filter(|question| question.slot >= 32) {
        assert!(!stage.hear(question), "{}", question.query);
    }
    assert_eq!(stage.screen().lines().skip(2).collect::<Vec<_>>(), before.lines().skip(2).collect::<Vec<_>>());
}

#[test]
fn a_lost_hub_is_said_in_words() {
    let mut stage = stage();
    let now = stage.hub.now;
    stage.app.update(Input::News(News::Link(Link::Lost("connection refused".into()))), now);
    let later = Time::from_millis(now.as_millis() + 12_000);
    stage.app.update(Input::Tick, later);
    let second = stage.screen().lines().nth(1).unwrap().to_owned();
    assert!(second.contains("hub lost 12s ago, retrying · last data 14:04:31 · connection refused"), "{second}");
    stage.app.update(Input::News(News::Link(Link::Up)), later);
    assert!(stage.screen().lines().nth(1).unwrap().contains("data 12s old"));
}

#[test]
fn counted_drops_are_shown() {
    let mut stage = stage();
    let question = stage.app.questions().remove(0);
    let mut reply = stage.hub.answer(&question);
    if let Ok(crate::model::question::Answer::Table(table)) = &mut reply.answer {
        table.census.drops = vec![("oversized frame".into(), 2)];
    }
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    assert!(stage.screen().lines().nth(1).unwrap().contains("▲ 2 refused: oversized frame"));
}
