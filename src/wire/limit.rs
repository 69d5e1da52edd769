//! How much a peer may say, and what is wrong when it says more: counts, text lengths, names.
//! Every text that comes in passes through here, so that no control character goes further.

use std::borrow::Cow;

use crate::model::text;

/// Whole GPUs of a node.
pub(super) const GPUS: usize = 64;
/// MIG instances of a node.
pub(super) const INSTANCES: usize = 512;
/// Network ports of a node.
pub(super) const NICS: usize = 256;
/// Metrics that an agent declares, all scopes together.
pub(super) const METRICS: usize = 1024;
/// Labels of a node.
pub(super) const LABELS: usize = 64;
/// Notes of a node.
pub(super) const NOTES: usize = 64;
/// Standing faults of a node.
pub(super) const FAULTS: usize = 4096;
/// Processes of a node.
pub(super) const PROCESSES: usize = 4096;
/// Logical CPUs of a node.
pub(super) const CORES: usize = 8192;
/// Mounts of a node.
pub(super) const MOUNTS: usize = 1024;
/// Jobs that were given GPUs of a node.
pub(super) const GRANTS: usize = 1024;
/// Event ids in one acknowledgement.
pub(super) const ACKS: usize = 4096;
/// Bytes of a name that something is known by.
pub(super) const NAME: usize = 255;
/// Characters of a short text: a model, a version, a user.
pub(super) const SHORT: usize = 255;
/// Characters of a line: a kernel message, a reason.
pub(super) const LINE: usize = 1024;
/// Bytes of a query's text.
pub(super) const QUERY: usize = 16 * 1024;

/// What is wrong with a message.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no protobuf message of ours.
    #[error("not a supertop frame: {0}")]
    Malformed(String),
    /// A list is longer than anything real.
    #[error("{what}: more than {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are taken.
        limit: usize,
    },
    /// A name is longer than any real one.
    #[error("{what}: longer than {limit} bytes")]
    TooLong {
        /// What it names.
        what: &'static str,
        /// How many bytes are taken.
        limit: usize,
    },
    /// A name is empty or holds characters that no name has.
    #[error("{what} `{name}`: empty, or with characters that a name cannot have")]
    Name {
        /// What it names.
        what: &'static str,
        /// The name, made harmless.
        name: String,
    },
    /// A field holds something that it cannot mean.
    #[error("{0}: no such value")]
    Value(&'static str),
    /// A sample's slots are not those of the inventory that came before it.
    #[error("sample of {gpus} GPUs and {nics} NICs does not fit the node's inventory")]
    Shape {
        /// GPU slots that the sample has.
        gpus: u16,
        /// NIC slots that the sample has.
        nics: u16,
    },
    /// A sample's payload ends early, late, or in the middle of a value.
    #[error("sample {seq}: payload does not hold the declared metrics")]
    Payload {
        /// The sample's number.
        seq: u32,
    },
}

/// A text that is only read by people: harmless, and cut to `max` characters.
pub(super) fn shown(text: String, max: usize) -> String {
    match text::clean(&text, max) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    }
}

/// A list that is no longer than `limit`.
pub(super) fn counted<T>(list: Vec<T>, limit: usize, what: &'static str) -> Result<Vec<T>, DecodeError> {
    if list.len() > limit { Err(DecodeError::TooMany { what, limit }) } else { Ok(list) }
}

/// A text that something is known by, which must come through unchanged or not at all.
pub(super) fn exact(text: String, limit: usize, what: &'static str) -> Result<String, DecodeError> {
    if text.len() > limit {
        return Err(DecodeError::TooLong { what, limit });
    }
    if text.is_empty() || matches!(text::clean(&text, limit), Cow::Owned(clean) if clean != text) {
        return Err(DecodeError::Name { what, name: text::clean(&text, 64).into_owned() });
    }
    Ok(text)
}

/// A node's name: like [`exact`], and without what separates names from each other in rows' ids (`gpu017:3`).
pub(super) fn node_name(text: String) -> Result<String, DecodeError> {
    let text = exact(text, NAME, "node name")?;
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | ':' | ',' | '=')) {
        return Err(DecodeError::Name { what: "node name", name: text });
    }
    Ok(text)
}

/// Whether hubs take this as the name of a node, for an answer before an agent starts.
pub fn check_node_name(name: &str) -> Result<(), DecodeError> {
    node_name(name.to_owned()).map(drop)
}

/// A number that counts slots.
pub(super) fn slot(number: u32, below: usize, what: &'static str) -> Result<u16, DecodeError> {
    match u16::try_from(number) {
        Ok(slot) if usize::from(slot) < below => Ok(slot),
        _ => Err(DecodeError::Value(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_taken_unchanged_or_refused() {
        let good = |name: &str| assert_eq!(node_name(name.into()).unwrap(), name);
        good("gpu017");
        good("gpu017.cluster.example");
        good("größe");
        good(&"n".repeat(255));
        let bad = |name: &str| {
            let complaint = node_name(name.into()).unwrap_err().to_string();
            assert!(!complaint.contains('\u{1b}'), "{complaint:?}");
        };
        bad("");
        bad("gpu\u{1b}[2J");
        bad("gpu 1");
        bad("gpu/1");
        bad("gpu:1");
        bad(&"n".repeat(256));
    }

    #[test]
    fn text_for_people_is_made_harmless_and_cut() {
        assert_eq!(shown("a\u{1b}[2Jb".into(), 9), "a\u{fffd}[2Jb");
        assert_eq!(shown("abcdef".into(), 3), "abc");
    }
}
