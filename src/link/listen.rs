//! Listens for agents and viewers, on TCP and on Unix sockets.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, UnixListener, lookup_host};

use super::{Address, Credentials, Peer, Stream, UNREAD, tune};

/// Connections that may wait to be accepted: with the usual 128, five thousand agents that come back at once take
/// ten seconds instead of a third of one.
const BACKLOG: u32 = 4096;

/// Takes connections. A Unix socket's file goes with it.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Tcp { listener: TcpListener, address: SocketAddr },
    Unix { listener: UnixListener, path: PathBuf, inode: u64 },
}

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another hub has the socket.
    #[error("{}: already served by another hub", .0.display())]
    Served(PathBuf),
    /// Something else than a socket is there, and it is left alone.
    #[error("{}: exists and is not a socket", .0.display())]
    NoSocket(PathBuf),
    /// A group that this machine does not know.
    #[error("group `{0}` is not known here; its number would do too")]
    Group(String),
    /// Another program has the port.
    #[error("{0}: port in use; another hub may be running")]
    InUse(Address),
    /// Anything else.
    #[error("cannot listen on {address}: {what}: {source}")]
    Other {
        /// Where.
        address: Address,
        /// What was being done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on a host's address and port. Port 0 lets the system choose; [`Listener::address`] then tells.
pub async fn listen_tcp(address: &Address) -> Result<Listener, ListenError> {
    let failed = |what| move |source| ListenError::Other { address: address.clone(), what, source };
    let Address::Host { host, port } = address else {
        return Err(failed("listening")(io::Error::new(io::ErrorKind::InvalidInput, "a path is no TCP address")));
    };
    let none = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut found = lookup_host((host.as_str(), *port)).await.map_err(failed("looking up the host"))?;
    let target = found.next().ok_or_else(none).map_err(failed("looking up the host"))?;
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(failed("making a socket"))?;
    // A hub that starts again must not wait for its old connections to fade.
    socket.set_reuseaddr(true).map_err(failed("setting up the socket"))?;
    // Connections inherit it, and only what they receive is held short.
    socket.set_recv_buffer_size(UNREAD).map_err(failed("setting up the socket"))?;
    let listener = socket.bind(target).and_then(|()| socket.listen(BACKLOG)).map_err(|e| match e.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse(address.clone()),
        _ => failed("binding")(e),
    })?;
    let address = listener.local_addr().map_err(failed("binding"))?;
    Ok(Listener { inner: Inner::Tcp { listener, address } })
}

/// Listens on a Unix socket with these permission bits (0o660 as a rule), for the members of `group` where one is
/// named or numbered. The file of a hub that died is replaced; a hub that lives keeps its socket.
pub async fn listen_unix(path: &Path, mode: u32, group: Option<&str>) -> Result<Listener, ListenError> {
    let failed = |what| move |source| ListenError::Other { address: Address::Path(path.into()), what, source };
    let gid = group.map(|name| group_id(name).ok_or_else(|| ListenError::Group(name.into()))).transpose()?;
    // The socket is made ready under another name, so that nobody ever meets it half made: with the wrong
    // permissions, or bound and not yet listening, which looks like one that was left over.
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = Draft(PathBuf::from(draft));
    let _ = fs::remove_file(&draft.0);
    let listener = UnixListener::bind(&draft.0).map_err(failed("binding"))?;
    std::os::unix::fs::chown(&draft.0, None, gid).map_err(failed("giving the socket to its group"))?;
    fs::set_permissions(&draft.0, fs::Permissions::from_mode(mode)).map_err(failed("setting permissions"))?;
    let inode = inode(&draft.0).map_err(failed("binding"))?;
    for _ in 0..3 {
        match fs::hard_link(&draft.0, path) {
            Ok(()) => return Ok(Listener { inner: Inner::Unix { listener, path: path.into(), inode } }),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => clear(path).await?,
            Err(e) => return Err(failed("naming the socket")(e)),
        }
    }
    Err(ListenError::Served(path.into()))
}

/// Removes a socket that nobody serves any more.
async fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |what| move |source| ListenError::Other { address: Address::Path(path.into()), what, source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NoSocket(path.into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(_) => {}
        Err(e) => return Err(failed("looking at what is there")(e)),
    }
    match tokio::net::UnixStream::connect(path).await {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("removing a left-over socket")(e)),
            _ => Ok(()),
        },
        // An answer, a full backlog, permission denied: somebody lives there.
        _ => Err(ListenError::Served(path.into())),
    }
}

/// A socket's file under its first name, which goes when the second is given or nothing comes of it.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> Address {
        match &self.inner {
            Inner::Tcp { address, .. } => Address::Host { host: address.ip().to_string(), port: address.port() },
            Inner::Unix { path, .. } => Address::Path(path.clone()),
        }
    }

    /// The next connection. An error means that this one could not be taken, as when the process may open no more
    /// files; it comes after a short pause, and the caller counts it and goes on.
    pub async fn accept(&self) -> io::Result<Stream> {
        let accepted = match &self.inner {
            Inner::Tcp { listener, .. } => listener.accept().await.and_then(|(stream, from)| {
                tune(&stream)?;
                Ok(Stream::new(stream, Peer::named(from.to_string())))
            }),
            Inner::Unix { listener, .. } => listener.accept().await.and_then(|(stream, _)| {
                let found = stream.peer_cred()?;
                let credentials = Credentials { uid: found.uid(), gid: found.gid(), pid: found.pid() };
                let name = format!("user {}", credentials.uid);
                Ok(Stream::new(stream, Peer { name, credentials: Some(credentials) }))
            }),
        };
        if accepted.is_err() {
            // Without files to spare, accept fails at once and for as long as somebody waits.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        accepted
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Inner::Unix { path, inode: ours, .. } = &self.inner {
            // Another hub may have put its own socket there since.
            if inode(path).is_ok_and(|found| found == *ours) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn inode(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;

    fs::symlink_metadata(path).map(|found| found.ino())
}

/// Lines of the group file as name and number. Groups that only a directory service knows are not among them.
fn groups(file: &str) -> impl Iterator<Item = (&str, u32)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((name, number.parse().ok()?))
    })
}

fn group_id(name: &str) -> Option<u32> {
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    name.parse().ok().or_else(|| groups(&file).find(|(found, _)| *found == name).map(|(_, gid)| gid))
}

/// The group's name, or its number where it has none here.
pub(super) fn group_name(gid: u32) -> String {
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    groups(&file).find(|(_, found)| *found == gid).map_or_else(|| gid.to_string(), |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::dial;

    #[tokio::test]
    async fn a_port_in_use_and_the_port_that_was_chosen_are_told() {
        let any = Address::parse("127.0.0.1:0").unwrap();
        let listener = listen_tcp(&any).await.unwrap();
        let taken = listener.address();
        assert!(matches!(&taken, Address::Host { port, .. } if *port != 0));
        assert!(matches!(listen_tcp(&taken).await, Err(ListenError::InUse(address)) if address == taken));
    }

    #[tokio::test]
    async fn a_socket_has_its_permissions_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let gid = rustix::process::getegid().as_raw().to_string();
        let listener = listen_unix(&path, 0o660, Some(&gid)).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left there");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_living_hub_keeps_its_socket_and_a_dead_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = listen_unix(&path, 0o600, None).await.expect("what is left over is replaced");
        let second = listen_unix(&path, 0o600, None).await;
        assert!(matches!(second, Err(ListenError::Served(_))), "{second:?}");
        let address = first.address();
        let (dialled, _accepted) = tokio::join!(dial(&address), first.accept());
        dialled.expect("the first hub still answers");
    }

    #[tokio::test]
    async fn a_listener_leaves_a_successors_socket_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.sock");
        let first = listen_unix(&path, 0o600, None).await.unwrap();
        fs::remove_file(&path).unwrap();
        let _second = listen_unix(&path, 0o600, None).await.unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_is_no_socket_and_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(listen_unix(&path, 0o600, None).await, Err(ListenError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn an_unknown_group_is_named() {
        let group = listen_unix(Path::new("/nowhere/hub.sock"), 0o660, Some("no such group")).await;
        assert!(matches!(group, Err(ListenError::Group(name)) if name == "no such group"));
    }

    #[test]
    fn groups_are_found_by_name_and_number() {
        let file = "root:x:0:\nvideo:x:44:ann,bob\nbroken\n";
        assert_eq!(groups(file).collect::<Vec<_>>(), [("root", 0), ("video", 44)]);
    }
}
