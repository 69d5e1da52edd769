//! Pictures of the real program, as SVG: `UPDATE_SCREENSHOTS=1 cargo test screenshot` remakes `screenshots/`.

use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

use crate::terminal::Terminal;

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

/// The screen as a picture. Blocks are drawn as rectangles, so that no font leaves gaps between them.
fn svg(screen: &Screen) -> String {
    let (rows, cols) = (screen.size().0.get(), screen.size().1.get());
    let (wide, high) = (f64::from(cols) * CELL.0, f64::from(rows) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.1} {high:.1}\" font-family=\"'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..rows {
        for col in 0..cols {
            let Some(cell) = screen.cell(row, col) else { continue };
            let (ink, paper) = colours(cell);
            let (x, y) = (f64::from(col) * CELL.0, f64::from(row) * CELL.1);
            if paper != PAPER {
                rectangle(&mut out, (x, y), CELL, &paper);
            }
            match cell.contents().chars().next() {
                None | Some(' ') => {}
                Some(c @ '▁'..='█') => {
                    let part = CELL.1 * f64::from(c as u32 - 0x2580) / 8.0;
                    rectangle(&mut out, (x, y + CELL.1 - part), (CELL.0, part), &ink);
                }
                Some(_) => {
                    let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
                    let text = cell.contents().replace('&', "&amp;").replace('<', "&lt;");
                    writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{ink}\"{weight}>{text}</text>", y + 13.0)
                        .unwrap();
                }
            }
        }
    }
    out + "</svg>\n"
}

fn rectangle(out: &mut String, (x, y): (f64, f64), (wide, high): (f64, f64), fill: &str) {
    writeln!(out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{high:.1}\" fill=\"{fill}\"/>", wide + 0.1)
        .unwrap();
}

#[test]
fn the_readme_s_screenshot_shows_the_overview() {
    let mut terminal = Terminal::start(&["demo", "--nodes", "256", "--seed", "7"], 36, 120);
    terminal.await_screen("the first faults", |s| s.contains("XID 79"));
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        terminal.watch_for(std::time::Duration::from_mins(2));
    }
    let picture = svg(terminal.screen());
    for word in ["overview", "NODES", "PROBLEMS"] {
        for letter in word.chars() {
            assert!(picture.contains(&format!(">{letter}</text>")), "{letter} of {word} is drawn");
        }
    }
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/screenshots/overview.svg");
        std::fs::write(path, picture).unwrap();
    }
}
