//! Dials a hub, and says in one line what is wrong when nobody answers there.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream, UnixStream, lookup_host},
    time::timeout,
};

use super::{Address, HELD, Peer, Stream, tune};

/// Time for a connection to come about, names looked up included.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No socket at the path.
    #[error("no hub at {}: nothing there; start one with `supertop hub --socket {}`, or name another with --hub", .0.display(), .0.display())]
    NotThere(PathBuf),
    /// A socket, and nobody behind it.
    #[error("no hub at {}: its socket is left over; start one with `supertop hub --socket {}`", .0.display(), .0.display())]
    LeftOver(PathBuf),
    /// Something else than a socket at the path.
    #[error("no hub at {}: that is not a socket", .0.display())]
    NoSocket(PathBuf),
    /// A hub that this user may not ask.
    #[error("hub at {}: permission denied; ask its owner to let you into {group}, or use `supertop hub --group`", .path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// The group whose members may.
        group: String,
    },
    /// A machine without a hub.
    #[error("no hub at {0}: connection refused; is `supertop hub --listen` running there?")]
    Refused(Address),
    /// A name that nobody knows.
    #[error("no hub at {address}: cannot find the host: {source}")]
    Lookup {
        /// What was dialled.
        address: Address,
        /// What the resolver says.
        source: io::Error,
    },
    /// A machine that does not answer.
    #[error("no hub at {0}: no answer within {within} s", within = PATIENCE.as_secs())]
    TimedOut(Address),
    /// Anything else.
    #[error("hub at {address}: {source}")]
    Other {
        /// What was dialled.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
}

/// Dials `address`, trying every IP address that its host has, for a few seconds in all.
pub async fn dial(address: &Address) -> Result<Stream, DialError> {
    dial_from(address, None).await
}

/// As [`dial`], from this address of the machine: more connections can be had from several than from one.
pub async fn dial_from(address: &Address, source: Option<IpAddr>) -> Result<Stream, DialError> {
    let attempt = async {
        match address {
            Address::Path(path) => dial_path(path).await,
            Address::Host { host, port } => dial_host(address, host, *port, source).await,
        }
    };
    timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(DialError::TimedOut(address.clone())))
}

async fn dial_path(path: &Path) -> Result<Stream, DialError> {
    let wrong = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => DialError::NotThere(path.into()),
        io::ErrorKind::PermissionDenied => DialError::Denied { path: path.into(), group: group_of(path) },
        io::ErrorKind::ConnectionRefused if is_socket(path) => DialError::LeftOver(path.into()),
        io::ErrorKind::ConnectionRefused => DialError::NoSocket(path.into()),
        _ => DialError::Other { address: Address::Path(path.into()), source: error },
    };
    let stream = UnixStream::connect(path).await.map_err(wrong)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&stream, HELD as usize).map_err(|e| wrong(e.into()))?;
    Ok(Stream::new(stream, Peer::named(path.display().to_string())))
}

async fn dial_host(address: &Address, host: &str, port: u16, from: Option<IpAddr>) -> Result<Stream, DialError> {
    let unknown = |source| DialError::Lookup { address: address.clone(), source };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for target in lookup_host((host, port)).await.map_err(unknown)? {
        match connect(target, from).await {
            Ok(stream) => return Ok(Stream::new(stream, Peer::named(address.to_string()))),
            Err(error) => last = error,
        }
    }
    Err(match last.kind() {
        io::ErrorKind::ConnectionRefused => DialError::Refused(address.clone()),
        _ => DialError::Other { address: address.clone(), source: last },
    })
}

async fn connect(target: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.set_send_buffer_size(HELD)?;
    let stream = socket.connect(target).await?;
    tune(&stream)?;
    Ok(stream)
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// The socket's group, by name where the group file has one. A folder may be what denies; then it is not known.
fn group_of(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;

    match std::fs::metadata(path) {
        Ok(found) => format!("group {}", super::listen::group_name(found.gid())),
        Err(_) => "its folder's group".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{listen_tcp, listen_unix};

    async fn failure(text: &str) -> DialError {
        dial(&Address::parse(text).unwrap()).await.expect_err("nobody is there")
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        drop(std::os::unix::net::UnixListener::bind(path("old")).unwrap());
        let at = |name: &str| path(name).display().to_string();
        assert!(matches!(failure(&at("none")).await, DialError::NotThere(_)));
        assert!(matches!(failure(&at("old")).await, DialError::LeftOver(_)));
        assert!(matches!(failure(&at("file")).await, DialError::NoSocket(_)));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(failure(&format!("127.0.0.1:{port}")).await, DialError::Refused(_)));
        for error in [failure(&at("none")).await, failure(&at("old")).await] {
            assert!(!error.to_string().contains('\n') && error.to_string().contains("supertop hub"), "{error}");
        }
    }

    #[test]
    fn a_denied_socket_says_who_may() {
        let path = PathBuf::from("/run/supertop.sock");
        let text = DialError::Denied { path, group: "group gpu".into() }.to_string();
        assert!(text.contains("permission denied") && text.contains("group gpu"), "{text}");
    }

    #[tokio::test]
    async fn a_hub_is_reached_by_tcp_from_a_chosen_address_and_by_socket() {
        let listener = listen_tcp(&Address::parse("127.0.0.1:0").unwrap()).await.unwrap();
        let address = listener.address();
        let (dialled, taken) = tokio::join!(dial_from(&address, Some(IpAddr::from([127, 0, 0, 9]))), listener.accept());
        assert_eq!(dialled.unwrap().peer().name, address.to_string());
        assert!(taken.unwrap().peer().name.starts_with("127.0.0.9:"));

        let dir = tempfile::tempdir().unwrap();
        let listener = listen_unix(&dir.path().join("hub.sock"), 0o660, None).await.unwrap();
        let address = listener.address();
        let (dialled, taken) = tokio::join!(dial(&address), listener.accept());
        dialled.unwrap();
        let credentials = taken.unwrap().peer().credentials.expect("the kernel says who dials");
        assert_eq!(credentials.uid, rustix::process::geteuid().as_raw());
        assert_eq!(credentials.pid, Some(std::process::id() as i32));
    }
}
