//! Watches what a framer is fed: how much before anybody has proved themselves, and how slowly a frame comes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use codec::Held;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::Sleep,
};
use tokio_util::codec::Decoder;

use super::Place;

/// Of a time without a byte, so much is held against a frame.
const LONGEST_GAP: Duration = Duration::from_secs(10);

/// Why reading ends; the text is the session's end in the metrics.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(&'static str);

fn broken(reason: &'static str) -> io::Error {
    io::Error::other(Broken(reason))
}

/// Why reading has failed: what a [`Guard`] found, or that the connection is gone.
pub(crate) fn reason(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>());
    inner.map_or("closed", |broken| broken.0)
}

/// A framer under watch.
///
/// - Until the connection has shown whose it is, it has only so many bytes: a log-in is short. What it sends is charged to its
///   address, too; where that has no more, [`Paced`] waits.
/// - A frame that has begun must come on: so long for any frame, and so many bytes a second beyond that. Somebody who sends a byte
///   now and then holds a place, and is let go.
#[derive(Debug)]
pub(crate) struct Guard<D> {
    framer: D,
    place: Arc<Place>,
    /// When an incomplete frame was last looked at.
    looked: Option<Instant>,
    /// For how long it has been incomplete, times left out in which the session did not read.
    spent: Duration,
    /// Bytes that the source had after the last look.
    left: usize,
}

impl<D> Guard<D> {
    pub(crate) fn new(framer: D, place: Arc<Place>) -> Self {
        Self {
            framer,
            place,
            looked: None,
            spent: Duration::ZERO,
            left: 0,
        }
    }

    fn charge(&self, buffered: usize) -> Result<(), io::Error> {
        let fresh = buffered.saturating_sub(self.left);
        if fresh == 0 || self.place.take_bytes(fresh) {
            Ok(())
        } else {
            Err(broken("too_much"))
        }
    }

    fn after(&mut self, complete: bool, buffered: usize, now: impl Fn() -> Instant) -> Result<(), io::Error> {
        if buffered == 0 || complete {
            self.spent = Duration::ZERO;
            self.looked = (buffered > 0).then(now);
            return Ok(());
        }
        let now = now();
        let looked = self.looked.replace(now).unwrap_or(now);
        // A session that waits for the stream does not read for a long time; that is not the device's doing.
        self.spent += now.saturating_duration_since(looked).min(LONGEST_GAP);
        let settings = self.place.settings();
        let needed = buffered as u64 / u64::from(settings.least_bytes.max(1));
        if self.spent > settings.frame_within + Duration::from_secs(needed) {
            Err(broken("slow"))
        } else {
            Ok(())
        }
    }
}

/// Reads for a connection; not while a stranger's address has had all that strangers may have. It waits for it, and is not closed:
/// devices may be behind the same address, and what they say before they are known is little.
#[derive(Debug)]
pub(crate) struct Paced<R> {
    reader: R,
    place: Arc<Place>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<R> Paced<R> {
    pub(crate) const fn new(reader: R, place: Arc<Place>) -> Self {
        Self {
            reader,
            place,
            waiting: None,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.place.owes() {
                Some(wait) => self.waiting = Some(Box::pin(tokio::time::sleep(wait))),
                None => return Pin::new(&mut self.reader).poll_read(context, buffer),
            }
        }
    }
}

impl<D: Decoder<Error = io::Error> + Held> Decoder for Guard<D> {
    type Item = D::Item;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<D::Item>, io::Error> {
        self.charge(source.len())?;
        let item = self.framer.decode(source)?;
        self.left = source.len();
        self.after(item.is_some(), source.len() + self.framer.held(), Instant::now)?;
        Ok(item)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<D::Item>, io::Error> {
        self.charge(source.len())?;
        let item = self.framer.decode_eof(source)?;
        self.left = source.len();
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use codec::native::Framer;
    use proto::wire::DeviceFrame;

    use super::{super::Limits, *};
    use crate::limits::Settings;

    fn guard(settings: Settings) -> Guard<Framer<DeviceFrame>> {
        let limits = Arc::new(Limits::new(settings, 10));
        let place = limits.admit("10.0.0.1".parse().unwrap()).unwrap();
        Guard::new(Framer::default(), Arc::new(place))
    }

    #[test]
    fn a_stranger_has_so_many_bytes_and_a_device_more() {
        let settings = Settings {
            unproven_bytes: 100,
            ..Settings::default()
        };
        let mut strange = guard(settings.clone());
        let heartbeat = codec::native::client::heartbeat(1, None);
        let mut source = BytesMut::new();
        let ended = (0..1_000).find_map(|_| {
            source.extend_from_slice(&heartbeat);
            strange.decode(&mut source).err()
        });
        assert_eq!(reason(&ended.expect("it ends")), "too_much");
        let mut proven = guard(settings);
        assert!(proven.place.prove());
        for _ in 0..1_000 {
            source.clear();
            source.extend_from_slice(&heartbeat);
            assert!(proven.decode(&mut source).unwrap().is_some());
        }
    }

    #[test]
    fn a_frame_must_come_on() {
        let settings = Settings {
            frame_within: Duration::from_secs(20),
            least_bytes: 100,
            ..Settings::default()
        };
        let mut guard = guard(settings);
        let start = Instant::now();
        let at = |seconds: u64| move || start + Duration::from_secs(seconds);
        // A byte every five seconds.
        for second in [0, 5, 10, 15, 20] {
            assert!(guard.after(false, 1, at(second)).is_ok());
        }
        assert_eq!(reason(&guard.after(false, 2, at(25)).unwrap_err()), "slow");
        // A long frame over a slow network has the time that its bytes need.
        assert!(guard.after(false, 5_000, at(30)).is_ok());
        assert!(guard.after(true, 7, at(100)).is_ok());
        // A session that did not read for an hour.
        assert!(guard.after(false, 8, at(3_700)).is_ok());
        assert!(guard.after(true, 0, at(3_705)).is_ok());
        assert!(guard.after(false, 1, at(9_000)).is_ok());
        // Two bytes a minute are no frame either.
        assert!(guard.after(false, 2, at(9_030)).is_ok());
        assert!(guard.after(false, 3, at(9_060)).is_ok());
        assert!(guard.after(false, 4, at(9_090)).is_err());
    }

    #[test]
    fn a_lost_connection_is_no_offence() {
        assert_eq!(reason(&io::Error::from(io::ErrorKind::ConnectionReset)), "closed");
        assert_eq!(reason(&io::Error::other("other")), "closed");
    }
}
