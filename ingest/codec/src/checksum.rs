//! Checksums of device protocols.

/// Exclusive-or of all bytes (JT/T 808-2013, 4.4.4).
///
/// ```
/// assert_eq!(homeward_codec::checksum::xor(&[0x00, 0x02, 0x40]), 0x42);
/// ```
pub fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// The Luhn check digit that completes a number, such as the fifteenth digit of an IMEI (ISO/IEC 7812-1, annex B).
///
/// ```
/// assert_eq!(homeward_codec::checksum::luhn(86_893_506_001_021), 0);
/// ```
pub fn luhn(mut number: u64) -> u8 {
    let mut sum = 0;
    let mut double = true;
    while number > 0 {
        let digit = number % 10;
        sum += match (double, digit) {
            (true, 5..) => digit * 2 - 9,
            (true, _) => digit * 2,
            (false, _) => digit,
        };
        double = !double;
        number /= 10;
    }
    u8::try_from((10 - sum % 10) % 10).unwrap_or(0)
}

/// CRC-16/X.25 (ITU-T X.25, 2.2.7.4; also "CRC-ITU"): polynomial 0x1021 reflected, all ones before and after.
///
/// ```
/// assert_eq!(homeward_codec::checksum::x25(b"123456789"), 0x906e);
/// ```
pub fn x25(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff, |crc, byte| x25_step(crc, *byte))
}

/// One byte more for a CRC-16/X.25 that began with all ones and is complemented at the end.
#[inline]
pub(crate) fn x25_step(crc: u16, byte: u8) -> u16 {
    let [_, low] = crc.to_be_bytes();
    let at = usize::from(low ^ byte);
    crc >> 8 ^ X25.get(at).copied().unwrap_or_default()
}

static X25: [u16; 256] = x25_table();

#[expect(clippy::indexing_slicing, reason = "at is below the table's length")]
const fn x25_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    let mut start = 0_u16;
    while at < table.len() {
        let mut crc = start;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
        start = start.wrapping_add(1);
    }
    table
}
