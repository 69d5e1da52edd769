//! Files of `/proc` and `/sys`, read again and again without opening them again.
//! What cannot be read says which file and why.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::model::Gap;

/// Why a file told nothing.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    /// The kernel refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The file holds something other than was expected.
    #[error("{}: not understood", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// sysinfo could not tell.
    #[error("{0}")]
    System(#[from] sysinfo::Error),
}

impl ReadError {
    /// The gap that it leaves: this machine has no such metric, or reading it failed.
    pub(super) fn gap(&self) -> Gap {
        match self {
            ReadError::Io { error, .. } if is_absence(error) => Gap::Unsupported,
            _ => Gap::Failed,
        }
    }
}

/// Whether the error means that there is no such thing here, rather than that reading it went wrong.
fn is_absence(error: &io::Error) -> bool {
    let absent =
        [libc::ENOENT, libc::ENOTDIR, libc::EOPNOTSUPP, libc::ENOSYS, libc::ENODEV, libc::ENXIO, libc::ENODATA];
    error.raw_os_error().is_some_and(|code| absent.contains(&code))
}

/// A file that is read every round. It stays open, and so does its buffer.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Source {
    pub(super) fn new(path: PathBuf) -> Source {
        Source { path, file: None, buffer: Vec::new() }
    }

    /// What the file holds now.
    pub(super) fn read(&mut self) -> Result<&str, ReadError> {
        let len = self.fill().map_err(|error| {
            self.file = None;
            ReadError::Io { path: self.path.clone(), error }
        })?;
        std::str::from_utf8(&self.buffer[..len]).map_err(|_| ReadError::Strange { path: self.path.clone() })
    }

    /// What `parse` makes of the file. Nothing is an error that says so.
    pub(super) fn parse<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ReadError> {
        let parsed = parse(self.read()?);
        parsed.ok_or_else(|| ReadError::Strange { path: self.path.clone() })
    }

    /// The number that is all that the file holds.
    pub(super) fn number(&mut self) -> Result<u64, ReadError> {
        self.parse(|text| text.trim().parse().ok())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        let mut len = 0;
        loop {
            if len == self.buffer.len() {
                self.buffer.resize((len * 2).max(128), 0);
            }
            match file.read_at(&mut self.buffer[len..], len as u64) {
                Ok(0) => return Ok(len),
                Ok(n) => len += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a small file holds, without the line's end.
pub(super) fn text(path: &Path) -> Result<String, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::Io { path: path.to_owned(), error })?;
    Ok(text.trim().to_owned())
}

/// What `parse` makes of a small file.
pub(super) fn parsed<T>(path: &Path, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ReadError> {
    parse(&text(path)?).ok_or_else(|| ReadError::Strange { path: path.to_owned() })
}

/// The number that is all that a small file holds.
pub(super) fn number(path: &Path) -> Result<u64, ReadError> {
    parsed(path, |text| text.parse().ok())
}

/// The names in a folder, numbers in them counted: `mlx5_2` comes before `mlx5_10`. Empty where there is no folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort_by_cached_key(|name| natural(name));
    names
}

/// A name as words and the numbers that follow them.
fn natural(name: &str) -> Vec<(String, u64)> {
    let parts = name.split_inclusive(|c: char| c.is_ascii_digit());
    let mut key = vec![(String::new(), 0u64)];
    for part in parts {
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &part[word.len()..];
        if !word.is_empty() {
            key.push((word.to_owned(), 0));
        }
        if let (Some((_, number)), Ok(digit)) = (key.last_mut(), digits.parse::<u64>()) {
            *number = number.saturating_mul(10).saturating_add(digit);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::host::tree::Tree;

    #[test]
    fn a_source_reads_what_the_file_holds_now() {
        let tree = Tree::new();
        tree.file("a", "5\n");
        let mut source = Source::new(tree.path().join("a"));
        assert_eq!(source.number().unwrap(), 5);
        tree.file("a", &format!("{}\n", "x".repeat(5000)));
        assert_eq!(source.read().unwrap().len(), 5001);
        assert!(matches!(source.number(), Err(ReadError::Strange { .. })));
        tree.file("a", "");
        assert_eq!(source.read().unwrap(), "");
    }

    #[test]
    fn what_is_not_there_is_unsupported_and_what_errs_is_failed() {
        let tree = Tree::new();
        tree.file("folder/file", "?");
        assert_eq!(Source::new(tree.path().join("none")).number().unwrap_err().gap(), Gap::Unsupported);
        let failed = Source::new(tree.path().join("folder")).number().unwrap_err();
        assert_eq!(failed.gap(), Gap::Failed);
        assert!(failed.to_string().contains("/folder: Is a directory"), "{failed}");
        assert_eq!(number(&tree.path().join("folder/file")).unwrap_err().gap(), Gap::Failed);
    }

    #[test]
    fn names_count_their_numbers() {
        let tree = Tree::new();
        for name in ["mlx5_10", "mlx5_2", "mlx5_bond_0", "eth0", "mlx4_0", "ens1f0np0"] {
            tree.file(name, "");
        }
        assert_eq!(names(tree.path()), ["ens1f0np0", "eth0", "mlx4_0", "mlx5_2", "mlx5_10", "mlx5_bond_0"]);
        assert!(names(&tree.path().join("none")).is_empty());
    }
}
