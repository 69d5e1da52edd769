//! Where a hub is: a path of a socket, or a host and a port.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The port of a hub whose address names none.
pub const PORT: u16 = 7077;

/// Where a hub listens or is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A Unix socket.
    Path(PathBuf),
    /// A host's name or IP address, and a port.
    Host {
        /// Without brackets, also when it is an IPv6 address.
        host: String,
        /// 0 lets the system choose when listening.
        port: u16,
    },
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address `{text}`: {wrong}; expected HOST, HOST:PORT, [IPV6]:PORT, or a socket's path with a /")]
pub struct AddressError {
    text: String,
    wrong: &'static str,
}

impl Address {
    /// `text` with a `/` is a path; otherwise it is a host, and its port is [`PORT`] unless it names one.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let wrong = |wrong| AddressError { text: crate::model::text::clean(text, 80).into_owned(), wrong };
        if text.contains('/') {
            return Ok(Address::Path(text.into()));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(|| wrong("no closing bracket"))?;
                match after.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if after.is_empty() => (host, None),
                    None => return Err(wrong("something else than a port after the bracket")),
                }
            }
            // More than one colon is an IPv6 address without a port.
            None if text.matches(':').count() > 1 => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        if host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong("a host has no spaces"));
        }
        let port =
            port.map_or(Ok(PORT), |port| port.parse().map_err(|_| wrong("the port is not a number up to 65535")))?;
        Ok(Address::Host { host: host.to_owned(), port })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => write!(f, "{}", path.display()),
            Address::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The socket of a hub that runs as this user: `$XDG_RUNTIME_DIR/supertop.sock`, for root `/run/supertop.sock`.
pub fn default_socket() -> PathBuf {
    socket_of(rustix::process::geteuid().is_root(), env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref())
}

/// Where a viewer looks for a hub on this machine, in this order: its own user's socket, then the system's.
pub fn local_sockets() -> Vec<PathBuf> {
    let mut sockets = vec![default_socket(), PathBuf::from(SYSTEM)];
    sockets.dedup();
    sockets
}

const SYSTEM: &str = "/run/supertop.sock";

fn socket_of(is_root: bool, runtime: Option<&Path>) -> PathBuf {
    match runtime {
        Some(runtime) if !is_root && runtime.is_absolute() => runtime.join("supertop.sock"),
        _ => PathBuf::from(SYSTEM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_makes_a_path_and_a_port_is_optional() {
        let check = |text: &str, printed: &str| {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), printed);
            assert_eq!(Address::parse(printed), Ok(address), "printed addresses are read back");
        };
        check("head", "head:7077");
        check("head:99", "head:99");
        check("10.0.0.1", "10.0.0.1:7077");
        check("[::1]:0", "[::1]:0");
        check("::1", "[::1]:7077");
        check("[fe80::1]", "[fe80::1]:7077");
        check("./hub", "./hub");
        check("/run/a:b", "/run/a:b");
    }

    #[test]
    fn what_is_wrong_is_said_in_one_harmless_line() {
        let check = |text: &str, word: &str| {
            let complaint = Address::parse(text).unwrap_err().to_string();
            assert!(complaint.contains(word) && !complaint.contains(['\n', '\u{1b}']), "{complaint:?}");
        };
        check("", "no host");
        check(":7077", "no host");
        check("head:", "port");
        check("head:70000", "port");
        check("[::1", "bracket");
        check("[::1]7", "bracket");
        check("a b\n\u{1b}", "spaces");
    }

    #[test]
    fn root_and_users_have_sockets_of_their_own() {
        let check = |is_root, runtime: Option<&str>, expected: &str| {
            assert_eq!(socket_of(is_root, runtime.map(Path::new)), Path::new(expected));
        };
        check(false, Some("/run/user/1000"), "/run/user/1000/supertop.sock");
        check(true, Some("/run/user/0"), SYSTEM);
        check(false, None, SYSTEM);
        check(false, Some(""), SYSTEM);
    }
}
