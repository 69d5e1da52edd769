//! Slurm through slurmrestd: one HTTP request for all jobs and one for all nodes, over a Unix socket or TCP. Their answers
//! are those of Slurm's commands. Asked in HTTP/1.0, it sends an answer in one piece, which is read as it comes.

use std::{
    fs,
    io::{self, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::{DEADLINE, job, node, reply};
use crate::model::{
    job::{Job, Location, Scheduler, Standing},
    text::clean,
};

/// Versions of its interface that are known, newest first: 25.11 has the first, and 22.05 the last ones.
const VERSIONS: [&str; 9] =
    ["v0.0.44", "v0.0.43", "v0.0.42", "v0.0.41", "v0.0.40", "v0.0.39", "v0.0.38", "v0.0.37", "v0.0.36"];
/// Bytes of an answer's head, and of what is read of a refusal.
const HEAD: usize = 16 << 10;
const REFUSAL: u64 = 64 << 10;
/// Lines of a head.
const HEADERS: usize = 64;

/// How to ask slurmrestd.
#[derive(Debug)]
pub struct Rest {
    /// `host:port`, or a socket's path.
    address: String,
    token: Option<PathBuf>,
    user: Option<String>,
    /// Which version answered last.
    version: AtomicUsize,
    deadline: Duration,
}

impl Rest {
    /// At `host:port`, or at the socket whose path it is, which has a `/`.
    pub fn new(address: impl Into<String>) -> Rest {
        let (token, user) = (None, None);
        Rest { address: address.into(), token, user, version: AtomicUsize::new(0), deadline: DEADLINE }
    }

    /// With the token in this file, which is read each time. Over a Unix socket, slurmrestd may know its caller without.
    pub fn with_token(self, file: Option<PathBuf>) -> Rest {
        Rest { token: file, ..self }
    }

    /// As this user of Slurm's, where the token is another's.
    pub fn with_user(self, user: Option<String>) -> Rest {
        Rest { user, ..self }
    }

    /// Has the list of what `path` names read, in the newest version that it knows.
    fn ask<T>(&self, path: &str, list: &'static str, each: &mut dyn FnMut(T)) -> Result<(), String>
    where
        T: for<'de> Deserialize<'de>,
    {
        // It tells all of its versions apart by the path alone.
        let first = self.version.load(Ordering::Relaxed);
        let order = (first..VERSIONS.len()).chain(0..first);
        for at in order {
            let text = format!("/slurm/{}/{path}", VERSIONS[at]);
            let (status, body) =
                self.request(&text).map_err(|error| format!("slurmrestd at {}: {error}", self.address))?;
            match status {
                404 => {}
                200 => {
                    self.version.store(at, Ordering::Relaxed);
                    return reply::read(body, list, each).map_err(|problem| format!("slurmrestd: {problem}"));
                }
                401 | 403 if self.token.is_none() => {
                    return Err(format!("slurmrestd refuses ({status}); name a token's file: server.slurm_token"));
                }
                _ => return Err(format!("slurmrestd answers {status}{}", words(body))),
            }
        }
        Err(format!("slurmrestd knows none of {} to {}", VERSIONS[VERSIONS.len() - 1], VERSIONS[0]))
    }

    /// The status of the answer, and its body.
    fn request(&self, path: &str) -> io::Result<(u16, impl Read + use<>)> {
        let mut head = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n");
        if let Some(file) = &self.token {
            let token = fs::read_to_string(file)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
            head += &header("X-SLURM-USER-TOKEN", &token)?;
        }
        if let Some(user) = &self.user {
            head += &header("X-SLURM-USER-NAME", user)?;
        }
        head += "\r\n";
        let mut stream = Stream::open(&self.address, self.deadline)?;
        stream.write_all(head.as_bytes())?;
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        let (status, length) = read_head(&mut reader)?;
        Ok((status, reader.take(length)))
    }
}

impl Scheduler for Rest {
    fn name(&self) -> &'static str {
        "slurm"
    }

    fn jobs(&self, each: &mut dyn FnMut(Job)) -> Result<(), String> {
        self.ask("jobs/", "jobs", &mut |entry: job::Entry| entry.job().into_iter().for_each(&mut *each))
    }

    fn nodes(&self, each: &mut dyn FnMut(Standing)) -> Result<(), String> {
        self.ask("nodes/", "nodes", &mut |entry: node::Entry| entry.standing().into_iter().for_each(&mut *each))
    }

    /// It does not tell.
    fn topology(&self, _each: &mut dyn FnMut(Location)) -> Result<(), String> {
        Ok(())
    }
}

/// A line of a request's head. What would end it early is refused.
fn header(name: &str, value: &str) -> io::Result<String> {
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("what is to be sent as {name} is no single word"),
        ));
    }
    Ok(format!("{name}: {value}\r\n"))
}

/// Reads an answer's head: its status, and how many bytes follow, as far as it says.
fn read_head(reader: &mut impl Read) -> io::Result<(u16, u64)> {
    let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP answer: {what}"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == HEAD || reader.read(&mut byte)? == 0 {
            return Err(strange("it has no end"));
        }
        head.push(byte[0]);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head).map_err(|error| strange(&error.to_string()))?;
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    if value("transfer-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(strange("it comes in pieces, though HTTP/1.0 was asked for"));
    }
    let length =
        value("content-length").map_or(Ok(u64::MAX), str::parse).map_err(|_| strange("its length is no number"));
    Ok((response.code.unwrap_or_default(), length?))
}

/// What a refusal says of itself, after a colon; nothing where that is not understood.
fn words(body: impl Read) -> String {
    let Ok(Value::Object(body)) = serde_json::from_reader(body.take(REFUSAL)) else { return String::new() };
    let errors = body.get("errors").and_then(Value::as_array);
    let text = |error: &Value| {
        let keys = ["description", "error"].into_iter();
        keys.filter_map(|key| error.get(key)?.as_str()).find(|text| !text.is_empty()).map(str::to_owned)
    };
    let first = errors.into_iter().flatten().find_map(text);
    first.map_or_else(String::new, |text| format!(": {}", clean(&text, 200)))
}

/// A connection that is given up when it takes too long.
struct Stream {
    socket: Socket,
    until: Instant,
    deadline: Duration,
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn open(address: &str, deadline: Duration) -> io::Result<Stream> {
        let until = Instant::now() + deadline;
        let socket = if address.contains('/') {
            Socket::Unix(UnixStream::connect(address)?)
        } else {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "no such host");
            let mut addresses = address.to_socket_addrs()?;
            let open = addresses
                .find_map(|address| TcpStream::connect_timeout(&address, deadline).map_err(|error| last = error).ok());
            Socket::Tcp(open.ok_or(last)?)
        };
        Ok(Stream { socket, until, deadline })
    }

    /// Lets the next call take no longer than is left.
    fn hurry(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.is_late());
        }
        match &self.socket {
            Socket::Unix(socket) => socket.set_read_timeout(Some(left)).and(socket.set_write_timeout(Some(left))),
            Socket::Tcp(socket) => socket.set_read_timeout(Some(left)).and(socket.set_write_timeout(Some(left))),
        }
    }

    fn is_late(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, format!("it took longer than {} s", self.deadline.as_secs()))
    }

    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        let is_late = |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        result.map_err(|error| if is_late(&error) { self.is_late() } else { error })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.hurry()?;
        let result = match &mut self.socket {
            Socket::Unix(socket) => socket.read(buffer),
            Socket::Tcp(socket) => socket.read(buffer),
        };
        self.told(result)
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.hurry()?;
        let result = match &mut self.socket {
            Socket::Unix(socket) => socket.write(buffer),
            Socket::Tcp(socket) => socket.write(buffer),
        };
        self.told(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers requests one after another; gives the heads of those that came.
    fn serve(answers: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = thread::spawn(move || {
            let heads = answers.into_iter().map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                stream.write_all(answer.as_bytes()).unwrap();
                head.join("\n")
            });
            heads.collect()
        });
        (address, serving)
    }

    fn with_length(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    const NODES: &str = r#"{ "nodes": [ { "name": "gpu001", "state": [ "IDLE", "DRAIN" ], "reason": "XID 79" } ] }"#;

    fn nodes(rest: &Rest) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        rest.nodes(&mut |node| names.push(format!("{} {}", node.node, node.reason))).map(|()| names)
    }

    #[test]
    fn the_newest_version_that_it_knows_is_asked_and_remembered() {
        let no = || with_length("404 NOT FOUND", "{}");
        let yes = || with_length("200 OK", NODES);
        let (address, serving) = serve(vec![no(), no(), yes(), yes()]);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc.def\n").unwrap();
        let rest = Rest::new(address).with_token(Some(file.path().into())).with_user(Some("ops".into()));
        assert_eq!(nodes(&rest), Ok(vec!["gpu001 XID 79".to_owned()]));
        assert_eq!(nodes(&rest), Ok(vec!["gpu001 XID 79".to_owned()]));
        let heads = serving.join().unwrap();
        let first = |head: &str| head.lines().next().unwrap_or_default().to_owned();
        let asked = |at: usize| format!("GET /slurm/{}/nodes/ HTTP/1.0", VERSIONS[at]);
        assert_eq!(heads.iter().map(|head| first(head)).collect::<Vec<_>>(), [asked(0), asked(1), asked(2), asked(2)]);
        assert!(heads[3].contains("X-SLURM-USER-TOKEN: abc.def") && heads[3].contains("X-SLURM-USER-NAME: ops"));
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let check = |answer: &str, expected: &str| {
            let (address, serving) = serve(vec![answer.to_owned()]);
            let problem = nodes(&Rest::new(address)).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
            serving.join().unwrap();
        };
        check(&with_length("401 UNAUTHORIZED", ""), "refuses (401); name a token's file");
        let errors = r#"{ "errors": [ { "error": "Unable to contact slurm controller (connect failure)" } ] }"#;
        check(&with_length("500 INTERNAL", errors), "answers 500: Unable to contact slurm controller");
        check(&with_length("200 OK", &NODES[..60]), "ends before it is whole");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", "in pieces");
        check("SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP answer");
        let nobody = nodes(&Rest::new("/nonexistent/slurmrestd.sock")).unwrap_err();
        assert!(nobody.starts_with("slurmrestd at /nonexistent/slurmrestd.sock: No such file"), "{nobody}");
    }

    #[test]
    fn who_takes_too_long_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let rest = Rest::new(listener.local_addr().unwrap().to_string());
        let problem = nodes(&Rest { deadline: Duration::from_millis(50), ..rest }).unwrap_err();
        assert!(problem.contains("took longer than"), "{problem}");
    }

    #[test]
    fn a_token_of_several_lines_is_not_sent() {
        assert!(header("X-SLURM-USER-TOKEN", "abc\r\nHost: other").is_err());
        assert_eq!(header("X-SLURM-USER-TOKEN", " abc\n").unwrap(), "X-SLURM-USER-TOKEN: abc\r\n");
    }
}
