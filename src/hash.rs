//! A short checksum that is the same everywhere and always, which the standard library's hasher does not
//! promise: FNV-1a, 64 bits (Fowler, Noll & Vo). It detects mistakes, not forgeries.

/// The checksum of bytes, as 16 hexadecimal digits.
pub(crate) fn checksum(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a() {
        // The authors' own test vectors.
        assert_eq!(checksum(*b""), "cbf29ce484222325");
        assert_eq!(checksum(*b"a"), "af63dc4c8601ec8c");
        assert_eq!(checksum(*b"foobar"), "85944171f73967e8");
    }
}
