//! What the screens look like, at two sizes.

use std::{collections::BTreeSet, fmt::Write as _};

use ratatui::{
    layout::Rect,
    style::{Color, Style},
};

use super::*;
use crate::{
    model::{question::Answer, table::Cell},
    tui::Still,
};

const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

fn check(name: &'static str, nodes: usize, gpus: usize, keys: &'static str) {
    check_way((name, "", keys), nodes, gpus);
}

fn check_way(way: every::Way, nodes: usize, gpus: usize) {
    for (width, height) in SIZES {
        let stage = every::at(way, nodes, gpus, (width, height));
        insta::assert_snapshot!(format!("{}-{width}x{height}", way.0), stage.screen());
    }
}

#[test]
fn overview() {
    check("overview", 256, 8, "");
}

#[test]
fn overview_and_nodes_on_a_middling_screen() {
    let mut stage = Stage::new(256, 8, (120, 40));
    insta::assert_snapshot!("overview-120x40", stage.screen());
    stage.press("2 j");
    insta::assert_snapshot!("nodes-120x40", stage.screen());
}

#[test]
fn overview_by_utilisation() {
    check("overview-util", 256, 8, "m l l j");
}

#[test]
fn nodes() {
    check("nodes", 256, 8, "2 j");
}

#[test]
fn nodes_about_to_be_sorted() {
    check("nodes-sort", 256, 8, "2 s");
}

#[test]
fn gpus() {
    check("gpus", 256, 8, "3 j");
}

#[test]
fn faulty_gpus() {
    check("gpus-faulty", 256, 8, "3 !");
}

#[test]
fn jobs() {
    check("jobs", 256, 8, "4");
}

#[test]
fn job() {
    check("job", 256, 8, "4 enter");
}

#[test]
fn a_job_that_has_ended() {
    check("job-ended", 256, 8, "4 G enter");
}

#[test]
fn users() {
    check("users", 256, 8, ": u s e r s enter");
}

#[test]
fn accounts() {
    check("accounts", 256, 8, ": a c c o u n t s enter");
}

#[test]
fn partitions() {
    check("partitions", 256, 8, ": p a r t i t i o n s enter");
}

#[test]
fn energy() {
    check("energy", 256, 8, ": e n e r g y enter");
}

#[test]
fn incidents() {
    check("incidents", 256, 8, ": i n c i d e n t s enter");
}

#[test]
fn incident() {
    check("incident", 256, 8, ": i n c i d e n t s enter enter");
}

#[test]
fn rules() {
    check("rules", 256, 8, ": r u l e s enter");
}

#[test]
fn bench() {
    check("bench", 256, 8, ": b e n c h enter");
}

#[test]
fn racks() {
    check("racks", 256, 8, "5");
}

#[test]
fn node() {
    check("node", 256, 8, "5 enter j j j enter");
}

#[test]
fn gpu() {
    check("gpu", 256, 8, "3 ! enter");
}

#[test]
fn blast() {
    check("blast", 256, 8, "b m - -");
}

#[test]
fn columns() {
    check("columns", 256, 8, "3 ctrl-w j j space k >");
}

#[test]
fn comparison() {
    check("compare", 256, 8, "3 ! space space space space c");
}

#[test]
fn process() {
    check("process", 256, 8, "3 enter enter");
}

#[test]
fn processes() {
    check("processes", 256, 8, "6");
}

#[test]
fn nics() {
    check("nics", 256, 8, "7");
}

#[test]
fn mounts() {
    check("mounts", 256, 8, "9");
}

#[test]
fn frozen() {
    check("frozen", 256, 8, "2 Z");
}

#[test]
fn as_of_another_time() {
    check("as-of", 256, 8, "2 - {");
}

#[test]
fn a_filter_that_is_complained_of() {
    check("complaint", 256, 8, "2 / t m e p space > space 8 5");
}

#[test]
fn events() {
    check("events", 256, 8, "8");
}

#[test]
fn metrics() {
    check_way(("metrics", ":metrics", ""), 256, 8);
}

#[test]
fn cores() {
    check_way(("cores", ":cores", ""), 256, 8);
}

#[test]
fn wider_places() {
    check_way(("pods", ":pods", ""), 256, 8);
    check_way(("regions", ":regions", ""), 256, 8);
}

#[test]
fn grouped() {
    check_way(("grouped", ":gpus by model show count,util,tensor.active,mem.used,power,temp", ""), 256, 8);
}

#[test]
fn palette() {
    check_way(("palette", "", "3 : t h e m e space tab"), 256, 8);
    check_way(("palette-objection", ":gpuss where temp > 80", ""), 256, 8);
}

#[test]
fn one_machine_without_gpus() {
    check("machine", 1, 0, "");
}

#[test]
fn help() {
    check("help", 256, 8, "2 ?");
}

/// A letter for each style, in the order in which they are met, and what each letter means.
fn styles(buffer: &Buffer) -> String {
    let mut known: Vec<Style> = Vec::new();
    let mut map = String::new();
    for line in buffer.content.chunks(usize::from(buffer.area.width)) {
        for cell in line {
            let at = known.iter().position(|style| *style == cell.style()).unwrap_or_else(|| {
                known.push(cell.style());
                known.len() - 1
            });
            map.push(char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[at % 52]));
        }
        map.push('\n');
    }
    for (at, style) in known.iter().enumerate() {
        let (fg, bg) = (style.fg.unwrap_or_default(), style.bg.unwrap_or_default());
        let letter = char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[at % 52]);
        writeln!(map, "{letter} {fg} on {bg} {:?}", style.add_modifier).unwrap();
    }
    map
}

#[test]
fn styles_of_the_nodes() {
    let mut stage = Stage::new(256, 8, (80, 24));
    stage.press("2 j");
    insta::assert_snapshot!("nodes-styles", styles(&stage.buffer()));
}

/// The styles that a buffer has, each once, in the order in which they are met.
fn legend(buffer: &Buffer) -> String {
    styles(buffer).lines().filter(|line| line.contains(" on ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn styles_of_the_nodes_in_every_theme() {
    let mut all = String::new();
    for (theme, _) in crate::tui::theme::BUILTIN {
        for depth in [Depth::True, Depth::Indexed] {
            let mut stage =
                Stage::with(Settings { theme: Some((*theme).into()), depth, ..settings() }, 256, 8, (80, 24));
            stage.press("2 j");
            writeln!(all, "# {theme}, {depth:?}\n{}", legend(&stage.buffer())).unwrap();
        }
    }
    insta::assert_snapshot!("themes", all);
}

#[test]
fn the_nodes_in_sixteen_colours_and_in_ascii() {
    let plain = Settings { depth: Depth::Sixteen, symbols: Symbols::Ascii, ..settings() };
    let mut stage = Stage::with(plain, 256, 8, (80, 24));
    stage.press("2 j");
    insta::assert_snapshot!("nodes-sixteen-ascii", format!("{}\n{}", stage.screen(), styles(&stage.buffer())));
}

#[test]
fn overview_on_a_wall() {
    let mut stage = Stage::new(2048, 8, (400, 120));
    insta::assert_snapshot!("overview-400x120", stage.screen());
    stage.press("2");
    let rows = stage.screen().lines().filter(|line| line.contains("gpu")).count();
    assert!(rows >= 110, "{rows} nodes are shown on 120 lines");
    stage.press("enter");
    insta::assert_snapshot!("node-400x120", stage.screen());
}

#[test]
fn colours_stay_within_the_terminals_depth() {
    let allowed = |depth: Depth, colour: Color| match colour {
        Color::Reset => true,
        Color::Rgb(..) => depth == Depth::True,
        Color::Indexed(_) => depth == Depth::Indexed,
        // A theme may take the terminal's own sixteen, however many it has.
        _ => depth != Depth::Mono,
    };
    for depth in [Depth::Mono, Depth::Sixteen, Depth::Indexed, Depth::True] {
        for (theme, _) in crate::tui::theme::BUILTIN {
            let theme = Some((*theme).to_owned());
            let mut stage = Stage::with(Settings { theme, depth, ..settings() }, 48, 4, (120, 40));
            for keys in ["m", "2 j", "s", "esc enter", "enter", "?"] {
                stage.press(keys);
                for cell in &stage.buffer().content {
                    assert!(allowed(depth, cell.fg) && allowed(depth, cell.bg), "{depth:?} {keys} {cell:?}");
                }
            }
        }
    }
}

#[test]
fn where_the_locale_has_no_unicode_only_ascii_is_shown() {
    let mut stage = Stage::with(Settings { symbols: Symbols::Ascii, ..settings() }, 256, 8, (120, 40));
    for keys in ["m", "2 j", "enter", "p p", "enter", "esc", "4", "8", "?"] {
        stage.press(keys);
        assert!(stage.screen().is_ascii(), "{keys}: {}", stage.screen());
    }
}

#[test]
fn without_a_terminal_the_same_is_shown() {
    let size = (120, 40);
    let mut stage = Stage::new(256, 8, size);
    let (hub, now) = (Hub::new(256, 8), stage.hub.now);
    let mut still = Still::new(settings(), size, now).unwrap();
    let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
    for key in ["", "2", "3"] {
        if !key.is_empty() {
            stage.press(key);
            assert!(still.press(KeyCode::Char(key.chars().next().unwrap()).into(), now));
        }
        while still.questions().iter().fold(false, |news, question| still.hear(hub.answer(question), now) | news) {}
        still.draw(&mut buffer);
        assert_eq!(cells(&buffer), stage.screen(), "{key}");
    }
}

#[test]
fn numbers_are_whole_or_not_there() {
    let mut stage = Stage::new(256, 8, (400, 30));
    stage.press("2 G");
    let words = |stage: &Stage| -> BTreeSet<String> {
        let screen = stage.screen();
        let rows = screen.lines().skip(4).filter(|line| line.contains("gpu2"));
        rows.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    let all = words(&stage);
    for width in 40..400 {
        stage.app.update(Input::Resize(width, 30), stage.hub.now);
        for word in words(&stage) {
            assert!(all.contains(&word) || word.contains('…'), "{word} at {width} columns");
        }
    }
}

#[test]
fn wide_characters_keep_the_columns_in_line() {
    let mut stage = Stage::new(1, 0, (100, 40));
    stage.press("p P");
    let buffer = stage.buffer();
    let screen = cells(&buffer);
    let line = screen.lines().find(|line| line.contains("日本語の名前")).unwrap();
    let other = screen.lines().find(|line| line.contains("systemd-journald")).unwrap();
    let at = |line: &str, name: &str| unicode_width::UnicodeWidthStr::width(&line[..line.find(name).unwrap()]);
    assert_eq!(at(line, "日本語の名前"), at(other, "systemd-journald"));
}

#[test]
fn combining_characters_keep_the_columns_in_line() {
    let mut stage = Stage::new(1, 0, (100, 40));
    let question = stage.app.questions().into_iter().find(|it| it.query.starts_with("processes ")).unwrap();
    let mut reply = stage.hub.answer(&question);
    let Ok(Answer::Table(table)) = &mut reply.answer else { panic!("{reply:?}") };
    let (user, name) = (table.column("proc.user").unwrap(), table.column("proc.name").unwrap());
    table.rows[1].cells[user] = Cell::Text("rene\u{301}".into());
    table.rows[1].cells[name] = Cell::Text("e\u{301}tude".into());
    stage.app.update(Input::News(News::Reply(Box::new(reply))), stage.hub.now);
    let screen = stage.screen();
    let at = |name: &str| {
        let line = screen.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {screen}"));
        unicode_width::UnicodeWidthStr::width(&line[..line.find(name).unwrap()])
    };
    assert!(screen.contains("rene\u{301} "), "{screen}");
    assert_eq!(at("e\u{301}tude"), at("systemd-journald"), "{screen}");
}

#[test]
fn a_large_fleet_is_shown_by_its_places() {
    let mut stage = Stage::new(6000, 1, (100, 30));
    assert!(stage.screen().contains("RACKS"), "{}", stage.screen());
    stage.press("enter");
    assert_eq!(stage.app.crumbs(), ["overview", "r01"]);
    assert!(stage.screen().contains("GPUS by health"), "{}", stage.screen());
    stage.press("enter");
    assert_eq!(stage.app.crumbs(), ["overview", "r01", "gpu001:0"], "two keys from any GPU");
    stage.press("esc");
    assert_eq!(stage.app.crumbs(), ["overview", "r01"]);
}
