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
