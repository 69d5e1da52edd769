//! Byte streams between machines and processes: where to dial, how to listen, and how to send without queueing.
//! A stream is a stream: TCP, a Unix socket, the stdio of `ssh` and memory all become a [`Stream`].

mod address;
mod backoff;
mod dial;
mod listen;
mod outgoing;

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf};
use tokio_util::codec::FramedRead;

pub use address::{Address, PORT, default_socket, local_sockets};
pub use backoff::Backoff;
pub use dial::{DialError, dial, dial_from};
pub use listen::{ListenError, Listener, listen_tcp, listen_unix};
pub use outgoing::{Full, Outgoing};

use crate::wire::{Codec, INITIAL_BUFFER};

/// A connection, whatever it runs over.
pub struct Stream {
    io: Pin<Box<dyn Io>>,
    peer: Peer,
}

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// For people: `10.0.0.4:51234`, `user 1000`, `ssh gpu017`.
    pub name: String,
    /// What the kernel says of a process on this machine.
    pub credentials: Option<Credentials>,
}

/// Who runs the process at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Process id, where the kernel says.
    pub pid: Option<i32>,
}

/// The frames that a peer sends.
pub type Incoming = FramedRead<ReadHalf<Stream>, Codec>;

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

impl Stream {
    /// `io` with a name for whoever is behind it.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + 'static, peer: Peer) -> Stream {
        Stream { io: Box::pin(io), peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Frames in and frames out. `codec` says how much the peer may send; reading starts with a small buffer.
    pub fn split(self, codec: Codec) -> (Incoming, Outgoing) {
        let (read, write) = tokio::io::split(self);
        (FramedRead::with_capacity(read, codec, INITIAL_BUFFER), Outgoing::new(write))
    }
}

impl Peer {
    /// A peer of which nothing but a name is known.
    pub fn named(name: impl Into<String>) -> Peer {
        Peer { name: name.into(), credentials: None }
    }

    /// Whether it is on this machine, as far as the kernel or this process itself vouches for it.
    pub fn is_local(&self) -> bool {
        self.credentials.is_some() || self.name == THIS_PROCESS
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }
}

/// The name of a peer within this process. Those that come through networks are called by their addresses.
const THIS_PROCESS: &str = "this process";

/// Both ends of a connection within this process.
pub fn memory() -> (Stream, Stream) {
    memory_of(64 * 1024)
}

/// As [`memory`], holding at most `bytes` that were written and not yet read.
pub fn memory_of(bytes: usize) -> (Stream, Stream) {
    let (a, b): (DuplexStream, DuplexStream) = tokio::io::duplex(bytes);
    (Stream::new(a, Peer::named(THIS_PROCESS)), Stream::new(b, Peer::named(THIS_PROCESS)))
}

/// Bytes that the kernel may hold for a hub that does not read, on the agent's side of a connection: what it holds grows
/// old there, and nobody is told. Answers flow the other way and are not held short.
const HELD: u32 = 8 * 1024;
/// The same on the hub's side. A window that closes opens again only after some 200 ms, so that what an agent says at
/// first should fit: with 8 KiB 62,500 nodes took 26 s to come up, with 4 KiB more than a minute.
const UNREAD: u32 = 16 * 1024;

/// Makes a TCP connection notice a peer that is gone, after half a minute of silence, and send small frames at once.
/// `TCP_USER_TIMEOUT` is left alone: with it, kernels take a link for dead whose window was closed now and then, as a
/// busy hub's is (30 of 15,000 links a second). What is sent and not taken is for [`Outgoing::flush_within`] to notice.
fn tune(stream: &tokio::net::TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;

    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}
