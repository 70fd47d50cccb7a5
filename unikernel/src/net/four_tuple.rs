//! The identity of a TCP connection, and a hash for it that a stranger cannot aim at.
//!
//! Peers choose their addresses and ports, so a fixed hash would let one of them fill a single bucket. The hash is a chain of
//! 64 × 64 → 128 bit multiplications with a random key, as wyhash and ahash use it.

use core::hash::{BuildHasher, Hash, Hasher};
use smoltcp::wire::{IpAddress, IpEndpoint};

/// Both ends of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FourTuple {
    /// Our end.
    pub local: IpEndpoint,
    /// The peer's end.
    pub remote: IpEndpoint,
}

impl Hash for FourTuple {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Ports first: what comes before passes through more multiplications, and peers differ in their ports above all.
        state.write_u64(u64::from(self.local.port) << 16 | u64::from(self.remote.port));
        match (self.local.addr, self.remote.addr) {
            (IpAddress::Ipv4(local), IpAddress::Ipv4(remote)) => {
                state.write_u64(u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits()));
            }
            (local, remote) => {
                for address in [local, remote] {
                    if let IpAddress::Ipv6(address) = address {
                        let bits = address.to_bits();
                        state.write_u64(bits as u64);
                        state.write_u64((bits >> 64) as u64);
                    }
                }
            }
        }
    }
}

/// Makes [`FourTupleHasher`]s with one random key.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey(u64);

impl HashKey {
    /// Keeps `seed`, which peers must not know.
    pub fn new(seed: u64) -> Self {
        HashKey(seed)
    }
}

impl BuildHasher for HashKey {
    type Hasher = FourTupleHasher;

    #[inline(always)]
    fn build_hasher(&self) -> FourTupleHasher {
        FourTupleHasher {
            state: self.0,
            key: self.0,
        }
    }
}

/// The hash of one four-tuple.
pub(super) struct FourTupleHasher {
    state: u64,
    key: u64,
}

impl FourTupleHasher {
    #[inline(always)]
    fn fold(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.state ^ word) * u128::from(self.key | ODD);
        self.state = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for FourTupleHasher {
    #[inline(always)]
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.fold(u64::from(byte));
        }
    }

    #[inline(always)]
    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn tuple(remote_address: u8, remote_port: u16) -> FourTuple {
        FourTuple {
            local: IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 80),
            remote: IpEndpoint::new(IpAddress::v4(10, 0, 0, remote_address), remote_port),
        }
    }

    #[test]
    fn neighbouring_tuples_spread_over_the_low_and_the_high_bits() {
        let key = HashKey::new(0x1234_5678_9abc_def1);
        let mut low = HashSet::new();
        let mut high = HashSet::new();
        for port in 0..4096 {
            let hash = key.hash_one(tuple(1, 32768 + port));
            low.insert(hash & 0xfff);
            high.insert(hash >> 52);
        }
        // Random placement leaves 1/e of the 4,096 slots empty.
        assert!(low.len() > 2400 && high.len() > 2400, "{} {}", low.len(), high.len());
    }

    #[test]
    fn the_key_changes_the_hash() {
        assert_ne!(
            HashKey::new(1).hash_one(tuple(1, 1)),
            HashKey::new(2).hash_one(tuple(1, 1))
        );
    }
}
