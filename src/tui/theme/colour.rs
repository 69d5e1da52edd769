//! Colours as themes write them, and how they look on terminals that show fewer.
//! Conversion happens once, when a theme is loaded: drawing never asks how deep the terminal is.

use ratatui::style::Color;

use super::terminfo;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: bold, underlined and reversed text only.
    Mono,
    /// The terminal's own sixteen.
    Sixteen,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits.
    True,
}

impl Depth {
    /// The depth that the environment speaks of: `NO_COLOR`, `COLORTERM`, the terminfo entry of `TERM`, and its name, asked
    /// for through `var`.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Depth {
        Depth::told(&var, |term| terminfo::colours(term, &var))
    }

    fn told(var: impl Fn(&str) -> Option<String>, colours: impl Fn(&str) -> Option<u32>) -> Depth {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            return Depth::Mono;
        }
        let term = set("TERM").unwrap_or_default();
        if term.is_empty() || term == "dumb" {
            return Depth::Mono;
        }
        if set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
            return Depth::True;
        }
        // A multiplexer of the last ten years shows 256 colours under any of its names, whatever its entry says.
        if term == "tmux" || term.starts_with("tmux-") || term.starts_with("screen.") {
            return Depth::named(&term).max(Depth::Indexed);
        }
        match colours(&term) {
            Some(0..8) => Depth::Mono,
            Some(8..256) => Depth::Sixteen,
            Some(256..0x0100_0000) => Depth::Indexed,
            Some(_) => Depth::True,
            None => Depth::named(&term),
        }
    }

    /// The depth that a terminal's name speaks of.
    fn named(term: &str) -> Depth {
        if term.starts_with("vt1") || term.starts_with("vt2") {
            return Depth::Mono;
        }
        if term.ends_with("-direct") || term.contains("truecolor") {
            return Depth::True;
        }
        let is_indexed = ["256", "kitty", "alacritty"].iter().any(|part| term.contains(part));
        if is_indexed { Depth::Indexed } else { Depth::Sixteen }
    }
}

/// A colour of a theme's palette, with what stands in for it where there are only sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    /// The colour itself; nothing for the terminal's own.
    pub(crate) rgb: Option<(u8, u8, u8)>,
    /// What a terminal with sixteen colours shows.
    pub(crate) ansi: Option<Color>,
}

impl Paint {
    /// The colour for a terminal of this depth.
    pub(crate) fn at(self, depth: Depth) -> Color {
        match (self.rgb, depth) {
            (_, Depth::Mono) => Color::Reset,
            (Some((r, g, b)), Depth::True) => Color::Rgb(r, g, b),
            (Some(rgb), Depth::Indexed) => Color::Indexed(nearest_indexed(rgb)),
            (Some(rgb), Depth::Sixteen) => self.ansi.unwrap_or_else(|| nearest_ansi(rgb)),
            (None, _) => self.ansi.unwrap_or(Color::Reset),
        }
    }

    /// `#rrggbb`, or one of the terminal's own colours by name: `default`, `red`, `bright-red`.
    pub(crate) fn parse(text: &str) -> Option<Paint> {
        if let Some(hex) = text.strip_prefix('#') {
            let n = (hex.len() == 6).then(|| u32::from_str_radix(hex, 16).ok())??;
            let rgb = ((n >> 16) as u8, (n >> 8) as u8, n as u8);
            return Some(Paint { rgb: Some(rgb), ansi: None });
        }
        named(text).map(|color| Paint { rgb: None, ansi: Some(color) })
    }
}

/// The terminal's own colours by the names that themes use.
pub(crate) fn named(text: &str) -> Option<Color> {
    const NAMES: [(&str, Color); 17] = [
        ("default", Color::Reset),
        ("black", Color::Black),
        ("red", Color::Red),
        ("green", Color::Green),
        ("yellow", Color::Yellow),
        ("blue", Color::Blue),
        ("magenta", Color::Magenta),
        ("cyan", Color::Cyan),
        ("white", Color::Gray),
        ("bright-black", Color::DarkGray),
        ("bright-red", Color::LightRed),
        ("bright-green", Color::LightGreen),
        ("bright-yellow", Color::LightYellow),
        ("bright-blue", Color::LightBlue),
        ("bright-magenta", Color::LightMagenta),
        ("bright-cyan", Color::LightCyan),
        ("bright-white", Color::White),
    ];
    NAMES.iter().find(|(name, _)| *name == text).map(|(_, color)| *color)
}

fn distance(one: (u8, u8, u8), other: (u8, u8, u8)) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    // The eye sees differences in green best.
    2 * square(one.0, other.0) + 4 * square(one.1, other.1) + 3 * square(one.2, other.2)
}

/// The nearest of xterm's colour cube and grey ramp. The first sixteen belong to the user's palette and are left out.
fn nearest_indexed(rgb: (u8, u8, u8)) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |v: u8| (0..6u8).min_by_key(|n| STEPS[usize::from(*n)].abs_diff(v)).unwrap_or(0);
    let (r, g, b) = (step(rgb.0), step(rgb.1), step(rgb.2));
    let cube = (STEPS[usize::from(r)], STEPS[usize::from(g)], STEPS[usize::from(b)]);
    let mean = (u32::from(rgb.0) + u32::from(rgb.1) + u32::from(rgb.2)) / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let level = 8 + 10 * grey;
    if distance(rgb, (level, level, level)) < distance(rgb, cube) { 232 + grey } else { 16 + 36 * r + 6 * g + b }
}

/// The nearest of the sixteen by their usual values.
fn nearest_ansi(rgb: (u8, u8, u8)) -> Color {
    const USUAL: [(Color, (u8, u8, u8)); 16] = [
        (Color::Black, (0, 0, 0)),
        (Color::Red, (205, 0, 0)),
        (Color::Green, (0, 205, 0)),
        (Color::Yellow, (205, 205, 0)),
        (Color::Blue, (0, 0, 238)),
        (Color::Magenta, (205, 0, 205)),
        (Color::Cyan, (0, 205, 205)),
        (Color::Gray, (229, 229, 229)),
        (Color::DarkGray, (127, 127, 127)),
        (Color::LightRed, (255, 0, 0)),
        (Color::LightGreen, (0, 255, 0)),
        (Color::LightYellow, (255, 255, 0)),
        (Color::LightBlue, (92, 92, 255)),
        (Color::LightMagenta, (255, 0, 255)),
        (Color::LightCyan, (0, 255, 255)),
        (Color::White, (255, 255, 255)),
    ];
    USUAL.iter().min_by_key(|(_, usual)| distance(rgb, *usual)).map_or(Color::Reset, |(color, _)| *color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_the_environment() {
        let check = |vars: &[(&str, &str)], expected| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            // Without a database, names are all that there is.
            assert_eq!(Depth::told(var, |_| None), expected, "{vars:?}");
        };
        check(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Depth::True);
        check(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")], Depth::Mono);
        check(&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Indexed);
        check(&[("TERM", "tmux")], Depth::Indexed);
        check(&[("TERM", "xterm-direct")], Depth::True);
        check(&[("TERM", "linux")], Depth::Sixteen);
        check(&[("TERM", "dumb")], Depth::Mono);
        check(&[("TERM", "vt220")], Depth::Mono);
        check(&[], Depth::Mono);
    }

    #[test]
    fn the_database_knows_better_than_the_name() {
        let check = |vars: &[(&str, &str)], colours: u32, expected| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(Depth::told(var, |_| Some(colours)), expected, "{vars:?} {colours}");
        };
        check(&[("TERM", "foot")], 256, Depth::Indexed);
        check(&[("TERM", "foot")], 8, Depth::Sixteen);
        check(&[("TERM", "foot-direct")], 0x0100_0000, Depth::True);
        check(&[("TERM", "wy60")], 0, Depth::Mono);
        check(&[("TERM", "xterm-256color")], 8, Depth::Sixteen);
        check(&[("TERM", "tmux")], 8, Depth::Indexed);
        check(&[("TERM", "screen.xterm")], 8, Depth::Indexed);
        check(&[("TERM", "foot"), ("COLORTERM", "truecolor")], 256, Depth::True);
        check(&[("TERM", "foot"), ("NO_COLOR", "1")], 256, Depth::Mono);
        check(&[("TERM", "dumb")], 256, Depth::Mono);
    }

    #[test]
    fn colours_degrade_to_the_nearest() {
        let paint = Paint::parse("#ff0000").unwrap();
        assert_eq!(paint.at(Depth::True), Color::Rgb(255, 0, 0));
        assert_eq!(paint.at(Depth::Indexed), Color::Indexed(196));
        assert_eq!(paint.at(Depth::Sixteen), Color::LightRed);
        assert_eq!(paint.at(Depth::Mono), Color::Reset);
        assert_eq!(Paint::parse("#808080").unwrap().at(Depth::Indexed), Color::Indexed(244));
        assert_eq!(Paint::parse("bright-blue").unwrap().at(Depth::True), Color::LightBlue);
        for wrong in ["#ff00", "#gg0000", "rot", ""] {
            assert_eq!(Paint::parse(wrong), None, "{wrong}");
        }
    }
}
