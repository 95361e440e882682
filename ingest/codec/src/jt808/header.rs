//! Message headers (4.4.3): 2011 and 2013 alike, and 2019's with a version and a longer phone number.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Delimiter, Frame, id, time::is_decimal};
use crate::{Fault, checksum, cursor::Cursor};

const LENGTH_MASK: u16 = 0x03ff;
const ENCRYPTION_MASK: u16 = 0x1c00;
const PACKAGE_BIT: u16 = 0x2000;
const VERSION_BIT: u16 = 0x4000;
const ANSWER_BIT: u16 = 0x8000;

/// Most bytes of one body: what ten bits can say.
pub const MAX_BODY_BYTES: usize = LENGTH_MASK as usize;

/// An edition of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// JT/T 808-2011.
    V2011,
    /// JT/T 808-2013: the same header, longer fields at registration.
    V2013,
    /// JT/T 808-2019.
    V2019,
}

/// The terminal's phone number, as it stands in the header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    /// The first `length` count, the others are 0.
    bytes: [u8; MAX_PHONE_BYTES],
    length: usize,
}

const MAX_PHONE_BYTES: usize = 10;

impl Phone {
    /// Packs decimal digits, padded with leading zeros; `None` when there are too many or other characters.
    pub fn from_digits(digits: &str, variant: Variant) -> Option<Self> {
        let width = if variant == Variant::V2019 { 20 } else { 12 };
        if digits.len() > width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let bytes = hex::decode(format!("{digits:0>width$}")).ok()?;
        Some(Self::new(&bytes))
    }

    fn new(packed: &[u8]) -> Self {
        let mut bytes = [0; MAX_PHONE_BYTES];
        for (place, byte) in bytes.iter_mut().zip(packed) {
            *place = *byte;
        }
        Self {
            bytes,
            length: packed.len().min(MAX_PHONE_BYTES),
        }
    }

    /// The bytes of the header.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// All digits. Not every device packs digits: six bytes that are none hold an IMEI as a binary number without its
    /// check digit.
    pub fn digits(&self) -> String {
        if is_decimal(self.bytes()) {
            let nibbles = self.bytes().iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
            let mut digits = String::with_capacity(2 * MAX_PHONE_BYTES);
            for nibble in nibbles {
                digits.push(char::from(b'0' + nibble));
            }
            return digits;
        }
        let number = self
            .bytes
            .iter()
            .take(6)
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number}{}", checksum::luhn(number))
    }

    /// The digits without leading zeros: the same for one terminal whatever the edition of its header.
    pub fn identity(&self) -> String {
        let mut digits = self.digits();
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        digits.drain(..zeros.min(digits.len() - 1));
        digits
    }
}

/// The header of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Delimiter of the frame.
    pub delimiter: Delimiter,
    /// Message id.
    pub id: u16,
    /// Property word as it came.
    pub properties: u16,
    /// 2019: the protocol's version.
    pub version: Option<u8>,
    /// Who speaks.
    pub phone: Phone,
    /// Serial number of the message.
    pub serial: u16,
    /// Sub-package: total and number from 1.
    pub package: Option<(u16, u16)>,
}

impl Header {
    /// Splits header and body of a frame's content.
    ///
    /// The body is what the checksum covers, also where the property word counts otherwise: devices are known that count
    /// wrongly, and the checksum is the better witness.
    pub fn parse(delimiter: Delimiter, content: &Bytes) -> Result<(Self, Bytes), Fault> {
        let mut cursor = Cursor::new(content);
        let id = cursor.u16("message id")?;
        let properties = cursor.u16("properties")?;
        let version = if properties & VERSION_BIT == 0 {
            None
        } else {
            Some(cursor.u8("version")?)
        };
        let width = match (version, delimiter) {
            (Some(_), _) => 10,
            (None, Delimiter::Alternative) => 7,
            (None, Delimiter::Standard) => 6,
        };
        let phone = Phone::new(cursor.take(width, "phone number")?);
        let compact = is_compact(id);
        let serial = if compact {
            u16::from(cursor.u8("serial")?)
        } else {
            cursor.u16("serial")?
        };
        let package = if compact {
            None
        } else {
            package(properties, &mut cursor)?
        };
        let body = content.slice(cursor.at()..);
        Ok((
            Self {
                delimiter,
                id,
                properties,
                version,
                phone,
                serial,
                package,
            },
            body,
        ))
    }

    /// True when the property word says that the body is encrypted. The compact messages use those bits otherwise.
    pub fn says_encrypted(&self) -> bool {
        self.properties & ENCRYPTION_MASK != 0 && !is_compact(self.id)
    }

    /// True when a compact message asks for an answer.
    pub fn wants_compact_answer(&self) -> bool {
        is_compact(self.id) && self.properties & ANSWER_BIT != 0
    }

    /// A frame of the same delimiter, version and phone number: an answer to this one, or the next of the same terminal.
    pub fn frame(&self, id: u16, serial: u16, package: Option<(u16, u16)>, body: &[u8]) -> Frame {
        let mut content = self.begin(id, body.len(), package.is_some());
        content.put_u16(serial);
        if let Some((total, number)) = package {
            content.put_u16(total);
            content.put_u16(number);
        }
        content.put_slice(body);
        Frame {
            delimiter: self.delimiter,
            content: content.freeze(),
        }
    }

    /// A compact answer, whose serial has one byte.
    pub(super) fn compact_frame(&self, id: u16, serial: u8, body: &[u8]) -> Frame {
        let mut content = self.begin(id, body.len(), false);
        content.put_u8(serial);
        content.put_slice(body);
        Frame {
            delimiter: self.delimiter,
            content: content.freeze(),
        }
    }

    fn begin(&self, id: u16, length: usize, package: bool) -> BytesMut {
        let mut content = BytesMut::with_capacity(length + 24);
        content.put_u16(id);
        let mut properties = u16::try_from(length).unwrap_or(LENGTH_MASK) & LENGTH_MASK;
        if package {
            properties |= PACKAGE_BIT;
        }
        if self.version.is_some() {
            properties |= VERSION_BIT;
        }
        content.put_u16(properties);
        if let Some(version) = self.version {
            content.put_u8(version);
        }
        content.put_slice(self.phone.bytes());
        content
    }

    /// The header with which a terminal starts, for frames of its own.
    pub fn of_terminal(phone: Phone, variant: Variant) -> Self {
        let version = (variant == Variant::V2019).then_some(1);
        Self {
            delimiter: Delimiter::Standard,
            id: 0,
            properties: 0,
            version,
            phone,
            serial: 0,
            package: None,
        }
    }
}

/// Total and number of a sub-package, where the property word says so. Where it counts every byte as body all the same, or
/// the numbers are none, the device set the bit for nothing.
fn package(properties: u16, cursor: &mut Cursor<'_>) -> Result<Option<(u16, u16)>, Fault> {
    let declared = usize::from(properties & LENGTH_MASK);
    if properties & PACKAGE_BIT == 0 || cursor.left() == declared {
        return Ok(None);
    }
    let mut ahead = cursor.clone();
    let (total, number) = (ahead.u16("package total")?, ahead.u16("package number")?);
    if ahead.left() != declared && !(1..=total).contains(&number) {
        return Ok(None);
    }
    *cursor = ahead;
    Ok(Some((total, number)))
}

fn is_compact(id: u16) -> bool {
    matches!(id, id::COMPACT | id::COMPACT_BLIND)
}
