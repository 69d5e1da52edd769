//! Sends frames without queueing what grows old: a sample waits for an empty socket, everything else for its turn.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt, WriteHalf},
    time::{Instant, timeout_at},
};

use super::Stream;
use crate::wire::{Codec, CodecError, Encoded, Frame, INITIAL_BUFFER, LIMIT, Message};

/// The writing half of a link. Frames are put into a buffer with a limit, and go out with [`Outgoing::flush`].
///
/// ```no_run
/// # async fn example(mut outgoing: supertop::link::Outgoing, sample: supertop::model::report::Sample) -> std::io::Result<()> {
/// # let mut encoder = supertop::wire::sample::Encoder::new();
/// // A sample is packed only when all that was put before it has left: none ever waits behind another.
/// outgoing.offer(0, || encoder.encode(&sample, false));
/// outgoing.flush().await
/// # }
/// ```
#[derive(Debug)]
pub struct Outgoing {
    write: WriteHalf<Stream>,
    buffer: BytesMut,
    /// Since when the socket has taken none of the bytes in the buffer, if it refused them.
    blocked: Option<Instant>,
    /// Whether the buffer has grown for what is in it.
    is_large: bool,
    skipped: u64,
}

/// Why a frame was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Full {
    /// The peer does not read, and as much waits for it as may.
    #[error("the peer does not read: {0} bytes wait for it")]
    Waiting(usize),
    /// The frame itself cannot be sent.
    #[error(transparent)]
    Frame(#[from] CodecError),
}

impl Outgoing {
    /// Bytes that wait before no more frames are taken. One frame may go beyond.
    pub const ROOM: usize = LIMIT;

    pub(super) fn new(write: WriteHalf<Stream>) -> Outgoing {
        Outgoing { write, buffer: BytesMut::new(), blocked: None, is_large: false, skipped: 0 }
    }

    /// Whether everything from before has been handed to the kernel, as far as that goes without waiting. What was
    /// put since the last flush does not count: several nodes of one link send in one go.
    pub fn ready(&mut self) -> bool {
        // An error is found again by the next flush, which can say it.
        self.blocked.is_none() || self.try_flush().unwrap_or(false)
    }

    /// Takes a sample if the link is [`Outgoing::ready`], and only then has it packed: a sample that is skipped is
    /// never a gap in the sequence. Otherwise counts it as skipped and returns false.
    pub fn offer(&mut self, channel: u32, pack: impl FnOnce() -> Encoded) -> bool {
        let has_room = self.ready() && self.buffer.len() < Self::ROOM;
        let taken = has_room && self.put(Frame { channel, message: Message::Sample(pack()) }).is_ok();
        self.skipped += u64::from(!taken);
        taken
    }

    /// How many samples were skipped because the peer was slow.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes a frame that must not be lost on the way: events, inventories, answers. It goes out with the next flush.
    pub fn put(&mut self, frame: Frame) -> Result<(), Full> {
        if self.buffer.len() >= Self::ROOM {
            return Err(Full::Waiting(self.buffer.len()));
        }
        Ok(Codec::append(frame, &mut self.buffer)?)
    }

    /// Bytes that wait to be flushed.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether anything waits to be flushed.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Puts a frame and waits until it has left.
    pub async fn send(&mut self, frame: Frame) -> Result<(), CodecError> {
        self.flush().await?;
        Codec::append(frame, &mut self.buffer)?;
        Ok(self.flush().await?)
    }

    /// Waits until the kernel has taken everything. It can be dropped at any point and called again: what was
    /// written is not written twice.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// As [`Outgoing::flush`], but gives a peer up that takes not a byte for so long. Kernels wait for it by the quarter
    /// of an hour.
    pub async fn flush_within(&mut self, patience: Duration) -> io::Result<()> {
        loop {
            let until = self.blocked.unwrap_or_else(Instant::now) + patience;
            match timeout_at(until, self.flush()).await {
                Ok(flushed) => return flushed,
                Err(_) if self.blocked.is_some_and(|since| since + patience <= Instant::now()) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer has stopped reading"));
                }
                // It took some.
                Err(_) => {}
            }
        }
    }

    /// Hands over what the kernel takes without waiting, and says whether that was all.
    pub fn try_flush(&mut self) -> io::Result<bool> {
        // Nobody waits here, so nobody needs to be woken; a later flush registers its own task.
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Says goodbye and closes, as far as the peer still takes it.
    pub async fn close(&mut self) -> io::Result<()> {
        if self.put(Frame::of(Message::Bye)).is_ok() {
            self.flush().await?;
        }
        self.write.shutdown().await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_large |= self.buffer.len() > INITIAL_BUFFER;
        while !self.buffer.is_empty() {
            match Pin::new(&mut self.write).poll_write(cx, &self.buffer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.buffer.advance(written);
                    self.blocked = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        self.blocked = None;
        // A large frame's room is not kept for the small ones after it.
        if std::mem::take(&mut self.is_large) {
            self.buffer = BytesMut::new();
        }
        Pin::new(&mut self.write).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::{
        link::{Listener, dial, listen_tcp, listen_unix, memory_of},
        wire::Ask,
    };

    fn sample(seq: u32) -> Encoded {
        Encoded { seq, payload: vec![7; 100].into(), ..Encoded::default() }
    }

    #[tokio::test]
    async fn a_slow_peer_gets_the_newest_sample_and_every_event() {
        let (near, far) = memory_of(256);
        let (_, mut out) = near.split(Codec::new());
        let (mut frames, _) = far.split(Codec::new());
        let mut seq = 0;
        for turn in 0..10 {
            out.offer(0, || {
                seq += 1;
                sample(seq)
            });
            out.put(Frame::of(Message::Ask(Ask { slot: turn, query: String::new() }))).unwrap();
            out.try_flush().unwrap();
        }
        assert!(!out.ready(), "nobody reads, and the pipe is short");
        assert_eq!(u64::from(seq) + out.skipped(), 10, "a skipped sample is never packed");
        let reader = async {
            let mut heard = Vec::new();
            while let Some(frame) = frames.next().await {
                heard.push(frame.unwrap().message);
                if heard.len() == 10 + seq as usize {
                    break;
                }
            }
            heard
        };
        let (flushed, heard) = tokio::join!(out.flush(), reader);
        flushed.unwrap();
        let asks = heard.iter().filter_map(|m| if let Message::Ask(ask) = m { Some(ask.slot) } else { None });
        assert!(asks.eq(0..10), "everything else comes through, in order");
        assert!(out.ready() && out.is_empty());
        assert!(out.offer(0, || sample(seq + 1)), "samples flow again");
    }

    #[tokio::test]
    async fn what_waits_for_a_peer_that_never_reads_has_a_limit() {
        let (near, _far) = memory_of(64);
        let (_, mut out) = near.split(Codec::new());
        let long = || Frame::of(Message::Ask(Ask { slot: 0, query: "x".repeat(10_000) }));
        let mut taken = 0;
        let full = loop {
            match out.put(long()) {
                Ok(()) => taken += 1,
                Err(full) => break full,
            }
        };
        assert!(matches!(full, Full::Waiting(bytes) if (0..11_000).contains(&(bytes - Outgoing::ROOM))));
        assert!(taken > 100);
        assert!(!out.offer(0, || unreachable!("no sample is packed that cannot be put")));
    }

    #[tokio::test]
    async fn a_flush_that_is_given_up_goes_on_where_it_was() {
        let (near, far) = memory_of(64);
        let (_, mut out) = near.split(Codec::new());
        let (mut frames, _) = far.split(Codec::new());
        let ask = Ask { slot: 7, query: "gpus where temp > 85 ".repeat(20) };
        out.put(Frame::of(Message::Ask(ask.clone()))).unwrap();
        let heard = loop {
            tokio::select! {
                biased;
                frame = frames.next() => break frame.unwrap().unwrap(),
                // Lives for one poll: the pipe takes a little, then the other branch reads it.
                () = async { out.try_flush().unwrap(); tokio::task::yield_now().await } => {}
            }
        };
        assert_eq!(heard.message, Message::Ask(ask));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_given_up_that_takes_nothing_for_long() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let (near, mut far) = memory_of(64);
        let (_, mut out) = near.split(Codec::new());
        out.put(Frame::of(Message::Ask(Ask { slot: 0, query: "x".repeat(300) }))).unwrap();
        let (began, bytes) = (Instant::now(), out.len());
        let slow = async {
            for _ in 0..3 {
                tokio::time::sleep(PATIENCE * 2 / 3).await;
                far.read_exact(&mut [0; 64]).await.unwrap();
            }
        };
        let (flushed, ()) = tokio::join!(out.flush_within(PATIENCE), slow);
        assert_eq!(flushed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), PATIENCE * 3, "three waits of 20 s that ended well, and one of 30 s");
        assert_eq!(out.len(), bytes - 4 * 64, "what was taken is not sent again");
    }

    /// Samples of 280 bytes that go out before a link to a hub that takes it and reads nothing is no longer ready.
    async fn held(listener: Listener) -> usize {
        let address = listener.address();
        let (dialled, accepted) = tokio::join!(dial(&address), listener.accept());
        let (_, mut out) = dialled.unwrap().split(Codec::new());
        let _accepted = accepted.unwrap();
        let sample = Encoded { payload: vec![7; 256].into(), ..Encoded::default() };
        (0..10_000)
            .take_while(|_| {
                let taken = out.offer(0, || sample.clone());
                out.try_flush().unwrap();
                taken
            })
            .count()
    }

    #[tokio::test]
    async fn the_kernel_holds_few_samples_for_a_hub_that_does_not_read() {
        let tcp = held(listen_tcp(&"127.0.0.1:0".parse().unwrap()).await.unwrap()).await;
        let dir = tempfile::tempdir().unwrap();
        let unix = held(listen_unix(&dir.path().join("hub.sock"), 0o600, None).await.unwrap()).await;
        println!("samples held: {tcp} by TCP, {unix} by a Unix socket");
        assert!(tcp <= 60 && unix <= 60, "{tcp} {unix}");
    }
}
