//! The specification's tests in the unikernel: every third file of the bundled suite, and what the fixtures add to it.
//!
//! `cargo run --release -p spec --bin wast-guest -- --bundled` runs all of them.

use host::spec::suites::{self, ScriptFile};
use spec::runner;
use wasmetal::BoundsChecks;

/// Of so many files in the order of their names one runs.
const EVERY: usize = 3;

#[track_caller]
fn run(scripts: &[ScriptFile], bounds_checks: BoundsChecks) -> usize {
    let summary = runner::run(scripts, bounds_checks, &|_| {});
    let files = summary.files.iter();
    let failures: Vec<String> = files
        .flat_map(|file| file.failures.iter().map(|failure| failure.in_file(&file.name)))
        .collect();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    summary.passed
}

#[test]
fn a_third_of_the_bundled_suite_passes_in_the_guest() {
    let scripts: Vec<_> = suites::bundled().into_iter().step_by(EVERY).collect();
    let passed = run(&scripts, BoundsChecks::Mmu);
    println!("{passed} commands of {} files", scripts.len());
    assert!(passed > 20_000, "only {passed} commands were carried out");
}

#[test]
fn the_older_exception_instructions_pass_in_the_guest() {
    let scripts = suites::read(&fixtures::path("wast")).expect("the folder is there");
    for bounds_checks in [BoundsChecks::Mmu, BoundsChecks::Explicit] {
        assert_eq!(run(&scripts, bounds_checks), 15);
    }
}
