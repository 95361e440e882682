//! A bounded big-endian reader.

use crate::Fault;

/// Reads big-endian fields from bytes; a field beyond the end is a [`Fault::Truncated`] that names it.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes not read yet.
    pub const fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Offset of the next byte.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Takes all bytes not read yet.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }

    /// Takes `count` bytes.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Fault> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(Fault::Truncated {
            what,
            needed: count,
            at: self.at,
            left: self.left(),
        })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Fault> {
        let taken = self.take(N, what)?;
        let mut array = [0; N];
        array.copy_from_slice(taken);
        Ok(array)
    }

    /// Reads one byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Fault> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    /// Reads two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Fault> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Reads two bytes as a signed number.
    pub fn i16(&mut self, what: &'static str) -> Result<i16, Fault> {
        self.array(what).map(i16::from_be_bytes)
    }

    /// Reads four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Fault> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Reads four bytes as a signed number.
    pub fn i32(&mut self, what: &'static str) -> Result<i32, Fault> {
        self.array(what).map(i32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_to_the_end_and_not_beyond() {
        let mut cursor = Cursor::new(&[1, 2, 3, 0xff, 0xfe]);
        assert_eq!(cursor.u8("a"), Ok(1));
        assert_eq!(cursor.u16("b"), Ok(0x0203));
        assert_eq!(
            cursor.u32("c"),
            Err(Fault::Truncated {
                what: "c",
                needed: 4,
                at: 3,
                left: 2
            })
        );
        assert_eq!(cursor.i16("d"), Ok(-2));
        assert_eq!(cursor.rest(), &[] as &[u8]);
        assert_eq!(cursor.take(usize::MAX, "e").unwrap_err().reason(), "truncated");
    }
}
