//! The terminal: taken over at the start, given back whatever happens, and written to once a frame.

mod paper;

use std::{
    io::{self, Write, stdout},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ThreadId},
};

use crossterm::{
    cursor, event, execute,
    terminal::{self, EnterAlternateScreen, LeaveAlternateScreen},
};

pub(crate) use paper::Paper;

/// Whether the terminal is ours now: what was taken is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Holds the terminal; dropping it gives the terminal back.
pub(crate) struct Guard;

impl Guard {
    /// Takes the terminal over for this thread, and has a panic of it give the terminal back before it is reported.
    pub(crate) fn new() -> io::Result<Guard> {
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
    execute!(stdout(), EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)
}

/// Gives the terminal back as it was. A terminal that is gone is no reason to stop.
pub(crate) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(stdout(), event::DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

/// Puts `text` on the clipboard of the terminal, which may be at the other end of an SSH connection: OSC 52.
pub(crate) fn copy(out: &mut impl Write, text: &str) -> io::Result<()> {
    write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes()))?;
    out.flush()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * at) & 63) as usize];
            out.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_clipboard_gets_base64() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("gpu[017,021-024]", "Z3B1WzAxNywwMjEtMDI0XQ==");
        let mut out = Vec::new();
        copy(&mut out, "foo").unwrap();
        assert_eq!(out, b"\x1b]52;c;Zm9v\x07");
    }
}
