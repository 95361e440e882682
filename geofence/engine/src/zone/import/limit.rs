//! How large input and zones may be.

use std::io::{self, BufRead, Read};

use proto::rules::MAX_VERTICES;

use super::{Format, ImportError};

/// Bounds on what is read. An input beyond `max_bytes` or `max_features` is refused whole, a zone beyond the others alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Of the input as read, unpacked; 64 MiB.
    pub max_bytes: u64,
    /// Features in one input; 100,000.
    pub max_features: usize,
    /// Positions of one zone; never more than [`MAX_VERTICES`].
    pub max_vertices: usize,
    /// Area of one zone in square metres; 500,000 km²: larger than nearly every province, smaller than mistakes (a ring taken for
    /// the rest of the world, kilometres for metres).
    pub max_area_m2: f64,
    /// Radius of a circle, half-width of a corridor, metres; 5 m: a fix under the open sky is some 3 m off, and zones are not drawn
    /// better than 2 m. Degrees or kilometres taken for metres are smaller.
    pub min_size_m: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_features: 100_000,
            max_vertices: MAX_VERTICES,
            max_area_m2: 500_000e6,
            min_size_m: 5.0,
        }
    }
}

impl Limits {
    /// No limits but those of every zone.
    pub fn none() -> Self {
        Self {
            max_bytes: u64::MAX,
            max_features: usize::MAX,
            max_vertices: MAX_VERTICES,
            max_area_m2: f64::INFINITY,
            min_size_m: 0.0,
        }
    }
}

/// The error of a [`Bounded`] input.
#[derive(Debug, thiserror::Error)]
#[error("the input is larger than {most} bytes")]
struct TooLong {
    most: u64,
}

/// Input that fails beyond a number of bytes.
pub(super) struct Bounded<R> {
    input: R,
    left: u64,
    most: u64,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(input: R, most: u64) -> Self {
        Self {
            input,
            left: most,
            most,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => Err(io::Error::other(TooLong { most: self.most })),
        }
    }
}

/// Tells the format by the first character that is no white space, and takes the byte order mark away.
pub(super) fn format(input: &mut impl BufRead) -> Result<Option<Format>, ImportError> {
    loop {
        let bytes = input.fill_buf().map_err(ImportError::Read)?;
        if bytes.starts_with(b"PK\x03\x04") {
            return Err(ImportError::Packed);
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(ImportError::NotUtf8);
        }
        let skip = if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            match bytes.first() {
                None => return Ok(None),
                Some(b'{' | b'[') => return Ok(Some(Format::GeoJson)),
                Some(b'<') => return Ok(Some(Format::Kml)),
                Some(byte) if byte.is_ascii_whitespace() => 1,
                Some(_) => return Ok(Some(Format::Wkt)),
            }
        };
        input.consume(skip);
    }
}
