//! Reading a body field by field, and writing one. All integers are big-endian.

use crate::float::Float;
use meantime_core::clocks::WallTime;
use meantime_core::units::{Nanos, Ppb};

/// The body ended before its fields did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// What is left of a body.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Ended> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Ended)?;
        self.0 = rest;
        Ok(*head)
    }
    /// Steps over reserved bytes: they belong to the report's nominal length.
    pub fn skip<const N: usize>(&mut self) -> Result<(), Ended> {
        self.array::<N>().map(|_| ())
    }
    pub fn u8(&mut self) -> Result<u8, Ended> {
        self.array().map(u8::from_be_bytes)
    }
    pub fn u16(&mut self) -> Result<u16, Ended> {
        self.array().map(u16::from_be_bytes)
    }
    pub fn u32(&mut self) -> Result<u32, Ended> {
        self.array().map(u32::from_be_bytes)
    }
    pub fn u64(&mut self) -> Result<u64, Ended> {
        self.array().map(u64::from_be_bytes)
    }
    pub fn i8(&mut self) -> Result<i8, Ended> {
        self.array().map(i8::from_be_bytes)
    }
    pub fn i16(&mut self) -> Result<i16, Ended> {
        self.array().map(i16::from_be_bytes)
    }
    fn float(&mut self) -> Result<Float, Ended> {
        self.u32().map(Float)
    }
    /// A float of seconds.
    pub fn seconds(&mut self) -> Result<Nanos, Ended> {
        self.float().map(Float::seconds)
    }
    /// A float of parts per million.
    pub fn ppm(&mut self) -> Result<Ppb, Ended> {
        self.float().map(Float::ppm)
    }
    /// A float without a unit, in thousandths.
    pub fn thousandths(&mut self) -> Result<i64, Ended> {
        self.float().map(|float| float.scaled(1_000))
    }
    /// An age or span in whole seconds; all ones means "never".
    pub fn age(&mut self) -> Result<Option<Nanos>, Ended> {
        self.u32().map(|seconds| (seconds != u32::MAX).then(|| Nanos::from_secs(i64::from(seconds))))
    }
    /// Seconds (high and low word) and nanoseconds since 1970. A high word of 0x7fffffff comes from a sender with
    /// 32-bit time and counts as 0; nanoseconds are cut to below a second.
    pub fn moment(&mut self) -> Result<WallTime, Ended> {
        let high = match self.u32()? {
            0x7fff_ffff => 0,
            high => high,
        };
        let seconds = ((u64::from(high) << 32) | u64::from(self.u32()?)).cast_signed();
        let nanos = self.u32()?.min(999_999_999);
        Ok(WallTime(0) + Nanos::from_secs(seconds) + Nanos(i64::from(nanos)))
    }
}

/// A body being written.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }
    /// A float of seconds.
    pub fn seconds(&mut self, span: Nanos) -> &mut Self {
        self.u32(Float::from_seconds(span).0)
    }
    /// A float of whole units.
    pub fn whole(&mut self, value: i32) -> &mut Self {
        self.u32(Float::from_scaled(i64::from(value) * 1_000, 1_000).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let read = |bytes: [u32; 3]| {
            let flat: Vec<u8> = bytes.iter().flat_map(|word| word.to_be_bytes()).collect();
            Reader(&flat).moment().unwrap()
        };
        assert_eq!(read([0, 0x6b02_11a0, 0x2193_93c3]), WallTime(1_795_297_696_563_319_747));
        assert_eq!(read([0x7fff_ffff, 1, 5]), WallTime(1_000_000_005));
        assert_eq!(read([0, 1, u32::MAX]), WallTime(1_999_999_999));
        assert_eq!(read([0x7fff_fffe, 0, 0]), WallTime(i64::MAX));
        assert_eq!(read([u32::MAX, u32::MAX, 0]), WallTime(-1_000_000_000));
    }

    #[test]
    fn ages_know_never() {
        assert_eq!(Reader(&[0, 0, 0, 7]).age(), Ok(Some(Nanos::from_secs(7))));
        assert_eq!(Reader(&[0xff; 4]).age(), Ok(None));
        assert_eq!(Reader(&[0; 3]).age(), Err(Ended));
    }
}
