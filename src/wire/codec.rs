//! Frames in and out of a byte stream, with limits, and words for peers that speak something else.
//! Reading keeps one small buffer per connection, which a stream of samples uses again and again.

use std::io;

use bytes::{Buf, BufMut, BytesMut};
use prost::Message as _;
use tokio_util::codec::{Decoder, Encoder};

use super::{Ask, DecodeError, Frame, Hello, Message, limit, proto, proto::Body, report};
use crate::model::{question::Reply, report::Inventory};

/// Bytes that a frame from an agent or viewer may have.
pub const LIMIT: usize = 1 << 20;
/// Bytes that a hub's answer may have.
pub const ANSWER_LIMIT: usize = 64 << 20;
/// Bytes that a connection reads at once: enough for several samples. Larger frames grow the buffer while they
/// arrive, and it is small again after them.
pub const INITIAL_BUFFER: usize = 1024;

/// Bytes of the length before each frame.
const LENGTH: usize = 4;
/// Fields of a frame's message, lists' items included. More than every list limit together allows.
const FIELDS: usize = 8 * 1024;

/// Frames on a byte stream. One direction may use another limit than the other: a viewer takes large answers.
#[derive(Debug)]
pub struct Codec {
    limit: usize,
    /// Whether a frame has come that made sense.
    met: bool,
    /// Whether the buffer had to grow for the last frame.
    grown: bool,
    ignored: u64,
}

/// Why a stream of frames ended.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes stopped.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A browser, a health check, a scraper.
    #[error("peer speaks HTTP, not supertop")]
    Http,
    /// A TLS client or server.
    #[error("peer speaks TLS where plain supertop was expected")]
    Tls,
    /// An SSH client or server.
    #[error("peer speaks SSH, not supertop")]
    Ssh,
    /// The first bytes are no frame's length.
    #[error("not a supertop frame: begins with {}", hex(*.0))]
    Garbage([u8; 4]),
    /// A frame that is too long.
    #[error("frame of {len} bytes exceeds the limit of {limit}")]
    Oversize {
        /// Bytes of the frame.
        len: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// A frame that says something impossible.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl CodecError {
    /// A few words by which a hub counts its rejections: the same for every peer that does the same.
    pub fn reason(&self) -> &'static str {
        match self {
            CodecError::Io(_) => "connection lost",
            CodecError::Http => "peer speaks HTTP",
            CodecError::Tls => "peer speaks TLS",
            CodecError::Ssh => "peer speaks SSH",
            CodecError::Garbage(_) => "not a supertop frame",
            CodecError::Oversize { .. } => "oversized frame",
            CodecError::Decode(_) => "bad message",
        }
    }
}

fn hex(bytes: [u8; 4]) -> String {
    let [a, b, c, d] = bytes;
    format!("{a:02x} {b:02x} {c:02x} {d:02x}")
}

impl Codec {
    /// For a hub: peers may send [`LIMIT`] bytes.
    pub fn new() -> Codec {
        Codec { limit: LIMIT, met: false, grown: false, ignored: 0 }
    }

    /// For a viewer: the hub may send [`ANSWER_LIMIT`] bytes.
    pub fn viewer() -> Codec {
        Codec { limit: ANSWER_LIMIT, ..Codec::new() }
    }

    /// How many messages of unknown kinds were left out: the peer is newer than this build.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Appends `frame` to `out`; a frame that no peer would take is an error and appends nothing.
    pub fn append(frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        let limit = if matches!(frame.message, Message::Answer(_)) { ANSWER_LIMIT } else { LIMIT };
        let frame = proto::Frame::from(frame);
        let len = frame.encoded_len();
        if len > limit {
            return Err(CodecError::Oversize { len, limit });
        }
        out.reserve(LENGTH + len);
        // Nothing longer than the limits comes this far, and they fit.
        out.put_u32(len as u32);
        frame.encode_raw(out);
        Ok(())
    }

    /// The length of the frame that `head` begins, if it may be that long.
    fn length(&self, head: [u8; LENGTH]) -> Result<usize, CodecError> {
        let len = u32::from_be_bytes(head) as usize;
        if len <= self.limit {
            return Ok(len);
        }
        Err(match head {
            // What browsers, probes and servers begin with; HTTP/2 begins with PRI.
            _ if [b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PATC", b"PRI ", b"HTTP"]
                .contains(&&head) =>
            {
                CodecError::Http
            }
            // A handshake or alert record of TLS 1.0 to 1.3.
            [0x15 | 0x16, 3, 0..=4, _] => CodecError::Tls,
            [b'S', b'S', b'H', b'-'] => CodecError::Ssh,
            // Nobody who speaks supertop sends this much, so the bytes are no length.
            _ if len > ANSWER_LIMIT && !self.met => CodecError::Garbage(head),
            _ => CodecError::Oversize { len, limit: self.limit },
        })
    }
}

impl Default for Codec {
    fn default() -> Self {
        Codec::new()
    }
}

impl Encoder<Frame> for Codec {
    type Error = CodecError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), CodecError> {
        Codec::append(frame, out)
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        while let Some(head) = bytes.first_chunk::<LENGTH>() {
            let len = self.length(*head)?;
            let missing = (LENGTH + len).saturating_sub(bytes.len());
            if missing > 0 {
                // What a peer announces is not believed: the buffer at most doubles with what has come.
                self.grown |= LENGTH + len > INITIAL_BUFFER;
                bytes.reserve(missing.min(bytes.len().max(INITIAL_BUFFER)));
                return Ok(None);
            }
            bytes.advance(LENGTH);
            let frame = bytes.split_to(len).freeze();
            if len > INITIAL_BUFFER && self.limit == LIMIT {
                check_fields(&frame)?;
            }
            let frame = proto::Frame::decode(frame).map_err(|e| DecodeError::Malformed(e.to_string()))?;
            self.met = true;
            let channel = frame.channel;
            match frame.body.map_or(Ok(None), message)? {
                Some(message) => return Ok(Some(Frame { channel, message })),
                None => self.ignored += 1,
            }
        }
        if bytes.is_empty() {
            if self.grown {
                self.grown = false;
                *bytes = BytesMut::with_capacity(INITIAL_BUFFER);
            } else {
                // The frames that were split off are gone by now: this goes back to the buffer's beginning.
                bytes.reserve(INITIAL_BUFFER);
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        match self.decode(bytes)? {
            Some(frame) => Ok(Some(frame)),
            None if bytes.is_empty() => Ok(None),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection ended within a frame").into()),
        }
    }
}

/// Counts the fields of `frame` and of the messages in it, before anything is allocated for them: an empty item of a
/// list takes two bytes on the wire and a hundred in memory.
fn check_fields(frame: &[u8]) -> Result<(), DecodeError> {
    let mut count = 0;
    let mut frame = frame;
    while !frame.is_empty() {
        let mut message = skip_field(&mut frame)?;
        // Texts are walked like messages, as nothing tells them apart here; they just end early.
        while !message.is_empty() && skip_field(&mut message).is_ok() {
            count += 1;
        }
        count += 1;
        if count > FIELDS {
            return Err(DecodeError::TooMany { what: "fields of a message", limit: FIELDS });
        }
    }
    Ok(())
}

/// Goes past one field, and returns its content if that has a length.
fn skip_field<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let broken = || DecodeError::Malformed("a field ends early".into());
    let varint = |bytes: &mut &'a [u8]| prost::encoding::decode_varint(bytes).map_err(|_| broken());
    let tag = varint(bytes)?;
    let len = match tag & 7 {
        0 => {
            varint(bytes)?;
            return Ok(&[]);
        }
        1 => 8,
        2 => usize::try_from(varint(bytes)?).map_err(|_| broken())?,
        5 => 4,
        _ => return Err(broken()),
    };
    let (content, rest) = bytes.split_at_checked(len).ok_or_else(broken)?;
    *bytes = rest;
    Ok(if tag & 7 == 2 { content } else { &[] })
}

impl From<Frame> for proto::Frame {
    fn from(frame: Frame) -> Self {
        let body = match frame.message {
            Message::Hello(hello) => Body::Hello(Box::new((*hello).into())),
            Message::Inventory(inventory) => Body::Inventory(Box::new((*inventory).into())),
            Message::Sample(sample) => Body::Sample(sample.into()),
            Message::Processes(processes) => Body::Processes(processes.into()),
            Message::Event(event) => Body::Event(event.into()),
            Message::Ack(ids) => Body::Ack(proto::Ack { ids }),
            Message::Ask(ask) => Body::Ask(proto::Ask { slot: ask.slot, query: ask.query }),
            Message::Answer(reply) => Body::Answer(Box::new((*reply).into())),
            Message::Refuse(reason) => Body::Refuse(proto::Refuse { reason }),
            Message::Say(say) => Body::Say(Box::new((*say).into())),
            Message::Bye => Body::Bye(proto::Bye {}),
        };
        proto::Frame { channel: frame.channel, body: Some(body) }
    }
}

/// The message in `body`; nothing for one that only a newer build understands.
fn message(body: Body) -> Result<Option<Message>, DecodeError> {
    Ok(Some(match body {
        Body::Hello(hello) => Hello::try_from(*hello)?.into(),
        Body::Inventory(inventory) => Inventory::try_from(*inventory)?.into(),
        Body::Sample(sample) => Message::Sample(sample.try_into()?),
        Body::Processes(processes) => Message::Processes(processes.try_into()?),
        // An event of a kind that is not known here stays unacknowledged, so its agent keeps it for a newer hub.
        Body::Event(event) => return Ok(report::event(event)?.map(Message::Event)),
        Body::Ack(ack) => {
            let ids = limit::counted(ack.ids, limit::ACKS, "acknowledged events")?;
            let exact = |id| limit::exact(id, limit::NAME, "event id");
            Message::Ack(ids.into_iter().map(exact).collect::<Result<_, _>>()?)
        }
        Body::Ask(ask) if ask.query.len() > limit::QUERY => {
            return Err(DecodeError::TooLong { what: "query", limit: limit::QUERY });
        }
        // A query is kept as it was asked: complaints point into it, and it is printed nowhere unparsed.
        Body::Ask(ask) => Message::Ask(Ask { slot: ask.slot, query: ask.query }),
        Body::Answer(reply) => Reply::try_from(*reply)?.into(),
        Body::Refuse(refuse) => Message::Refuse(limit::shown(refuse.reason, limit::LINE)),
        // A verb that only a newer build understands is as a message of an unknown kind.
        Body::Say(say) => return Ok(super::hello::say(*say).map(|say| Message::Say(Box::new(say)))),
        Body::Bye(proto::Bye {}) => Message::Bye,
    }))
}
