//! Every process's `/proc/PID/stat`, read without an allocation for each.

use std::{io, mem::MaybeUninit, path::Path};

use rustix::{
    fs::{Mode, OFlags, RawDir, openat},
    io::Errno,
};

use crate::model::text::clean;

/// The longest name that the kernel gives: kernel workers have up to 64 characters.
const NAME: usize = 64;

/// What `/proc/PID/stat` says.
#[derive(Clone, Debug)]
pub(super) struct Stat {
    name: [u8; NAME],
    /// State letter, as `ps` prints it.
    pub(super) state: char,
    /// User and system time, in clock ticks.
    pub(super) ticks: u64,
    /// When it started, in clock ticks after boot.
    pub(super) started: u64,
    /// Resident memory, in pages.
    pub(super) pages: u64,
}

impl Stat {
    /// The kernel's name for it.
    pub(super) fn name(&self) -> String {
        let end = self.name.iter().position(|b| *b == 0).unwrap_or(NAME);
        clean(&String::from_utf8_lossy(&self.name[..end]), NAME).into_owned()
    }

    /// Reads a line. The name may hold anything, even parentheses and newlines, so the last one ends it.
    pub(super) fn parse(line: &[u8]) -> Option<Stat> {
        let open = line.iter().position(|b| *b == b'(')?;
        let close = line.iter().rposition(|b| *b == b')')?;
        let mut name = [0; NAME];
        let said = line.get(open + 1..close)?;
        let len = said.len().min(NAME);
        name[..len].copy_from_slice(&said[..len]);
        let rest = std::str::from_utf8(&line[close + 1..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let user: u64 = fields.nth(10)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let started = fields.nth(6)?.parse().ok()?;
        let pages = fields.nth(1)?.parse().ok()?;
        Some(Stat { name, state, ticks: user.saturating_add(system), started, pages })
    }
}

/// Calls `found` with every process below `proc`. One that ends meanwhile is left out.
pub(super) fn each(proc: &Path, mut found: impl FnMut(u32, Stat)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(proc, flags, Mode::empty())?;
    let mut names = [MaybeUninit::uninit(); 16 * 1024];
    let mut entries = RawDir::new(&folder, &mut names);
    let (mut path, mut line) = (String::with_capacity(32), [0u8; 1024]);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()) else { continue };
        path.clear();
        // Writing to a string cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut path, format_args!("{pid}/stat"));
        let read = openat(&folder, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| rustix::io::read(&file, &mut line));
        match read {
            Ok(len) => {
                if let Some(stat) = Stat::parse(&line[..len]) {
                    found(pid, stat);
                }
            }
            Err(Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = b"4711 (a) S (b\n) R 1 1 1 0 -1 4194560 9 9 9 9 300 45 0 0 20 0 8 0 12345 999 678 1 1\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.name(), "a) S (b\u{fffd}");
        assert_eq!((stat.state, stat.ticks, stat.started, stat.pages), ('R', 345, 12_345, 678));
        assert!(Stat::parse(b"4711 (x) R 1 1").is_none());
        assert!(Stat::parse(b")(").is_none());
    }
}
