//! Frames between `0x7878` or `0x7979` and `0x0d0a`, found in any stream of bytes.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use crate::{
    Fault, Malformed, Piece,
    checksum::{x25, x25_step},
};

/// Most bytes of a frame as on the wire; a short one has at most 260.
pub const MAX_FRAME_BYTES: usize = 2_048;

const SHORT: [u8; 2] = [0x78, 0x78];
const LONG: [u8; 2] = [0x79, 0x79];
const TAIL: [u8; 2] = [0x0d, 0x0a];

/// Kind, serial number, checksum: what the length counts beside the content.
const COUNTED: usize = 5;
/// Start, one byte of length, what is counted, end.
const MIN_FRAME_BYTES: usize = 2 + 1 + COUNTED + 2;

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// It begins with `0x7979` and has two bytes of length.
    pub long: bool,
    /// Which message it is.
    pub kind: u8,
    /// Between kind and serial number.
    pub content: &'a [u8],
    /// Serial number.
    pub serial: u16,
}

/// Serial number, checksum, end.
pub(super) const TRAILER_BYTES: usize = 6;

impl<'a> Frame<'a> {
    /// Reads a frame as on the wire. Where it ends counts, not the length that it states: some devices state a wrong one.
    pub fn parse(wire: &'a [u8]) -> Result<Self, Fault> {
        let long = match wire {
            [a, b, ..] if [*a, *b] == SHORT => false,
            [a, b, ..] if [*a, *b] == LONG => true,
            _ => return Err(Fault::Garbage { size: wire.len() }),
        };
        let head = 3 + usize::from(long);
        let too_short = || Fault::Truncated {
            what: "frame",
            needed: MIN_FRAME_BYTES + usize::from(long),
            at: 0,
            left: wire.len(),
        };
        let inside = wire
            .strip_suffix(&TAIL)
            .ok_or(Fault::Incomplete("no 0x0d0a at the end"))?;
        let (counted, sum) = inside.split_last_chunk::<2>().ok_or_else(too_short)?;
        let got = u16::from_be_bytes(*sum);
        let expected = x25(counted.get(2..).unwrap_or_default());
        let (front, serial) = counted.split_last_chunk::<2>().ok_or_else(too_short)?;
        let (kind, content) = front.get(head..).and_then(<[u8]>::split_first).ok_or_else(too_short)?;
        if got != expected {
            return Err(Fault::Checksum { expected, got });
        }
        Ok(Self {
            long,
            kind: *kind,
            content,
            serial: u16::from_be_bytes(*serial),
        })
    }

    /// The frame as on the wire, long where the content asks for it.
    pub fn to_wire(&self) -> Bytes {
        let counted = self.content.len() + COUNTED;
        let mut wire = BytesMut::with_capacity(counted + 6);
        match u8::try_from(counted) {
            Ok(length) if !self.long => {
                wire.put_slice(&SHORT);
                wire.put_u8(length);
            }
            _ => {
                wire.put_slice(&LONG);
                wire.put_u16(u16::try_from(counted).unwrap_or(u16::MAX));
            }
        }
        wire.put_u8(self.kind);
        wire.put_slice(self.content);
        wire.put_u16(self.serial);
        let sum = x25(wire.get(2..).unwrap_or_default());
        wire.put_u16(sum);
        wire.put_slice(&TAIL);
        wire.freeze()
    }
}

/// Where a frame at the start of `bytes` ends, as it states itself; `None`: not known yet, or impossible.
fn stated_end(bytes: &[u8]) -> Option<usize> {
    let (head, counted) = match bytes {
        [0x78, 0x78, length, ..] => (3, usize::from(*length)),
        [0x79, 0x79, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return None,
    };
    let end = head + counted + TAIL.len();
    (counted >= COUNTED && end <= MAX_FRAME_BYTES).then_some(end)
}

fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(&SHORT) || bytes.starts_with(&LONG)
}

/// Where the bytes that are looked at are cut.
enum Cut {
    Frame(usize),
    Malformed(usize, Fault),
}

/// Finds frames in a stream.
///
/// Looks at one byte after the other and decides by what has come so far, so that any split of the stream gives the same pieces. It holds
/// nothing itself and leaves less than [`MAX_FRAME_BYTES`] in the buffer. A frame ends
/// - at the first `0x0d0a` with a right checksum in front of it, whatever length was stated;
/// - else where it states to end, if `0x0d0a` is there;
/// - else at the first `0x0d0a`.
///
/// A whole frame that begins inside of what would be another frame makes that one garbage: a frame cut off costs only itself.
#[derive(Debug, Default)]
pub struct Framer {
    /// Bytes of the buffer that were looked at.
    seen: usize,
    /// Running checksum of those that it covers, if the frame ends here: all but the first two and the last four.
    sum: u16,
    /// End of the first tail that was passed over, because the stated length goes beyond it.
    passed: Option<usize>,
    /// Bytes that were looked at before the buffer's beginning was cut off: no frame inside ends in them.
    before: usize,
}

impl Framer {
    fn look(&mut self, bytes: &[u8]) -> Option<Cut> {
        let seen = bytes.len();
        if seen < 2 {
            return None;
        }
        if !starts(bytes) {
            return Self::look_outside(bytes);
        }
        if seen <= 6 {
            self.sum = 0xffff;
        } else if let Some(byte) = bytes.get(seen - 5) {
            self.sum = x25_step(self.sum, *byte);
        }
        let stated = stated_end(bytes);
        if bytes.ends_with(&TAIL) {
            if seen >= MIN_FRAME_BYTES && bytes.get(seen - 4..seen - 2) == Some(&(!self.sum).to_be_bytes()[..]) {
                return Some(Cut::Frame(seen));
            }
            if seen > self.before
                && let Some(at) = frame_inside(bytes)
            {
                return Some(Cut::Malformed(at, Fault::Incomplete("another frame begins")));
            }
            if stated.is_none_or(|end| seen >= end) {
                return Some(cut_at(bytes, seen));
            }
            self.passed = self.passed.or(Some(seen));
        } else if stated == Some(seen)
            && let Some(end) = self.passed
        {
            return Some(cut_at(bytes, end));
        }
        (seen >= MAX_FRAME_BYTES).then(|| {
            let fault = Fault::Oversize {
                size: seen + 1,
                limit: MAX_FRAME_BYTES,
            };
            Cut::Malformed(next_start(bytes), fault)
        })
    }

    fn look_outside(bytes: &[u8]) -> Option<Cut> {
        let seen = bytes.len();
        let begins = bytes.get(seen - 2..).is_some_and(starts);
        let may_begin = matches!(bytes.last(), Some(0x78 | 0x79));
        let size = match (begins, seen >= MAX_FRAME_BYTES) {
            (true, _) => seen - 2,
            (false, true) => seen - usize::from(may_begin),
            (false, false) => return None,
        };
        Some(Cut::Malformed(size, Fault::Garbage { size }))
    }

    fn cut(&mut self, source: &mut BytesMut, cut: Cut) -> Piece {
        let (Cut::Frame(end) | Cut::Malformed(end, _)) = &cut;
        self.before = self.seen.max(self.before).saturating_sub(*end);
        self.seen = 0;
        self.passed = None;
        match cut {
            Cut::Frame(end) => Piece::Frame(source.split_to(end.min(source.len())).freeze()),
            Cut::Malformed(end, fault) => Piece::Malformed(Malformed {
                fault,
                raw: source.split_to(end.min(source.len())).freeze(),
            }),
        }
    }
}

/// Where a whole frame begins that states to end here and has the right checksum.
fn frame_inside(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(MIN_FRAME_BYTES)?;
    (1..=last).find(|at| {
        let inner = bytes.get(*at..).unwrap_or_default();
        stated_end(inner) == Some(inner.len()) && Frame::parse(inner).is_ok()
    })
}

/// Ends a frame whose checksum is wrong, unless what may be another one begins before that end: its own `0x0d0a` is not the end yet.
fn cut_at(bytes: &[u8], end: usize) -> Cut {
    let next = next_start(bytes);
    if next < end {
        Cut::Malformed(next, Fault::Incomplete("another frame begins"))
    } else {
        Cut::Frame(end)
    }
}

/// Where a frame may begin that has not ended yet.
fn next_start(bytes: &[u8]) -> usize {
    let open = |at: &usize| {
        let inner = bytes.get(*at..).unwrap_or_default();
        let unknown = inner.len() < 4 && (starts(inner) || matches!(inner, [0x78 | 0x79]));
        unknown || stated_end(inner).is_some_and(|end| end > inner.len())
    };
    (1..bytes.len()).find(open).unwrap_or(bytes.len())
}

impl crate::Held for Framer {}

impl Decoder for Framer {
    type Item = Piece;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        while self.seen < source.len() {
            self.seen += 1;
            let cut = source.get(..self.seen).and_then(|bytes| self.look(bytes));
            if let Some(cut) = cut {
                return Ok(Some(self.cut(source, cut)));
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        if let Some(piece) = self.decode(source)? {
            return Ok(Some(piece));
        }
        if source.is_empty() {
            return Ok(None);
        }
        let size = source.len();
        let cut = match self.passed {
            Some(end) => Cut::Frame(end),
            None if starts(source) => Cut::Malformed(size, Fault::Incomplete("no 0x0d0a at the end")),
            None => Cut::Malformed(size, Fault::Garbage { size }),
        };
        Ok(Some(self.cut(source, cut)))
    }
}
