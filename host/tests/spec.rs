//! The specification's test suite, all of it, with both ways to check bounds.

use host::StoreOptions;
use host::spec::expectations::Expectations;
use host::spec::pool;
use host::spec::suites::{self, ScriptFile};
use std::path::Path;
use wasm2obj::{BoundsChecks, Cpu};

fn run(scripts: &[ScriptFile], bounds_checks: BoundsChecks) {
    run_with(
        scripts,
        &StoreOptions {
            bounds_checks,
            ..StoreOptions::default()
        },
    );
}

fn run_with(scripts: &[ScriptFile], options: &StoreOptions) {
    let program = Path::new(env!("CARGO_BIN_EXE_wast"));
    let summary = pool::run(program, scripts, options, &Expectations::built_in(), &|_| {});
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
    println!(
        "{} commands run, {} passed, {} skipped",
        summary.run, summary.passed, summary.skipped
    );
}

fn run_shared(bounds_checks: BoundsChecks) {
    match fixtures::shared("spec") {
        Some(folder) => run(&suites::read(&folder).unwrap(), bounds_checks),
        None => fixtures::skip("WebAssembly/testsuite", "it is not beside the workspace"),
    }
}

#[test]
fn the_bundled_suite_passes_with_mmu_bounds_checks() {
    run(&suites::bundled(), BoundsChecks::Mmu);
}

#[test]
fn the_bundled_suite_passes_with_explicit_bounds_checks() {
    run(&suites::bundled(), BoundsChecks::Explicit);
}

#[test]
fn rounding_and_shuffling_pass_on_a_cpu_without_instructions_for_them() {
    let files = [
        "f32.wast",
        "f64.wast",
        "simd_f32x4_rounding.wast",
        "simd_f64x2_rounding.wast",
        "simd_lane.wast",
    ];
    let is_named = |script: &ScriptFile, file: &str| script.name.ends_with(&format!("/{file}"));
    let mut scripts = suites::bundled();
    scripts.retain(|script| files.iter().any(|file| is_named(script, file)));
    for file in files {
        assert!(
            scripts.iter().any(|script| is_named(script, file)),
            "the suite has no {file} now"
        );
    }
    let options = StoreOptions {
        cpu: Cpu::Baseline,
        ..StoreOptions::default()
    };
    run_with(&scripts, &options);
}

#[test]
fn the_shared_suite_passes_with_mmu_bounds_checks() {
    run_shared(BoundsChecks::Mmu);
}

#[test]
fn the_shared_suite_passes_with_explicit_bounds_checks() {
    run_shared(BoundsChecks::Explicit);
}

#[test]
fn the_older_exception_instructions_pass() {
    let scripts = suites::read(&fixtures::path("wast")).unwrap();
    for bounds_checks in [BoundsChecks::Mmu, BoundsChecks::Explicit] {
        run(&scripts, bounds_checks);
    }
}
