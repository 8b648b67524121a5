//! A hash for keys of a few numbers, which nobody outside chooses: the letters of a row.

use std::hash::{BuildHasherDefault, Hasher};

/// Builds [`Mix`].
pub(super) type BuildMix = BuildHasherDefault<Mix>;

/// Multiplies and folds: each number costs one multiplication, where the standard library's hash costs tens.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        // The golden ratio, which has no short period in binary.
        let product = u128::from(self.0 ^ number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
