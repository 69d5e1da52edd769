//! Which characters the terminal can show, and what stands for the rest.
//! Screens are drawn with all of Unicode; where the locale has none of it, one pass replaces it.

use ratatui::buffer::Buffer;

/// The characters that graphs and marks are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// Dots of Braille in graphs, blocks and lines elsewhere.
    Braille,
    /// Blocks and lines.
    Block,
    /// ASCII only.
    Ascii,
}

impl Symbols {
    /// What the locale allows, asked for through `var`: `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Symbols {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| var(name).filter(|v| !v.is_empty()));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        if !(locale.contains("utf-8") || locale.contains("utf8")) {
            return Symbols::Ascii;
        }
        // The Linux console has boxes and some blocks in its font, and no Braille.
        if var("TERM").is_some_and(|term| term == "linux") { Symbols::Block } else { Symbols::Braille }
    }
}

/// Replaces everything in `buffer` that is not ASCII.
pub(crate) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let stand_in = cell.symbol().chars().next().map_or(' ', stand_in);
        cell.set_char(stand_in);
    }
}

fn stand_in(c: char) -> char {
    match c {
        '─' | '╶' | '╴' | '–' | '—' | '▁' => '-',
        '│' => '|',
        '┬' | '┴' | '┼' | '├' | '┤' | '┌' | '┐' | '└' | '┘' | '▅' => '+',
        '━' | '╸' | '▄' | '▃' => '=',
        '▂' => '~',
        '▆' => '*',
        '▇' => '%',
        '█' | '■' => '#',
        '░' | '·' | '…' | '⋯' | '▪' => '.',
        '●' => 'o',
        '○' => 'O',
        '▲' | '↯' => '!',
        '✖' => 'X',
        '▼' | '↓' | '▾' => 'v',
        '▴' | '↑' => '^',
        '›' | '▸' | '→' | '⏎' => '>',
        '←' => '<',
        '°' => ' ',
        '×' => 'x',
        '\u{2801}'..='\u{28ff}' => ':',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides() {
        let check = |vars: &[(&str, &str)], expected| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(Symbols::detect(var), expected, "{vars:?}");
        };
        check(&[("LANG", "de_DE.UTF-8")], Symbols::Braille);
        check(&[("LC_ALL", "C.utf8"), ("LANG", "C")], Symbols::Braille);
        check(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], Symbols::Ascii);
        check(&[("LC_ALL", ""), ("LANG", "de_DE.UTF-8"), ("TERM", "linux")], Symbols::Block);
        check(&[], Symbols::Ascii);
    }
}
