//! The clipboard of the terminal, which may be at the other end of an SSH connection.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

/// Bytes that all terminals take which take any: some heed no sequence of more than 100,000.
const LONG: usize = 74_000;

/// The way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The terminal takes it by OSC 52.
    Terminal,
    /// tmux passes it on, and keeps it as a buffer; by itself it heeds no program's OSC 52.
    Tmux,
    /// GNU screen passes on what is wrapped for the terminal around it.
    Screen,
    /// A tmux or screen at the other end of a connection, which passes it on only if it is told to.
    Beyond,
    /// There is none.
    Nowhere,
}

impl Way {
    /// The way out of this environment.
    pub(crate) fn detect(var: impl Fn(&str) -> Option<String>) -> Way {
        let is_set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        match var("TERM").as_deref() {
            _ if is_set("TMUX") => Way::Tmux,
            _ if is_set("STY") => Way::Screen,
            // A console has no clipboard.
            None | Some("" | "linux" | "dumb" | "vt100" | "vt220") => Way::Nowhere,
            Some(term) if term.starts_with("tmux") || term.starts_with("screen") => Way::Beyond,
            Some(_) => Way::Terminal,
        }
    }
}

/// Puts `text` on the clipboard. Says what is to be said where that is known not to work; a terminal that is told to heed
/// no such wish does so in silence.
///
/// # Errors
/// The terminal cannot be written to.
pub(crate) fn copy(out: &mut impl Write, way: Way, text: &str) -> io::Result<Result<(), &'static str>> {
    let sequence = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
    match way {
        Way::Nowhere => return Ok(Err("this terminal has no clipboard; nothing was copied")),
        Way::Tmux => {
            if load_buffer(text).is_err() {
                return Ok(Err("tmux takes nothing for its clipboard; nothing was copied"));
            }
            return Ok(Ok(()));
        }
        Way::Screen => write!(out, "\x1bP{sequence}\x1b\\")?,
        Way::Terminal | Way::Beyond => write!(out, "{sequence}")?,
    }
    out.flush()?;
    Ok(match way {
        _ if text.len() > LONG => Err("sent; not every terminal takes so much at once"),
        Way::Beyond => Err("sent; the tmux out there takes it if it has `set -g set-clipboard on`"),
        _ => Ok(()),
    })
}

/// Has tmux take a text, and hand it to the terminal around it.
fn load_buffer(text: &str) -> io::Result<()> {
    let mut tmux = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Closed at the end, by which tmux knows that this is all.
    let written = tmux.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    let status = tmux.wait()?;
    written?;
    if status.success() { Ok(()) } else { Err(io::Error::other("tmux refused it")) }
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
    fn the_clipboard_gets_base64() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("gpu[017,021-024]", "Z3B1WzAxNywwMjEtMDI0XQ==");
        let mut out = Vec::new();
        assert_eq!(copy(&mut out, Way::Terminal, "foo").unwrap(), Ok(()));
        assert_eq!(out, b"\x1b]52;c;Zm9v\x07");
        out.clear();
        assert_eq!(copy(&mut out, Way::Screen, "foo").unwrap(), Ok(()));
        assert_eq!(out, b"\x1bP\x1b]52;c;Zm9v\x07\x1b\\");
        out.clear();
        assert!(copy(&mut out, Way::Beyond, "foo").unwrap().is_err_and(|words| words.contains("set-clipboard on")));
        assert_eq!(out, b"\x1b]52;c;Zm9v\x07");
        let much = "x".repeat(LONG + 1);
        assert!(copy(&mut out, Way::Terminal, &much).unwrap().is_err_and(|words| words.contains("so much")));
        out.clear();
        assert!(copy(&mut out, Way::Nowhere, "foo").unwrap().is_err_and(|words| words.contains("no clipboard")));
        assert!(out.is_empty());
    }

    #[test]
    fn the_way_is_told_by_the_environment() {
        let check = |vars: &[(&str, &str)], expected| {
            let var = |name: &str| vars.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(Way::detect(var), expected, "{vars:?}");
        };
        check(&[("TERM", "xterm-256color")], Way::Terminal);
        check(&[("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0")], Way::Tmux);
        check(&[("TERM", "screen"), ("STY", "1.x")], Way::Screen);
        check(&[("TERM", "screen-256color"), ("SSH_TTY", "/dev/pts/1")], Way::Beyond);
        check(&[("TERM", "linux")], Way::Nowhere);
        check(&[], Way::Nowhere);
    }
}
