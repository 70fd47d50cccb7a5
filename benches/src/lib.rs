//! Benchmarks of wasmetal against its peers, and what they share: the workloads.
//!
//! A figure is worth something only with its machine, commit and command, and only ratios from one run are compared: timings
//! on shared machines drift. Each benchmark checks the output of what it times, since a wrong answer is no figure.
//!
//! All results have one form, [`results`], from which `cargo run --release -p benches --bin report` makes `docs/performance.md`.
//!
//! - `cargo bench -p benches --bench compile_time`: compile time against Wasmtime's.
//! - `cargo run --release -p benches --bin scale`: compile time and memory over growing modules.
//! - `cargo run --release -p benches --bin counts`: bytes and instructions against a committed baseline.
//! - `cargo run --release -p benches --bin compute`: run time against Wasmtime's and clang's.
#![forbid(unsafe_code)]

pub mod plot;
pub mod results;
pub mod wasmtime_program;

use std::fs;

/// Modules that are compiled together and timed as one.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Name, such as `shootout`.
    pub name: &'static str,
    /// The modules' bytes.
    pub modules: Vec<Vec<u8>>,
}

impl Workload {
    /// Returns the size of all modules together.
    pub fn len_bytes(&self) -> u64 {
        self.modules.iter().map(|module| module.len() as u64).sum()
    }
}

/// Workloads of the sightglass suite, by the beginning of the programs' names.
const SIGHTGLASS_WORKLOADS: [&str; 4] = ["shootout", "bz2", "regex", "sqlite3"];

/// Returns the workloads for compile time, or `None` where the sightglass suite is absent.
///
/// # Panics
/// Panics if the suite is there but incomplete or unreadable.
pub fn compile_workloads() -> Option<Vec<Workload>> {
    let programs = fixtures::sightglass()?;
    let workload = |name: &'static str| {
        let members = programs.iter().filter(|program| program.name.starts_with(name));
        let read = |program: &fixtures::Program| fs::read(&program.wasm).expect("the suite is readable");
        let modules: Vec<_> = members.map(read).collect();
        assert!(!modules.is_empty(), "sightglass has no program {name}");
        Workload { name, modules }
    };
    Some(SIGHTGLASS_WORKLOADS.into_iter().map(workload).collect())
}
