//! How many colours the terminfo database says that a terminal shows: one number of its compiled entry.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Bytes of an entry at most: `term(5)` knows 32 KiB as the most.
const MOST: u64 = 32 * 1024;
/// Where `max_colors` stands among an entry's numbers.
const MAX_COLORS: usize = 13;
/// What an entry begins with whose numbers have 16 bits, and what one with 32.
const SHORT: u16 = 0o432;
const LONG: u16 = 0o1036;
/// Where systems keep entries, besides where the environment says.
const USUAL: [&str; 5] =
    ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo", "/usr/local/share/terminfo"];

/// How many colours the first entry found for this terminal has: none for 0, nothing where there is no entry that can be
/// read.
pub(super) fn colours(term: &str, var: impl Fn(&str) -> Option<String>) -> Option<u32> {
    let first = term.chars().next().filter(char::is_ascii_alphanumeric)?;
    if term.contains('/') {
        return None;
    }
    // By letter, or by the letter's number where the filesystem takes `A` and `a` for one.
    let entries = |folder: PathBuf| [format!("{first}"), format!("{:x}", u32::from(first))].map(|sub| folder.join(sub));
    folders(var).into_iter().flat_map(entries).find_map(|folder| read(&folder.join(term)))
}

fn folders(var: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    let own = set("TERMINFO").map(PathBuf::from);
    let home = set("HOME").map(|home| Path::new(&home).join(".terminfo"));
    let listed = set("TERMINFO_DIRS").unwrap_or_default();
    let listed = listed.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
    own.into_iter().chain(home).chain(listed).chain(USUAL.map(PathBuf::from)).collect()
}

fn read(file: &Path) -> Option<u32> {
    let mut entry = Vec::new();
    File::open(file).ok()?.take(MOST).read_to_end(&mut entry).ok()?;
    parse(&entry)
}

/// The number of colours of a compiled entry; nothing where it is none.
fn parse(entry: &[u8]) -> Option<u32> {
    let short = |at: usize| Some(u16::from_le_bytes(*entry.get(at..)?.first_chunk()?));
    let size = |field: usize| short(2 * field).map(usize::from).filter(|size| *size <= MOST as usize);
    let bytes = match short(0)? {
        SHORT => 2,
        LONG => 4,
        _ => return None,
    };
    let (names, flags, numbers) = (size(1)?, size(2)?, size(3)?);
    if numbers <= MAX_COLORS {
        // What stands at the end and is absent is left out.
        return Some(0);
    }
    let start = (12 + names + flags).next_multiple_of(2) + MAX_COLORS * bytes;
    let number = match bytes {
        2 => i32::from(short(start)?.cast_signed()),
        _ => i32::from_le_bytes(*entry.get(start..)?.first_chunk()?),
    };
    // Absent and cancelled ones are negative.
    Some(u32::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An entry with so many numbers, the last of which is this one.
    fn entry(magic: u16, numbers: usize, last: i32) -> Vec<u8> {
        let names = b"odd|an odd terminal\0";
        let sizes = [magic, names.len() as u16, 1, numbers as u16, 0, 0];
        let mut bytes: Vec<u8> = sizes.into_iter().flat_map(u16::to_le_bytes).collect();
        bytes.extend(names);
        // One flag, and what makes it even.
        bytes.extend([1, 0]);
        for at in 1..=numbers {
            let number = if at == numbers { last } else { -1 };
            let wide = number.to_le_bytes();
            bytes.extend(if magic == LONG { &wide[..] } else { &wide[..2] });
        }
        bytes
    }

    #[test]
    fn colours_are_read_from_both_forms() {
        for (magic, numbers, last, expected) in [
            (SHORT, 14, 256, Some(256)),
            (LONG, 14, 0x0100_0000, Some(0x0100_0000)),
            (SHORT, 14, -1, Some(0)),
            (LONG, 14, -2, Some(0)),
            (SHORT, 3, 8, Some(0)),
            (0o433, 14, 8, None),
        ] {
            assert_eq!(parse(&entry(magic, numbers, last)), expected, "{magic:o} {numbers} {last}");
        }
    }

    #[test]
    fn what_is_cut_off_says_nothing() {
        for magic in [SHORT, LONG] {
            let whole = entry(magic, 14, 8);
            assert!((0..whole.len()).all(|end| parse(&whole[..end]).is_none()));
        }
        assert_eq!(read(Path::new("/")), None, "a folder is no entry");
    }

    #[test]
    fn entries_are_found_where_the_environment_says() {
        let folder = tempfile::tempdir().unwrap();
        let at = |sub: &str| {
            let sub = folder.path().join(sub);
            std::fs::create_dir_all(&sub).unwrap();
            sub
        };
        std::fs::write(at("own/o").join("odd-terminal"), entry(SHORT, 14, 16)).unwrap();
        std::fs::write(at("home/.terminfo/6f").join("odd-terminal"), entry(SHORT, 14, 88)).unwrap();
        std::fs::write(at("listed/o").join("odd-terminal"), entry(LONG, 14, 256)).unwrap();
        std::fs::write(at("broken/o").join("odd-terminal"), b"\x1a").unwrap();
        let check = |vars: &[(&str, &str)], expected| {
            let path = |text: &str| {
                let each = text.split(':').map(|it| folder.path().join(it).to_string_lossy().into_owned());
                each.collect::<Vec<_>>().join(":")
            };
            let var = |name: &str| vars.iter().find(|(it, _)| *it == name).map(|(_, value)| path(value));
            assert_eq!(colours("odd-terminal", var), expected, "{vars:?}");
        };
        check(&[], None);
        check(&[("TERMINFO", "own"), ("HOME", "home")], Some(16));
        check(&[("TERMINFO", "none"), ("HOME", "home")], Some(88));
        check(&[("TERMINFO_DIRS", "none:listed")], Some(256));
        check(&[("TERMINFO", "broken"), ("TERMINFO_DIRS", "listed")], Some(256));
        let own = |_: &str| Some(folder.path().join("own/o").to_string_lossy().into_owned());
        assert_eq!(colours("../o/odd-terminal", own), None);
        assert_eq!(colours("", own), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_none(mut bytes: Vec<u8>, is_long: bool) {
            let magic = if is_long { LONG } else { SHORT };
            parse(&bytes);
            bytes.splice(..0, magic.to_le_bytes());
            parse(&bytes);
        }
    }
}
