//! What is generated: modules of every feature that the compiler has, small enough to be many, and sure to end.

use anyhow::Result;
use arbitrary::Unstructured;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use wasm_smith::{Config, Module};
use wasm2obj::{BoundsChecks, Cpu};

/// Loop iterations and calls that a module may make in all.
const FUEL: u32 = 10_000;

/// Bytes of randomness for one module.
const ENTROPY_LEN_BYTES: usize = 8192;

/// Makes the module of that number, or none where the generator runs out of randomness.
///
/// # Errors
/// If the generator makes a module that cannot be given fuel.
pub fn generate(number: u64) -> Result<Option<Vec<u8>>> {
    let mut entropy = vec![0; ENTROPY_LEN_BYTES];
    ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut entropy);
    from_entropy(number, &entropy)
}

/// Makes a module of random bytes, with the configuration of a number, or none where the bytes run out.
///
/// # Errors
/// If the generator makes a module that cannot be given fuel.
pub fn from_entropy(number: u64, entropy: &[u8]) -> Result<Option<Vec<u8>>> {
    let Ok(mut module) = Module::new(configuration(number), &mut Unstructured::new(entropy)) else {
        return Ok(None);
    };
    module.ensure_termination(FUEL)?;
    Ok(Some(module.to_bytes()))
}

/// Damages a module of that number: a few bytes become others, or are left out, so that most of it still makes sense.
pub fn damage(number: u64, wasm: &[u8]) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(!number);
    let mut bytes = wasm.to_vec();
    for _ in 0..1 + random.next_u32() % 3 {
        let place = random.next_u64() as usize % bytes.len();
        match random.next_u32() % 4 {
            0 if bytes.len() > 1 => drop(bytes.remove(place)),
            1 => bytes[place] = bytes[place].wrapping_add(1),
            2 => bytes[place] ^= 1 << (random.next_u32() % 8),
            _ => bytes[place] = random.next_u32() as u8,
        }
    }
    bytes
}

/// All that the compiler has is on: wasm-smith's defaults (multi-value, references, bulk memory, SIMD, tail calls, exceptions,
/// memories of 64-bit addresses, extended constants, wide arithmetic) and what is named here.
fn configuration(number: u64) -> Config {
    Config {
        export_everything: true,
        canonicalize_nans: true,
        min_funcs: 1,
        min_exports: 1,
        max_funcs: 12,
        max_instructions: 400,
        max_imports: 0,
        max_memories: 1 + (number % 3) as usize,
        max_tables: 1 + (number % 3) as usize,
        max_memory32_bytes: 1 << 22,
        max_memory64_bytes: 1 << 22,
        memory_max_size_required: true,
        table_max_size_required: true,
        max_table_elements: 1000,
        // Most modules rather compute than trap.
        disallow_traps: !number.is_multiple_of(4),
        custom_page_sizes_enabled: true,
        relaxed_simd_enabled: Conditions::of(number).rounds_once(),
        // Not compiled: garbage collection, threads, and the short form of imports.
        gc_enabled: false,
        threads_enabled: false,
        compact_imports_enabled: false,
        ..Config::default()
    }
}

/// How our side compiles a module. They take turns, so that every few modules meet all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How accesses are checked.
    pub bounds_checks: BoundsChecks,
    /// The CPU that code relies on.
    pub cpu: Cpu,
}

impl Conditions {
    /// Returns the conditions of the module of that number.
    pub fn of(number: u64) -> Conditions {
        Conditions {
            bounds_checks: [BoundsChecks::Mmu, BoundsChecks::Explicit][(number / 3 % 2) as usize],
            cpu: [Cpu::Default, Cpu::Baseline, Cpu::Native][(number % 3) as usize].clone(),
        }
    }

    /// Tells whether `relaxed_madd` rounds once, as Wasmtime's deterministic form does: then relaxed SIMD can be compared.
    fn rounds_once(&self) -> bool {
        self.cpu == Cpu::Native && std::arch::is_x86_feature_detected!("fma")
    }
}
