//! The agent's local socket: `supertop agent release` and `resume` let go of the NVIDIA driver and take it again,
//! because an open handle blocks a GPU reset and the unloading of the driver.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

use crate::{
    collect::nvml::Gate,
    link::{self, ListenError, Listener, Stream},
};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// No order is longer; whoever sends more is not heard.
const LONGEST_ORDER: u64 = 128;

/// What an agent can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Close the driver.
    Release,
    /// Open it again.
    Resume,
}

impl Order {
    const fn word(self) -> &'static str {
        match self {
            Order::Release => "release",
            Order::Resume => "resume",
        }
    }
}

/// Why an order did not reach an agent, or a socket could not be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No agent listens.
    #[error("no agent answers at {path}: is one running on this machine, under this user? ({source})")]
    Absent {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent has the socket.
    #[error("another agent serves {path} already; `supertop agent release` will reach that one")]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error("release and resume will not work: {0}")]
    Serve(ListenError),
    /// The agent answered, but not with a yes.
    #[error("the agent at {path} did not do it: {answer}")]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What it said.
        answer: String,
    },
}

/// The socket of this user's agent: beside the hub's, `supertop-agent.sock`.
pub fn default_path() -> PathBuf {
    let dir = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() && !rustix::process::geteuid().is_root() => PathBuf::from(dir),
        _ => PathBuf::from("/run"),
    };
    dir.join("supertop-agent.sock")
}

/// The agent's end of the socket; the file goes away with it.
#[derive(Debug)]
pub struct Socket {
    listener: Listener,
}

impl Socket {
    /// Listens at `path`, for this user alone. A socket that nobody serves any more is replaced.
    pub async fn bind(path: &Path) -> Result<Socket, Error> {
        match link::listen_unix(path, 0o600, None).await {
            Ok(listener) => Ok(Socket { listener }),
            Err(ListenError::Served(path)) => Err(Error::Taken { path }),
            Err(error) => Err(Error::Serve(error)),
        }
    }

    /// Takes orders for ever, one caller after the other.
    pub async fn serve(self, gate: Gate) {
        loop {
            // The listener rests a little when nobody can be let in.
            if let Ok(stream) = self.listener.accept().await {
                // A caller that says nothing or hangs up has done no harm.
                let _ = timeout(PATIENCE, obey(stream, &gate)).await;
            }
        }
    }
}

async fn obey(stream: Stream, gate: &Gate) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let mut line = String::new();
    BufReader::new(read.take(LONGEST_ORDER)).read_line(&mut line).await?;
    let answer = match line.trim() {
        "release" => {
            gate.release();
            let gate = gate.clone();
            match tokio::task::spawn_blocking(move || gate.wait_closed(PATIENCE / 2)).await {
                Ok(true) => "ok\n",
                _ => "the driver is still open: a call of its hangs, or the next sample is not due yet\n",
            }
        }
        "resume" => {
            gate.resume();
            "ok\n"
        }
        _ => "unknown order: release and resume are understood\n",
    };
    write.write_all(answer.as_bytes()).await
}

/// Gives an order to the agent at `path`.
pub async fn order(path: &Path, order: Order) -> Result<(), Error> {
    let absent = |source| Error::Absent { path: path.to_owned(), source };
    let exchange = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(format!("{}\n", order.word()).as_bytes()).await?;
        let mut answer = String::new();
        stream.take(LONGEST_ORDER).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer.map_err(absent)?.trim() {
        "ok" => Ok(()),
        answer => Err(Error::Refused {
            path: path.to_owned(),
            answer: crate::model::text::clean(answer, LONGEST_ORDER as usize).into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn orders_reach_the_agent_that_has_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        assert!(matches!(order(&path, Order::Resume).await, Err(Error::Absent { .. })));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = Socket::bind(&path).await.expect("what is left over is replaced");
        assert!(matches!(Socket::bind(&path).await, Err(Error::Taken { .. })));
        let gate = Gate::default();
        gate.release();
        let serving = tokio::spawn(socket.serve(gate.clone()));
        order(&path, Order::Resume).await.unwrap();
        assert!(!gate.is_released());
        serving.abort();
        let _ = serving.await;
        assert!(!path.exists(), "the file goes with its agent");
    }

    #[tokio::test]
    async fn what_is_no_order_is_answered_and_does_nothing() {
        let (near, far) = link::memory();
        let gate = Gate::default();
        let (mut read, mut write) = tokio::io::split(near);
        write.write_all(b"reset\n").await.unwrap();
        obey(far, &gate).await.unwrap();
        let mut answer = String::new();
        read.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("unknown order"), "{answer}");
        assert!(!gate.is_released());
    }
}
