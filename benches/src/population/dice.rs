//! Chance that can be asked for any person and minute without asking for those before: hashed, not drawn one after the other.

/// Numbers of one thing (a person, a person's minute, a zone), for one purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

/// SplitMix64's finaliser (Steele, Lea, Flood 2014).
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// The numbers of one thing.
    pub(super) const fn new(seed: u64, purpose: u64, thing: u64) -> Self {
        let seeded = mix(seed.wrapping_add(purpose.wrapping_mul(STEP)));
        Self(mix(seeded ^ thing.wrapping_mul(STEP)))
    }

    /// The next 64 bits.
    pub(super) const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// At least 0, below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// At least `low`, below `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Below `count`; 0 where that is 0.
    pub(super) fn below(&mut self, count: u32) -> u32 {
        // The upper half of the product: no modulo, no bias worth speaking of below 2^32.
        u32::try_from(((self.word() >> 32) * u64::from(count)) >> 32).unwrap_or_default()
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Two numbers of mean 0 and spread 1, nearly normal, at most 3.5 away from 0: sums of four 16-bit numbers each.
    pub(super) fn pair(&mut self) -> [f64; 2] {
        [self.word(), self.word()].map(|word| {
            let sum = (0..4).map(|part| (word >> (16 * part)) & 0xffff).sum::<u64>();
            (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
        })
    }

    /// Sixteen bytes, for ids.
    pub(super) fn id(&mut self) -> [u8; 16] {
        let (high, low) = (self.word(), self.word());
        ((u128::from(high) << 64) | u128::from(low)).to_le_bytes()
    }
}
