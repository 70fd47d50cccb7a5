//! Entropy for the seed of the random number generator: the CPU's generator and the jitter of its clock, mixed by ChaCha.
//!
//! Every source adds to what the others give and none can take away: each block of input is absorbed by encrypting under the key
//! that the previous ones made.

use crate::arch::cpu;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SEED_LEN_BYTES: usize = 32;
/// Samples of the clock: far more than 256 bits' worth at one bit for every two samples.
const JITTER_SAMPLES: usize = 1024;

type Seed = [u8; SEED_LEN_BYTES];

/// Fills `seed` from all sources there are.
pub fn fill_seed(seed: &mut Seed) {
    let mut state = [0; SEED_LEN_BYTES];
    let mut has_cpu_generator = true;
    for word in state.chunks_exact_mut(8) {
        match cpu::random_u64() {
            Some(value) => word.copy_from_slice(&value.to_le_bytes()),
            None => has_cpu_generator = false,
        }
    }
    // A CPU without a generator leaves it all to the clock.
    let rounds = if has_cpu_generator {
        1
    } else {
        JITTER_SAMPLES * 8 / SEED_LEN_BYTES
    };
    for _ in 0..rounds {
        absorb(&mut state, &sample_clock());
    }
    *seed = state;
}

/// Returns time stamps of consecutive steps that take a time which nobody can foretell to the tick.
fn sample_clock() -> Seed {
    let mut sample = [0; SEED_LEN_BYTES];
    for word in sample.chunks_exact_mut(8) {
        word.copy_from_slice(&cpu::time_stamp_after_flush().to_le_bytes());
    }
    sample
}

/// Mixes `input` into `state` so that neither can be told from the result.
fn absorb(state: &mut Seed, input: &Seed) {
    for (byte, input) in state.iter_mut().zip(input) {
        *byte ^= input;
    }
    ChaCha20Rng::from_seed(*state).fill_bytes(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_differing_bit_of_input_changes_the_whole_state() {
        let (mut one, mut other) = ([7; SEED_LEN_BYTES], [7; SEED_LEN_BYTES]);
        absorb(&mut one, &[0; SEED_LEN_BYTES]);
        let mut input = [0; SEED_LEN_BYTES];
        input[31] = 1;
        absorb(&mut other, &input);
        let equal = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(equal < 8, "{equal} of 32 bytes are equal");
    }
}
