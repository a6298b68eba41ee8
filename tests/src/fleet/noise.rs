//! Seeded noise: xorshift64*. The same seed gives the same world; nothing else is drawn anywhere.

/// A stream of noise.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// A stream of its own for each seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// 0 … most − 1.
    pub fn below(&mut self, most: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1;
        i64::try_from(drawn).unwrap_or(0) % most.max(1)
    }
    /// −most … most.
    pub fn around(&mut self, most: i64) -> i64 {
        self.below(2 * most + 1) - most
    }
}
