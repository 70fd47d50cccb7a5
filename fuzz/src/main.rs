//! Differential testing: random modules, run by wasmetal and by Wasmtime, must do the same.
//!
//! `cargo run --release -p fuzz -- --modules 1000 --seed 1` makes modules with wasm-smith, each from its number alone, so that
//! `--seed N --modules 1` repeats number N. Chunks run in processes of their own: a crash is a finding, not the end. What is
//! compared: whether instantiation succeeds, what every exported function returns for a few arguments or how it traps, the
//! exported globals in between, and all memories and tables in the end. Damaged copies of each module are compiled too: that must
//! give an object or an error, never a panic.
//!
//! Read the library first. Limits: no imports; a call that exhausts the stack ends the comparison of its module, since the two
//! stacks differ.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail};
use clap::Parser;
use fuzz::{compare, module, theirs};
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use wasm2obj::CompileOptions;

/// Modules that one process runs.
const CHUNK: u64 = 200;

/// Damaged copies of each module that are compiled besides.
const DAMAGED: u64 = 8;

/// Compares wasmetal with Wasmtime on random modules
#[derive(Parser)]
struct Options {
    /// Number of the first module
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many modules to run
    #[arg(long, default_value_t = 1000)]
    modules: u64,
    /// Run in this process and print the number of each module (what the command starts its children with)
    #[arg(long, hide = true)]
    child: bool,
    /// Write the module of `--seed` to standard output instead
    #[arg(long)]
    print: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = if options.print {
        print_module(options.seed)
    } else if options.child {
        run_chunk(options.seed, options.modules)
    } else {
        run(&options)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_module(seed: u64) -> Result<()> {
    let wasm = module::generate(seed)?.context("this number makes no module")?;
    Ok(io::stdout().write_all(&wasm)?)
}

/// Runs all modules in chunks and reports what differs.
fn run(options: &Options) -> Result<()> {
    let (mut next, end) = (options.seed, options.seed + options.modules);
    let mut findings = 0u64;
    while next < end {
        let chunk_end = (next + CHUNK).min(end);
        match run_child(next, chunk_end - next)? {
            None => next = chunk_end,
            Some(last) => {
                findings += 1;
                eprintln!("module {last}: see above; repeat with --seed {last} --modules 1");
                next = last + 1;
            }
        }
    }
    println!("{} modules, {findings} of them behave differently", options.modules);
    if findings > 0 {
        bail!("wasmetal and Wasmtime do not agree");
    }
    Ok(())
}

/// Runs a chunk in a process of its own; returns the number of the module at which it failed.
fn run_child(seed: u64, modules: u64) -> Result<Option<u64>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([
            "--child",
            "--seed",
            &seed.to_string(),
            "--modules",
            &modules.to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = BufReader::new(child.stdout.take().context("the output is piped")?);
    let mut last = seed;
    for line in output.lines() {
        last = line?.parse()?;
    }
    let status = child.wait()?;
    Ok((!status.success()).then(|| {
        eprintln!("module {last}: the process ended with {status}");
        last
    }))
}

fn run_chunk(seed: u64, modules: u64) -> Result<()> {
    let engine = theirs::engine()?;
    for number in seed..seed + modules {
        writeln!(io::stdout(), "{number}")?;
        if let Some(wasm) = module::generate(number)? {
            compare::compare(&engine, &wasm, module::Conditions::of(number))
                .with_context(|| format!("module {number}"))?;
            for variant in 0..DAMAGED {
                // An object or an error, as long as it is not the end of the process.
                let damaged = module::damage(number * DAMAGED + variant, &wasm);
                let _ = wasm2obj::compile(&damaged, &CompileOptions::default());
            }
        }
    }
    Ok(())
}
