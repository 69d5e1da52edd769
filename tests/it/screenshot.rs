//! Pictures of the real program: `UPDATE_SCREENSHOTS=1 tests/run screenshot` remakes `screenshots/`. What a terminal shows is
//! drawn as SVG, and that as PNG, with letters that look the same everywhere.

use std::{fmt::Write as _, fs, time::Duration};

use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{Options, Tree},
};
use vt100::{Cell, Color, Screen};

use crate::{pty::Terminal, terminal::start};

/// The letters: of the first font that has them. Debian has them in `fonts-jetbrains-mono` and `fonts-dejavu-core`.
const FONTS: [&str; 4] = [
    "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf",
    "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
];
/// Size of a cell in the picture.
const CELL: (f64, f64) = (8.4, 17.0);
const INK: &str = "#d4d4d4";
const PAPER: &str = "#0e1116";

/// The sixteen colours that a terminal chooses itself.
const SIXTEEN: [&str; 16] = [
    "#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666", "#f14c4c",
    "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
];

fn colour(colour: Color, default: &str) -> String {
    match colour {
        Color::Default => default.into(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        Color::Idx(n @ 0..16) => SIXTEEN[usize::from(n)].into(),
        Color::Idx(n @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let n = n - 16;
            format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        Color::Idx(n) => format!("#{0:02x}{0:02x}{0:02x}", 8 + 10 * (n - 232)),
    }
}

fn colours(cell: &Cell) -> (String, String) {
    let (ink, paper) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), PAPER));
    if cell.inverse() { (paper, ink) } else { (ink, paper) }
}

/// The screen as a picture. Blocks and braille are drawn, so that no font leaves gaps in them.
fn svg(screen: &Screen) -> String {
    let (rows, cols) = (screen.size().0.get(), screen.size().1.get());
    let (wide, high) = (f64::from(cols) * CELL.0, f64::from(rows) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.1} {high:.1}\" \
         font-family=\"JetBrains Mono\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..rows {
        let cells: Vec<&Cell> = (0..cols).filter_map(|col| screen.cell(row, col)).collect();
        let y = f64::from(row) * CELL.1;
        for (at, run) in runs(&cells, |cell| colours(cell).1) {
            if colours(run[0]).1 != PAPER {
                rectangle(&mut out, (x_of(at), y), (x_of(run.len()), CELL.1), &colours(run[0]).1);
            }
        }
        for (at, run) in runs(&cells, |cell| (colours(cell).0, cell.bold(), is_drawn(cell))) {
            if is_drawn(run[0]) {
                run.iter().zip(at..).for_each(|(cell, at)| drawn(&mut out, (x_of(at), y), cell));
            } else {
                text(&mut out, (x_of(at), y), run);
            }
        }
    }
    out + "</svg>\n"
}

/// What an SVG shows.
fn pixels(svg: &str) -> Pixmap {
    let mut options = Options::default();
    FONTS.iter().filter_map(|path| fs::read(path).ok()).for_each(|font| options.fontdb_mut().load_font_data(font));
    let tree = Tree::from_str(svg, &options).unwrap();
    let size = tree.size().to_int_size();
    let mut pixels = Pixmap::new(size.width(), size.height()).unwrap();
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    pixels
}

fn x_of(cells: usize) -> f64 {
    cells as f64 * CELL.0
}

/// Neighbours that are alike, and where each run of them begins.
fn runs<'a, 'b, K: PartialEq>(
    cells: &'a [&'b Cell],
    like: impl Fn(&Cell) -> K,
) -> impl Iterator<Item = (usize, &'a [&'b Cell])> {
    let runs = cells.chunk_by(move |a, b| like(a) == like(b));
    runs.scan(0, |at, run| {
        let began = *at;
        *at += run.len();
        Some((began, run))
    })
}

/// Whether the cell is drawn as shapes instead of text.
fn is_drawn(cell: &Cell) -> bool {
    matches!(cell.contents().chars().next(), Some('▁'..='█' | '\u{2800}'..='\u{28ff}'))
}

fn drawn(out: &mut String, (x, y): (f64, f64), cell: &Cell) {
    let ink = colours(cell).0;
    let code = cell.contents().chars().next().map_or(0, u32::from);
    if let Some(dots) = code.checked_sub(0x2800) {
        // Bits of a braille character by column and row.
        for (bit, (column, row)) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)].iter().enumerate()
        {
            if dots >> bit & 1 == 1 {
                let (cx, cy) =
                    (x + CELL.0 * (0.25 + 0.5 * f64::from(*column)), y + CELL.1 * (0.125 + 0.25 * f64::from(*row)));
                writeln!(out, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"1.3\" fill=\"{ink}\"/>").unwrap();
            }
        }
    } else {
        let part = CELL.1 * f64::from(code - 0x2580) / 8.0;
        rectangle(out, (x, y + CELL.1 - part), (CELL.0, part), &ink);
    }
}

fn text(out: &mut String, (x, y): (f64, f64), run: &[&Cell]) {
    let words: String = run.iter().map(|cell| if cell.has_contents() { cell.contents() } else { " " }).collect();
    if words.trim().is_empty() {
        return;
    }
    let (ink, weight) = (colours(run[0]).0, if run[0].bold() { " font-weight=\"bold\"" } else { "" });
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let (y, long) = (y + 13.0, x_of(run.len()));
    writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{ink}\"{weight} textLength=\"{long:.1}\" xml:space=\"preserve\">{words}</text>"
    )
    .unwrap();
}

fn rectangle(out: &mut String, (x, y): (f64, f64), (wide, high): (f64, f64), fill: &str) {
    writeln!(out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{fill}\"/>")
        .unwrap();
}

/// Whether the pictures in `screenshots` are made anew.
fn updates() -> bool {
    std::env::var_os("UPDATE_SCREENSHOTS").is_some()
}

/// A picture of what is on screen once it shows these words. It is kept as `screenshots/NAME.png` where pictures are made
/// anew.
fn picture(terminal: &mut Terminal, name: &str, words: &[&str]) {
    // A picture of a screen that has no answers yet shows nothing, and neither does one of empty graphs.
    let is_empty = |line: &str| updates() && line.starts_with(" UTIL   ") && !line.contains('%');
    let asks = |s: &str| s.contains("asking the hub") || s.lines().any(is_empty);
    let is_whole = |s: &str| words.iter().all(|word| s.contains(word)) && !asks(s);
    terminal.await_screen(&format!("{words:?}"), is_whole);
    if updates() {
        // What comes in several answers is drawn piece by piece.
        terminal.watch_for(Duration::from_secs(2));
    }
    let picture = svg(terminal.screen());
    for word in words {
        assert!(picture.contains(word), "{word} is drawn");
    }
    if updates() {
        for font in FONTS {
            assert!(fs::exists(font).unwrap(), "{font} is needed: install fonts-jetbrains-mono and fonts-dejavu-core");
        }
        let png = pixels(&picture).encode_png().unwrap();
        fs::write(format!("{}/screenshots/{name}.png", env!("CARGO_MANIFEST_DIR")), png).unwrap();
    }
}

/// A demo that has been up for long enough to show curves, where pictures are made anew.
fn demo(args: &[&str], (rows, cols): (u16, u16)) -> Terminal {
    let mut terminal = start(&[&["demo", "--nodes", "256", "--seed", "7"], args].concat(), rows, cols);
    terminal.await_screen("nodes", |s| s.contains("PROBLEMS") && s.contains(" up"));
    if updates() {
        terminal.watch_for(Duration::from_mins(2));
    }
    terminal
}

#[test]
fn what_a_terminal_shows_becomes_pixels() {
    let mut parser = vt100::Parser::default();
    parser.process(b"\x1b[48;2;200;30;40m  \x1b[0m\x1b[38;2;10;220;30m\xe2\x96\x88");
    let pixels = pixels(&svg(parser.screen()));
    let colour = |cell: f64| {
        let pixel = pixels.pixel((CELL.0 * (cell + 0.5)) as u32, CELL.1 as u32 / 2).unwrap();
        (pixel.red(), pixel.green(), pixel.blue())
    };
    assert_eq!([0.0, 1.0, 2.0, 3.0].map(colour), [(200, 30, 40), (200, 30, 40), (10, 220, 30), (14, 17, 22)]);
}

#[test]
fn screenshots_show_what_is_wrong_beside_what_is_not() {
    let mut terminal = demo(&[], (40, 140));
    terminal.await_screen("the first faults", |s| s.contains("XID 79"));
    terminal.press("m");
    picture(&mut terminal, "grid", &["NODES"]);
    terminal.press(":incidents\r");
    picture(&mut terminal, "problems", &["INCIDENTS", "XID 79", "SUBJECT"]);
    // After a minute the heat is explained by what it does to the clock.
    terminal.press(":incidents where rule = gpu.temp.over or rule = gpu.throttle.hw_thermal\r");
    terminal.await_screen("the hot GPU", |s| s.contains("INCIDENTS · where") && s.contains(" gpu050:4 "));
    terminal.press("\r");
    picture(&mut terminal, "incident", &["WHY", "DO", "peers"]);
    terminal.press(":gpus where xid = 79\r");
    terminal.await_screen("lost GPUs", |s| s.contains("where xid = 79") && s.contains("XID 79"));
    terminal.press(" :gpus sort -power\r");
    terminal.await_screen("busy ones", |s| s.contains("–35 of 2,048") && s.contains("1 marked"));
    terminal.press("   c");
    picture(&mut terminal, "compare", &["COMPARE", "stand", "clock.sm"]);
    terminal.press(":nodes\r");
    terminal.await_screen("the nodes", |s| s.contains("NODE ") && s.contains("of 256"));
    terminal.press("\r");
    picture(&mut terminal, "node", &["GPUS 8", "UTIL"]);
    terminal.press("\r");
    picture(&mut terminal, "gpu", &["METRICS", "SM CLOCK"]);
    terminal.press(":blast\r");
    picture(&mut terminal, "blast", &["WHAT HAPPENED", "XID"]);
}

#[test]
fn screenshots_show_other_themes_and_a_small_terminal() {
    for theme in ["nord", "gruvbox-light", "catppuccin-mocha"] {
        let mut terminal = demo(&["--theme", theme], (30, 110));
        picture(&mut terminal, &format!("theme-{theme}"), &["overview", "PROBLEMS"]);
    }
    let mut terminal = demo(&[], (24, 80));
    picture(&mut terminal, "small", &["PROBLEMS"]);
}

#[test]
fn screenshots_show_the_overview_and_what_jobs_have() {
    let mut terminal = demo(&[], (36, 120));
    terminal.await_screen("the first faults", |s| s.contains("XID 79"));
    picture(&mut terminal, "overview", &["overview", "NODES", "PROBLEMS"]);
    terminal.press("4");
    picture(&mut terminal, "jobs", &["JOBS", "JOB", "USER", "running", "pretrain"]);
    terminal.press("\r");
    picture(&mut terminal, "job", &["running", "GPUs", "SM clock", "APART SMCLK", "TENSOR", "NVLINK"]);
    terminal.press(":users\r");
    picture(&mut terminal, "users", &["USERS", "WASTED", "u1087"]);
    terminal.press(":energy by user since today sort -used\r");
    picture(&mut terminal, "energy", &["HOSTS", "Wh", "u1087"]);
    terminal.press(":bench\r");
    picture(&mut terminal, "bench", &["BENCH", "healthy", "drain", "XID 79"]);
}
