//! A hash map whose keys are numbers of blocks, inodes or groups.
//!
//! The hash is a multiplication: numbers on a hostile disk can make it slow, but only in proportion to what is in memory.

use core::hash::{BuildHasherDefault, Hasher};

/// The map.
pub type NumberMap<V> = hashbrown::HashMap<u32, V, BuildHasherDefault<NumberHasher>>;

/// The hash function.
#[derive(Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let product = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The map looks at the top bits and at the bottom ones.
        self.0 = product ^ (product >> 32);
    }
}
