//! The terminal: taken over at the start, given back whatever happens, and written to once a frame.

pub(crate) mod clipboard;
pub(crate) mod ground;
pub(crate) mod late;
mod paper;

use std::{
    io::{self, stdout},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ThreadId},
};

use crossterm::{
    cursor, event, execute, style,
    terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
};

pub(crate) use paper::Paper;

/// Whether the terminal is ours now: what was taken is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it tells us of its mouse: of presses and the wheel, in a form that knows no largest column.
static MOUSE: AtomicBool = AtomicBool::new(false);
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Holds the terminal; dropping it gives the terminal back.
pub(crate) struct Guard;

impl Guard {
    /// Takes the terminal over for this thread, and has a panic of it give the terminal back before it is reported.
    pub(crate) fn new(takes_mouse: bool) -> io::Result<Guard> {
        MOUSE.store(takes_mouse, Ordering::SeqCst);
        let (report, owner) = (std::panic::take_hook(), thread::current().id());
        std::panic::set_hook(Box::new(move |panic| after_panic(owner, || report(panic))));
        take()?;
        Ok(Guard)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// A panic of the thread that draws ends the program, and is reported on the screen that was there before. One of
/// another thread, such as a collector's, costs that thread's work only: the screen stands, and shows what is missing.
fn after_panic(owner: ThreadId, report: impl FnOnce()) {
    let draws = thread::current().id() == owner;
    if draws {
        give_back();
    }
    if draws || !TAKEN.load(Ordering::SeqCst) {
        report();
    }
}

/// Takes the terminal over.
pub(crate) fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mouse = if MOUSE.load(Ordering::SeqCst) { MOUSE_ON } else { "" };
    execute!(stdout(), EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide, style::Print(mouse))
}

/// Gives the terminal back as it was. A terminal that is gone is no reason to stop.
pub(crate) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mouse = if MOUSE.load(Ordering::SeqCst) { MOUSE_OFF } else { "" };
        let stdout = &mut stdout();
        let _ = execute!(stdout, style::Print(mouse), event::DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        num::NonZero,
    };

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    /// Tells this test's own program to be the one that panics in the terminal.
    const PANICS: &str = "SUPERTOP_TEST_PANICS";

    #[test]
    fn a_panic_is_reported_on_the_screen_that_was_there_before() {
        if std::env::var_os(PANICS).is_some() {
            let _guard = Guard::new(true).unwrap();
            stdout().write_all(b"drawn by the program").unwrap();
            stdout().flush().unwrap();
            panic!("the drawing failed");
        }
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let name = "tui::terminal::tests::a_panic_is_reported_on_the_screen_that_was_there_before";
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]);
        command.env(PANICS, "1");
        command.env("RUST_BACKTRACE", "0");
        let mut child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut output = Vec::new();
        assert!(!child.wait().unwrap().success());
        let modes = pair.master.get_termios().unwrap().local_flags.bits();
        assert!(modes & libc::ICANON != 0 && modes & libc::ECHO != 0, "typing is as it was before");
        drop(pair.slave);
        // A terminal that nobody holds any more ends with an error.
        let _ = reader.read_to_end(&mut output);
        let cells = |n| NonZero::new(n).unwrap();
        let mut parser = vt100::Parser::new(cells(24), cells(80), 0);
        parser.process(&output);
        let (screen, text) = (parser.screen(), parser.screen().contents());
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
        assert!(text.contains("the drawing failed") && !text.contains("drawn by the program"), "{text}");
        assert!(String::from_utf8_lossy(&output).contains("drawn by the program"), "it had a screen of its own");
    }

    #[test]
    fn only_a_panic_of_the_drawing_thread_gives_the_terminal_back() {
        let owner = thread::current().id();
        let reports = move || {
            let mut said = false;
            after_panic(owner, || said = true);
            said
        };
        let elsewhere = || thread::spawn(reports).join().unwrap();
        TAKEN.store(true, Ordering::SeqCst);
        assert!(!elsewhere(), "nothing is written over the screen");
        assert!(TAKEN.load(Ordering::SeqCst), "and it still is ours");
        assert!(reports());
        assert!(!TAKEN.load(Ordering::SeqCst), "given back before the report");
        assert!(elsewhere(), "after that every panic is reported");
    }
}
