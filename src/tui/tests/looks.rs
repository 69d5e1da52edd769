//! Other ways to look at what is there, each through its key: side by side, by other columns, along time, as it was.

use super::*;
use crate::model::{question::Answer, table::Cell};

#[test]
fn what_is_marked_is_compared() {
    let mut stage = stage();
    stage.press("3 c");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("mark two nodes or GPUs")));
    stage.press("space space space c");
    assert_eq!(trail(&stage), "gpus › compare gpus");
    let marks: Vec<String> = stage.app.shared().marks.iter().cloned().collect();
    let screen = stage.screen();
    assert!(marks.iter().all(|name| screen.contains(name)) && screen.contains("COMPARE 3 gpus"), "{screen}");
    assert!(screen.contains("power.limit") && screen.contains("serial"), "{screen}");
    stage.press("!");
    let odd = stage.screen();
    assert!(odd.contains("only these; ! shows all") && !odd.contains("power.limit"), "{odd}");
    stage.press("l enter");
    assert_eq!(trail(&stage), format!("gpus › compare gpus › {}", marks[1]));
    stage.press("esc esc");
    stage.press(": c o m p a r e space g p u 0 0 1 space g p u 0 0 2 enter");
    assert_eq!(trail(&stage), "gpus › compare nodes");
}

#[test]
fn what_is_bad_has_its_mark_beside_its_colour() {
    let mut stage = Stage::new(256, 8, (200, 50));
    stage.write(":gpu gpu121:5");
    stage.press("enter");
    let screen = stage.screen();
    for told in ["temp              ✖ 93 °C", "temp.mem         ▲ 101 °C", "temp.limit          92 °C"] {
        assert!(screen.contains(told), "{told}: {screen}");
    }
    // Where all are hot none stands out, and all of them are hot.
    stage.press("3 space space space c");
    let question =
        stage.app.questions().into_iter().find(|it| it.query.starts_with("gpus where (")).expect("a question");
    let mut reply = stage.hub.answer(&question);
    let Ok(Answer::Table(table)) = &mut reply.answer else { panic!("{reply:?}") };
    let temp = table.column("gpu.temp").expect("a temperature");
    table.rows.iter_mut().for_each(|row| row.cells[temp] = Cell::Number(90.0));
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    let screen = stage.screen();
    let line = screen.lines().find(|line| line.starts_with("   temp ")).unwrap_or_else(|| panic!("{screen}"));
    assert_eq!(line.matches("▲ 90 °C").count(), 3, "{line}");
}

#[test]
fn columns_are_chosen_ordered_and_sized_and_all_of_it_is_remembered() {
    let mut stage = stage();
    // What is at its right end depends on how much the others take.
    let header = |stage: &Stage| -> String {
        let screen = stage.screen();
        let line = screen.lines().nth(3).unwrap_or_default().replace(['▾', '▴'], " ");
        line.split_whitespace().take(5).collect::<Vec<_>>().join(" ")
    };
    stage.press("3");
    let before = header(&stage);
    assert!(before.contains("INDEX UTIL") || before.contains("GPU UTIL"), "{before}");
    // The third one goes, and the second moves behind what is then the third.
    stage.press("ctrl-w j j space k > l l l");
    assert_eq!(trail(&stage), "gpus › columns");
    stage.press("enter");
    assert_eq!(trail(&stage), "gpus");
    let after = header(&stage);
    assert!(!after.contains(" UTIL"), "{before}\n{after}");
    assert!(
        stage.app.questions().iter().any(|it| it.query.starts_with("gpus ") && it.query.contains("show node,gpu."))
    );
    // Sorted by another one, and by two.
    stage.press(": s o r t space - t e m p , n o d e enter");
    stage.press("2 3");
    assert_eq!(header(&stage), after, "it is as it was left");
    assert!(stage.app.questions().iter().any(|it| it.query.contains(" sort -temp,node ")));
    let habits = stage.app.shared().habits.clone();
    assert_eq!(habits.of("gpus").sort, "-temp,node");
    let mut again = Stage::with(Settings { habits, ..settings() }, 256, 8, SIZE);
    again.press("3");
    assert_eq!(again.screen().lines().skip(2).collect::<Vec<_>>(), stage.screen().lines().skip(2).collect::<Vec<_>>());
    again.press("ctrl-w U enter");
    assert_eq!(header(&again), before);
    again.press("1 ctrl-w");
    assert!(again.app.notice().is_some_and(|notice| notice.contains("no columns to choose")));
    again.write(":users");
    again.press("enter enter ctrl-w");
    let inside = trail(&again);
    assert!(inside.starts_with("users › u10") && inside.ends_with(" › columns"), "those of jobs, too: {inside}");
}

/// Cells from the title of the first column to that of the second.
fn room(stage: &Stage) -> usize {
    let screen = stage.screen();
    let header = screen.lines().nth(3).unwrap_or_default();
    header.find("STATE").unwrap() - header.find("NODE").unwrap()
}

#[test]
fn a_column_grows_and_shrinks_by_a_key_and_keeps_its_width() {
    let mut stage = stage();
    stage.press("2");
    let usual = room(&stage);
    stage.press("ctrl-w l l l enter");
    let wide = room(&stage);
    assert!(wide > usual, "{}", stage.screen());
    stage.press("ctrl-w right enter");
    assert_eq!(room(&stage), wide + 1);
    stage.press("ctrl-w h left h enter");
    assert_eq!(room(&stage), wide - 2);
    stage.press("3 2");
    assert_eq!(room(&stage), wide - 2, "it is as it was left");
    let habits = &stage.app.shared().habits;
    assert_eq!(usize::from(habits.of("nodes").widths["node"]) + 1, wide - 2);
    let habits = crate::tui::Habits::from_toml(&habits.to_toml()).expect("what was written");
    let mut again = Stage::with(Settings { habits, ..settings() }, 256, 8, SIZE);
    again.press("2");
    assert_eq!(again.screen(), stage.screen());
    again.press("ctrl-w U enter");
    assert_eq!((room(&again), again.app.shared().habits.of("nodes").widths.len()), (usual, 0));
}

#[test]
fn names_are_cut_to_a_columns_width_and_numbers_never_are() {
    let mut stage = stage();
    stage.press("2");
    let whole = every::words(&stage);
    stage.press("ctrl-w j j j");
    assert!(stage.screen().contains("[x] gpu.util"), "{}", stage.screen());
    // Twenty cells less than it takes.
    stage.press("h h h h h h h h h h h h h h h h h h h h enter");
    assert_eq!(stage.app.shared().habits.of("nodes").widths["gpu.util"], 1);
    every::check_whole("a narrow number", &stage, &whole);
    let narrow = stage.screen();
    assert!(narrow.lines().nth(3).is_some_and(|header| header.contains(" UTIL ")), "{narrow}");
    stage.press("ctrl-w j j j l l l l l l l l l l l l enter");
    let util = |screen: &str| screen.lines().nth(3).and_then(|header| header.find(" UTIL ")).expect("a title");
    assert!(util(&stage.screen()) > util(&narrow), "{}", stage.screen());
    // Of names, the middle gives way.
    stage.press("ctrl-w h h h h h h h enter");
    assert_eq!(room(&stage), 6);
    assert!(stage.screen().contains(" gp…01 "), "{}", stage.screen());
}

#[test]
fn what_broke_first_is_in_the_first_lane() {
    let mut stage = stage();
    stage.press("b - - -");
    assert_eq!(trail(&stage), "overview › blast");
    let screen = stage.screen();
    assert!(screen.contains("by kind") && screen.contains("gpu017:3"), "{screen}");
    let last = |stage: &Stage| stage.screen().lines().nth(38).unwrap_or_default().to_owned();
    assert!(last(&stage).contains("13:53:01  gpu017:3  XID"), "{}", last(&stage));
    stage.press("right");
    assert!(last(&stage).contains("gpu150:1"), "{}", last(&stage));
    stage.press("m");
    assert!(stage.screen().contains("by rack"));
    stage.press("enter");
    assert_eq!(trail(&stage), "overview › blast › gpu017:3");
    stage.press("esc");
    stage.write(":blast");
    stage.press("enter M M");
    assert!(stage.screen().contains("by rail"), "{}", stage.screen());
}

#[test]
fn what_is_missing_of_what_broke_is_said() {
    let mut stage = Stage::new(256, 8, (80, 24));
    stage.press("b - - -");
    let line = |stage: &Stage| stage.screen().lines().nth(21).unwrap_or_default().trim().to_owned();
    assert_eq!(line(&stage), "");
    let question = stage.app.questions().into_iter().find(|it| it.query.starts_with("events ")).expect("a question");
    let mut reply = stage.hub.answer(&question);
    let Ok(Answer::Table(table)) = &mut reply.answer else { panic!("{reply:?}") };
    table.rows = vec![table.rows[0].clone(); 5000];
    table.total = 10_000;
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    assert_eq!(line(&stage), "▲ the newest 5,000 of 10,000 events: what broke first may be missing");
    stage.hear(&question);
    assert_eq!(line(&stage), "", "all are here again");
}

#[test]
fn what_broke_is_told_apart_by_the_domains_that_nodes_say() {
    let mut stage = stage();
    stage.press("b - - - M");
    let screen = stage.screen();
    assert!(screen.contains(" by domain "), "{screen}");
    let lanes = screen.lines().skip(4).map_while(|line| line.split_whitespace().next());
    // Each has sixteen nodes: those of gpu017, gpu099, gpu200, gpu150, and gpu042 with gpu043.
    assert_eq!(lanes.collect::<Vec<_>>(), ["d02", "d07", "d13", "d10", "d03"], "{screen}");
}

#[test]
fn in_the_past_nothing_of_now_is_shown() {
    let mut stage = stage();
    let header = |stage: &Stage| stage.screen().lines().next().unwrap_or_default().to_owned();
    assert!(header(&stage).contains("▼ 1 down"), "{}", header(&stage));
    stage.press("- {");
    assert!(header(&stage).contains("252 up") && header(&stage).contains("⋯ 4 silent"), "{}", header(&stage));
    let asked = |stage: &Stage, what: &str| stage.app.questions().iter().any(|it| it.query.starts_with(what));
    for (keys, view) in [("6", "processes"), ("7", "nics"), ("9", "mounts")] {
        stage.press(keys);
        let screen = stage.screen();
        assert!(screen.contains(&format!("the hub keeps no past of {view}; :when now goes on")), "{screen}");
        assert!(!asked(&stage, view) && !screen.contains("asking the hub"), "{screen}");
    }
    stage.press("4");
    assert!(!stage.screen().contains("no past of") && asked(&stage, "jobs "), "{}", stage.screen());
    stage.press("2 < enter");
    let screen = stage.screen();
    assert!(screen.contains("no past of processes") && !screen.contains("CORES"), "{screen}");
    stage.press(": w h e n enter");
    assert!(!stage.screen().contains("no past of") && header(&stage).contains("▼ 1 down"), "{}", stage.screen());
}

#[test]
fn what_broke_first_ends_at_the_time_that_is_shown() {
    let mut stage = stage();
    stage.press(":");
    stage.write("when -12m");
    stage.press("enter b - - -");
    let screen = stage.screen();
    assert!(screen.lines().nth(3).is_some_and(|line| line.trim_end().ends_with("13:52:31")), "{screen}");
    assert!(!screen.contains("gpu017:3"), "its XID was at 13:53:01: {screen}");
    let asked: Vec<String> = stage.app.questions().into_iter().map(|question| question.query).collect();
    assert!(asked.iter().any(|it| it.starts_with("events ") && it.contains(" since 2026-11-23T07:52:31")), "{asked:?}");
    stage.press("} } }");
    assert!(stage.screen().contains("gpu017:3"), "{}", stage.screen());
}

#[test]
fn one_goes_back_in_time_and_on_to_now() {
    let mut stage = stage();
    let banner = |stage: &Stage| stage.screen().lines().nth(1).unwrap_or_default().trim().to_owned();
    let asks = |stage: &Stage, what: &str| stage.app.questions().iter().any(|it| it.query.contains(what));
    stage.press("3 - {");
    assert!(banner(&stage).starts_with("AS OF 2026-11-23 14:01:31, 3m00s ago"), "{}", banner(&stage));
    assert!(asks(&stage, " at 2026-11-23T14:01:31.000Z"));
    stage.press("{ }");
    assert!(banner(&stage).starts_with("AS OF 2026-11-23 14:01:31"), "{}", banner(&stage));
    stage.press("2");
    assert!(banner(&stage).starts_with("AS OF") && asks(&stage, "nodes "), "other screens, too");
    stage.press("}");
    assert!(!banner(&stage).contains("AS OF") && !asks(&stage, " at 2026"), "{}", banner(&stage));
    stage.press(":");
    stage.write("when -5m");
    stage.press("enter");
    assert!(banner(&stage).starts_with("AS OF 2026-11-23 13:59:31, 5m00s ago"), "{}", banner(&stage));
    stage.press(":");
    stage.write("when -5h");
    stage.press("enter");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("history reaches back 12m00s only")));
    stage.press(": w h e n enter");
    assert!(!banner(&stage).contains("AS OF"));
    stage.press(":");
    stage.write("when soon");
    stage.press("enter");
    assert!(stage.app.notice().is_some_and(|notice| notice.contains("`soon` is no time")));
}
