//! The file of meters and accounts: written whole, beside the old one, and then put in its place.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::fleet::{Book, Fleet, Metered};

/// All that is kept of energy.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::hub) struct Saved {
    pub(in crate::hub) book: Book,
    pub(in crate::hub) nodes: Vec<Metered>,
}

impl Saved {
    pub(super) const NAME: &str = "energy.json";

    /// Restores what the folder has into `fleet`. A file that is no good is laid aside: what was wrong with it.
    ///
    /// # Errors
    /// What the system said, where the file can be neither read nor moved: it would be written over.
    pub(super) fn restore(dir: &Path, fleet: &mut Fleet) -> io::Result<Option<String>> {
        let path = dir.join(Self::NAME);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match serde_json::from_reader::<_, Saved>(BufReader::new(file)) {
            Ok(saved) => {
                fleet.restore_energy(&saved.book, &saved.nodes);
                Ok(None)
            }
            Err(error) => {
                let aside = path.with_extension("json.unreadable");
                fs::rename(&path, &aside)?;
                let (path, aside) = (path.display(), aside.display());
                Ok(Some(format!("{path} is unreadable ({error}); energy is counted anew, and the file is now {aside}")))
            }
        }
    }

    /// Writes it. A crash leaves the old file or the new one, never half of one.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let (path, draft): (PathBuf, PathBuf) = (dir.join(Self::NAME), dir.join("energy.json.new"));
        let mut file = BufWriter::new(File::create(&draft)?);
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(dir)?.sync_all()
    }
}
