//! Random numbers: a cryptographic generator (ChaCha12) seeded by the machine before the first byte and again and again later.
//!
//! The generator makes a block at a time under a key that is used once: the block's first bytes are the key of the next one, and what
//! is handed out is erased ("fast key erasure"). So whoever sees the memory learns nothing of numbers that were handed out before.
//! Each reseeding mixes fresh entropy into the key, so weak entropy never makes it worse. Twelve rounds are what Rust's `StdRng` has;
//! no attack reaches beyond seven, and twenty take a program that asks for 16 bytes at a time half as long again.

use crate::platform::{Installed, Platform};
use core::mem;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Bytes that may be produced from one seed.
const RESEED_INTERVAL_BYTES: u64 = 16 << 20;

const KEY_LEN_BYTES: usize = 32;
/// Four times what the generator makes at once, so that setting up a key for it costs little.
const BLOCK_LEN_BYTES: usize = 1024;

/// What is handed out at a time; most programs ask for just so much, a key for hashing, and one register holds it.
type Piece = [u8; PIECE_LEN_BYTES];
const PIECE_LEN_BYTES: usize = 16;

/// A generator of random bytes.
pub struct RandomSource {
    /// The next key, then what was not handed out yet, at the end.
    block: [u8; BLOCK_LEN_BYTES],
    /// Where the latter begins.
    start: usize,
    /// How much may be handed out before the next reseeding.
    left_bytes: u64,
}

impl Default for RandomSource {
    fn default() -> Self {
        Self::new()
    }
}

impl RandomSource {
    /// Makes a generator. It is seeded when it is first used.
    pub const fn new() -> Self {
        RandomSource {
            block: [0; BLOCK_LEN_BYTES],
            start: BLOCK_LEN_BYTES,
            left_bytes: 0,
        }
    }

    /// Fills `buffer` with random bytes.
    pub fn fill(&mut self, platform: &mut Installed, buffer: &mut [u8]) {
        let mut rest = buffer;
        while !rest.is_empty() {
            if self.start == BLOCK_LEN_BYTES {
                self.make_block(platform);
            }
            let made = &mut self.block[self.start..];
            let len_bytes = rest.len().min(made.len()).min(PIECE_LEN_BYTES);
            let (part, after) = rest.split_at_mut(len_bytes);
            let made = &mut made[..len_bytes];
            match (<&mut Piece>::try_from(&mut *part), <&mut Piece>::try_from(&mut *made)) {
                (Ok(part), Ok(made)) => *part = mem::take(made),
                _ => {
                    part.copy_from_slice(made);
                    made.fill(0);
                }
            }
            self.start += len_bytes;
            rest = after;
        }
    }

    #[inline(never)]
    fn make_block(&mut self, platform: &mut Installed) {
        let mut key = [0; KEY_LEN_BYTES];
        key.copy_from_slice(&self.block[..KEY_LEN_BYTES]);
        if self.left_bytes < BLOCK_LEN_BYTES as u64 {
            let mut seed = [0; KEY_LEN_BYTES];
            platform.fill_entropy(&mut seed);
            for (byte, fresh) in key.iter_mut().zip(seed) {
                *byte ^= fresh;
            }
            self.left_bytes = RESEED_INTERVAL_BYTES;
        }
        ChaCha12Rng::from_seed(key).fill_bytes(&mut self.block);
        self.start = KEY_LEN_BYTES;
        self.left_bytes -= BLOCK_LEN_BYTES as u64;
    }
}

#[cfg(all(test, not(feature = "kernel")))]
mod tests {
    use super::*;
    use crate::platform::{OutputStream, StdinRead};
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;

    /// A machine of which only the entropy is asked for, which is always the same.
    struct Entropy;

    impl Platform for Entropy {
        fn fill_entropy(&mut self, seed: &mut [u8; 32]) {
            seed.fill(1);
        }

        fn monotonic_ns(&mut self) -> u64 {
            0
        }

        fn wall_clock_ns(&mut self) -> u64 {
            0
        }

        fn write(&mut self, _: OutputStream, _: &[u8]) {}

        fn is_terminal(&self, _: u32) -> bool {
            false
        }

        fn read_stdin(&mut self, _: &mut [u8]) -> StdinRead {
            StdinRead::End
        }

        fn is_stdin_ready(&mut self) -> bool {
            true
        }

        fn wait(&mut self, _: Option<u64>) {}

        fn exit(&mut self, _: u32) -> ! {
            panic!("nothing exits")
        }
    }

    fn bytes(lengths: &[usize]) -> Vec<u8> {
        let mut platform: Installed = Box::new(Entropy);
        let mut source = RandomSource::new();
        let mut all = Vec::new();
        for &length in lengths {
            let mut part = vec![0; length];
            source.fill(&mut platform, &mut part);
            all.extend(part);
        }
        all
    }

    #[test]
    fn the_bytes_do_not_depend_on_how_many_are_asked_for_at_a_time() {
        let whole = bytes(&[1000]);
        assert_eq!(bytes(&[1, 222, 1, 0, 300, 476]), whole);
        let zeros = whole.iter().filter(|&&byte| byte == 0).count();
        assert!(zeros < 30, "{zeros} of 1000 bytes are zero");
    }

    #[test]
    fn what_was_handed_out_is_erased() {
        let mut platform: Installed = Box::new(Entropy);
        let mut source = RandomSource::new();
        let mut part = [0; 64];
        source.fill(&mut platform, &mut part);
        assert_eq!(source.block[KEY_LEN_BYTES..KEY_LEN_BYTES + 64], [0; 64]);
        assert_ne!(source.block[..KEY_LEN_BYTES], part[..KEY_LEN_BYTES]);
    }
}
