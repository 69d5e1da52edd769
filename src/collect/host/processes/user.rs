//! Names of users: from `/etc/passwd`, and from the system's directory service (LDAP, SSSD) where that has none.
//! A directory may be slow or dead, so it is asked on threads that can be left behind; until then a user is a number.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    collect::{
        apart::Apart,
        host::{Due, source},
    },
    model::text::clean,
};

/// How long what was heard is believed.
const KEPT: Duration = Duration::from_mins(10);
/// How many questions the directory may be busy with.
const THREADS: usize = 4;

#[derive(Debug)]
pub(super) struct Users {
    passwd: PathBuf,
    names: HashMap<u32, Option<String>>,
    directory: Apart<u32, Option<String>>,
    stale: Due,
}

impl Users {
    /// The users of the machine whose filesystem is at `root`. Only this machine's own has a directory service.
    pub(super) fn new(root: &Path) -> Users {
        let live = root == Path::new("/");
        Users::with(
            root,
            move |uid| if live { uzers::get_user_by_uid(uid).map(|user| text(user.name())) } else { None },
        )
    }

    fn with(root: &Path, directory: impl Fn(u32) -> Option<String> + Send + Sync + 'static) -> Users {
        Users {
            passwd: root.join("etc/passwd"),
            names: HashMap::new(),
            directory: Apart::new(THREADS, move |uid: &u32| directory(*uid)),
            stale: Due::every(KEPT),
        }
    }

    /// The name of a user, or the number while there is none.
    pub(super) fn name(&mut self, uid: u32, at: Duration) -> String {
        if self.stale.is_due(at) {
            let passwd = source::text(&self.passwd).unwrap_or_default();
            self.names = passwd.lines().filter_map(line).map(|(uid, name)| (uid, Some(name))).collect();
        }
        self.names.extend(self.directory.answers(Duration::ZERO));
        match self.names.get(&uid) {
            Some(Some(name)) => return clean(name, 32).into_owned(),
            Some(None) => {}
            // When no thread is free, the next look asks.
            None => drop(self.directory.ask(&uid, at)),
        }
        uid.to_string()
    }
}

fn text(name: &std::ffi::OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// `alice:x:1000:1000:…`
fn line(line: &str) -> Option<(u32, String)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc::channel};

    use super::*;
    use crate::collect::host::tree::Tree;

    #[test]
    fn a_user_is_a_number_until_the_directory_answers() {
        let tree = Tree::new();
        tree.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nodd line\nalice:x:1000:1000::/:\n");
        let (release, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let mut users = Users::with(tree.path(), move |uid| {
            let _ = gate.lock().unwrap().recv();
            (uid == 70_001).then(|| "bob\u{1b}[0m".to_owned())
        });
        let zero = Duration::ZERO;
        assert_eq!(users.name(0, zero), "root");
        assert_eq!(users.name(1000, zero), "alice");
        assert_eq!((users.name(70_001, zero), users.name(70_002, zero)), ("70001".into(), "70002".into()));
        drop(release);
        while users.name(70_001, zero) == "70001" {
            std::thread::yield_now();
        }
        assert_eq!(users.name(70_001, zero), "bob\u{fffd}[0m");
        while !users.names.contains_key(&70_002) {
            users.name(0, zero);
        }
        assert_eq!(users.name(70_002, zero), "70002", "nobody has that number");
    }
}
