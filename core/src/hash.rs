//! A number that stands for a text: the same in every process and release. It spreads names; it protects nothing.

/// FNV-1a, 64 bits (offset basis and prime of draft-eastlake-fnv; needs no crate).
pub fn fnv(bytes: &[u8]) -> u64 {
    fnv_on(0xcbf2_9ce4_8422_2325, bytes)
}

/// The same of a longer text: `fnv_on(fnv(a), b)` is that of `a` and `b` in one.
pub fn fnv_on(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{fnv, fnv_on};

    /// The draft's own vectors.
    #[test]
    fn the_published_vectors() {
        let found = ["", "a", "foobar"].map(|text| fnv(text.as_bytes()));
        assert_eq!(found, [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]);
        assert_eq!(fnv_on(fnv(b"foo"), b"bar"), fnv(b"foobar"));
    }
}
