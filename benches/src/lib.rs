//! Benchmarks of wasmetal against its peers, and what they share.
//!
//! A figure is worth something only with its machine, commit and command, and only ratios from one run are compared: timings
//! on shared machines drift. Each benchmark checks the output of what it times, since a wrong answer is no figure.
//!
//! All results have one form, [`results`], from which `cargo run --release -p benches --bin report` makes `docs/performance.md`; what
//! is asked of them is in [`goals`].
//!
//! - `cargo run --release -p benches --bin compile_time`: compile time and memory against Wasmtime's; `cargo bench -p benches`:
//!   compile time of small modules, by criterion.
//! - `cargo run --release -p benches --bin scale`: compile time and memory over growing modules.
//! - `cargo run --release -p benches --bin counts`: bytes and instructions against a committed baseline.
//! - `cargo run --release -p benches --bin compute`: run time against Wasmtime's and clang's.
//! - `cargo run --release -p benches --bin http`: web servers and bulk transfers against nginx and Linux in a VM.
#![forbid(unsafe_code)]

pub mod goals;
pub mod plot;
pub mod process;
pub mod results;
pub mod wasmtime_program;

use std::process::ExitCode;

/// Returns the exit code of a benchmark, and prints its error if it has failed.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
