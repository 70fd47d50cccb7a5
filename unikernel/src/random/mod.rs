//! Random numbers: a cryptographic generator (ChaCha20) seeded by the machine before the first byte and again and again later.
//!
//! Each reseeding mixes fresh entropy with the generator's own output, so weak entropy never makes it worse.

use crate::platform::{Installed, Platform};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Bytes that may be produced from one seed.
const RESEED_INTERVAL_BYTES: u64 = 16 << 20;

/// A generator of random bytes.
#[derive(Default)]
pub struct RandomSource {
    generator: Option<ChaCha20Rng>,
    left_bytes: u64,
}

impl RandomSource {
    /// Makes a generator. It is seeded when it is first used.
    pub const fn new() -> Self {
        RandomSource {
            generator: None,
            left_bytes: 0,
        }
    }

    /// Fills `buffer` with random bytes.
    pub fn fill(&mut self, platform: &mut Installed, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(RESEED_INTERVAL_BYTES as usize) {
            let len_bytes = part.len() as u64;
            match &mut self.generator {
                Some(generator) if self.left_bytes >= len_bytes => generator.fill_bytes(part),
                _ => self.reseed(platform).fill_bytes(part),
            }
            self.left_bytes = self.left_bytes.saturating_sub(len_bytes);
        }
    }

    fn reseed(&mut self, platform: &mut Installed) -> &mut ChaCha20Rng {
        let mut seed = [0; 32];
        platform.fill_entropy(&mut seed);
        if let Some(old) = &mut self.generator {
            let mut mixed = [0; 32];
            old.fill_bytes(&mut mixed);
            for (byte, old) in seed.iter_mut().zip(mixed) {
                *byte ^= old;
            }
        }
        self.left_bytes = RESEED_INTERVAL_BYTES;
        self.generator.insert(ChaCha20Rng::from_seed(seed))
    }
}
