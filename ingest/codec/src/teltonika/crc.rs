//! CRC-16/ARC ("IBM"): polynomial 0x8005 reflected, start 0; eight bytes a step.

/// `TABLES[n][byte]`: what `byte` does to the sum when `n` more bytes follow it.
static TABLES: [[u16; 256]; 8] = tables();

#[expect(
    clippy::indexing_slicing,
    reason = "computed while compiling: a wrong index would not compile"
)]
#[expect(clippy::cast_possible_truncation, reason = "below 256")]
const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u16 = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

fn step(table: &[u16; 256], byte: u8) -> u16 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The sum of all bytes.
///
/// ```
/// assert_eq!(homeward_codec::teltonika::crc16(b"123456789"), 0xbb3d);
/// ```
pub fn crc16(bytes: &[u8]) -> u16 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut sum: u16 = 0;
    for [a, b, c, d, e, f, g, h] in chunks {
        let [low, high] = sum.to_le_bytes();
        sum = step(t7, a ^ low)
            ^ step(t6, b ^ high)
            ^ step(t5, *c)
            ^ step(t4, *d)
            ^ step(t3, *e)
            ^ step(t2, *f)
            ^ step(t1, *g)
            ^ step(t0, *h);
    }
    for byte in rest {
        let [low, high] = sum.to_le_bytes();
        sum = u16::from(high) ^ step(t0, byte ^ low);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_at_a_time_is_one_at_a_time() {
        let bytes: Vec<u8> = (0..100_u32).map(|n| u8::try_from(n * 37 % 256).unwrap()).collect();
        for length in 0..bytes.len() {
            let slow = bytes[..length].iter().fold(0_u16, |sum, byte| {
                (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
                    if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 }
                })
            });
            assert_eq!(crc16(&bytes[..length]), slow, "{length}");
        }
    }
}
