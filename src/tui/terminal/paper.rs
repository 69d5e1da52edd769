//! What ratatui draws on: it collects a frame's changes and writes them at once, inside a synchronized update, with as few
//! bytes as the changes take. A frame without changes writes nothing.

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
    style::{Color, Modifier},
};
use unicode_width::UnicodeWidthStr;

/// The backend.
pub(crate) struct Paper<W: Write> {
    out: W,
    frame: Vec<u8>,
    size: Size,
    /// Where the terminal's cursor stands; nothing while that is not known.
    at: Option<(u16, u16)>,
    pen: Pen,
    cursor_shown: bool,
}

/// The style in which the terminal writes now.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Pen = Pen { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

impl<W: Write> Paper<W> {
    /// A sheet of this size.
    pub(crate) fn new(out: W, (width, height): (u16, u16)) -> Self {
        Paper { out, frame: Vec::new(), size: Size { width, height }, at: None, pen: PLAIN, cursor_shown: false }
    }

    /// Takes note of the terminal's new size.
    pub(crate) fn resize(&mut self, (width, height): (u16, u16)) {
        self.size = Size { width, height };
    }

    /// What is written to.
    pub(crate) fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Forgets what the terminal shows, as after it was in other hands.
    pub(crate) fn forget(&mut self) {
        (self.at, self.pen, self.cursor_shown) = (None, PLAIN, false);
        self.put("\x1b[0m\x1b[?25l");
    }

    fn put(&mut self, text: &str) {
        self.frame.extend_from_slice(text.as_bytes());
    }

    fn go(&mut self, x: u16, y: u16) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((from, line)) if line == y && x > from => {
                let by = x - from;
                let step = if by == 1 { "\x1b[C".to_owned() } else { format!("\x1b[{by}C") };
                self.put(&step);
            }
            _ => self.put(&format!("\x1b[{};{}H", y + 1, x + 1)),
        }
        self.at = Some((x, y));
    }

    fn set(&mut self, pen: Pen) {
        if pen == self.pen {
            return;
        }
        let mut codes: Vec<String> = Vec::new();
        // Taking one property away is spelt differently on every terminal, so that all are, and the rest is said again.
        if !pen.modifier.contains(self.pen.modifier) {
            codes.push("0".into());
            self.pen = PLAIN;
        }
        for (flag, code) in MODIFIERS {
            if pen.modifier.contains(flag) && !self.pen.modifier.contains(flag) {
                codes.push(code.into());
            }
        }
        if pen.fg != self.pen.fg {
            codes.push(colour(pen.fg, 30));
        }
        if pen.bg != self.pen.bg {
            codes.push(colour(pen.bg, 40));
        }
        self.put(&format!("\x1b[{}m", codes.join(";")));
        self.pen = pen;
    }
}

const MODIFIERS: [(Modifier, &str); 6] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::REVERSED, "7"),
    (Modifier::CROSSED_OUT, "9"),
];

/// The code of a colour; `base` is 30 for text and 40 for its ground.
fn colour(colour: Color, base: u8) -> String {
    let dark = |n: u8| (base + n).to_string();
    let bright = |n: u8| (base + 60 + n).to_string();
    match colour {
        Color::Reset => dark(9),
        Color::Black => dark(0),
        Color::Red => dark(1),
        Color::Green => dark(2),
        Color::Yellow => dark(3),
        Color::Blue => dark(4),
        Color::Magenta => dark(5),
        Color::Cyan => dark(6),
        Color::Gray => dark(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
        Color::Indexed(n) => format!("{};5;{n}", base + 8),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
    }
}

impl<W: Write> Backend for Paper<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        for (x, y, cell) in content {
            self.go(x, y);
            self.set(Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier });
            self.put(cell.symbol());
            let after = x + UnicodeWidthStr::width(cell.symbol()).max(1) as u16;
            // At the right edge terminals differ in where the cursor is.
            self.at = (after < self.size.width).then_some((after, y));
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.cursor_shown) {
            self.put("\x1b[?25l");
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.cursor_shown, true) {
            self.put("\x1b[?25h");
        }
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Asking the terminal would take the answer from the event stream.
        let (x, y) = self.at.unwrap_or((0, 0));
        Ok(Position { x, y })
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.go(x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.set(PLAIN);
        self.put("\x1b[2J");
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        // Only whole screens are drawn here, and so only whole screens are cleared.
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut bytes = b"\x1b[?2026h".to_vec();
        bytes.append(&mut self.frame);
        bytes.extend_from_slice(b"\x1b[?2026l");
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, layout::Rect, style::Style};

    use super::*;

    fn frames(frames: &[&[(u16, u16, &str, Style)]]) -> Vec<String> {
        let mut terminal = Terminal::new(Paper::new(Vec::new(), (20, 3))).unwrap();
        let draw = |texts: &&[(u16, u16, &str, Style)]| {
            let put = |frame: &mut ratatui::Frame<'_>| {
                for (x, y, text, style) in *texts {
                    frame.buffer_mut().set_string(*x, *y, text, *style);
                }
            };
            terminal.draw(put).unwrap();
            String::from_utf8(std::mem::take(terminal.backend_mut().out())).unwrap()
        };
        frames.iter().map(draw).collect()
    }

    #[test]
    fn a_frame_is_one_synchronized_write_and_no_change_is_none() {
        let plain = Style::new();
        let written = frames(&[&[(1, 1, "ab", plain)], &[(1, 1, "ab", plain)], &[(1, 1, "aX", plain)]]);
        assert_eq!(written, ["\x1b[?2026h\x1b[2;2Hab\x1b[?2026l", "", "\x1b[?2026h\x1b[2;3HX\x1b[?2026l"]);
    }

    #[test]
    fn colours_are_said_once_and_steps_are_short() {
        let red = Style::new().fg(Color::Rgb(1, 2, 3));
        let written = frames(&[&[(0, 0, "a", red), (5, 0, "b", red), (6, 0, "c", Style::new().bold())]]);
        assert_eq!(written[0], "\x1b[?2026h\x1b[1;1H\x1b[38;2;1;2;3ma\x1b[4Cb\x1b[1;39mc\x1b[?2026l");
    }

    #[test]
    fn what_it_writes_is_what_was_drawn() {
        let mut terminal = Terminal::new(Paper::new(Vec::new(), (30, 4))).unwrap();
        let mut screen = vt100::Parser::new(4.try_into().unwrap(), 30.try_into().unwrap(), 0);
        for step in 0..40_u16 {
            let style = Style::new().fg(Color::Indexed((step % 7) as u8));
            let draw = |frame: &mut ratatui::Frame<'_>| {
                let area = frame.area();
                let style = if step % 3 == 0 { style.bold() } else { style };
                frame.buffer_mut().set_stringn(step % 29, step % 4, "日本 gpu é", usize::from(area.width), style);
            };
            let drawn = terminal.draw(draw).unwrap().buffer.clone();
            screen.process(&std::mem::take(terminal.backend_mut().out()));
            for y in 0..4 {
                for x in 0..30 {
                    let (ours, theirs) = (drawn.cell((x, y)).unwrap(), screen.screen().cell(y, x).unwrap());
                    let shown =
                        if theirs.has_contents() || theirs.is_wide_continuation() { theirs.contents() } else { " " };
                    if !theirs.is_wide_continuation() {
                        assert_eq!(ours.symbol(), shown, "step {step} at {x},{y}");
                    }
                }
            }
        }
        assert_eq!(terminal.get_frame().area(), Rect::new(0, 0, 30, 4));
    }
}
