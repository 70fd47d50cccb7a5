//! A hash map whose keys are numbers: of nodes, and on a disk of blocks, inodes or groups.
//!
//! The hash is a multiplication: numbers on a hostile disk can make it slow, but only in proportion to what is in memory.

use core::hash::{BuildHasherDefault, Hasher};

/// The map. A key hashes as one number of at most 64 bits.
pub type NumberMap<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// The hash function.
#[derive(Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The map looks at the top bits and at the bottom ones.
        self.0 = product ^ (product >> 32);
    }
}
