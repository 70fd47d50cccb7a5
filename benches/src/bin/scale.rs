//! Compile time and memory over modules of growing size, one kind after the other, to see that both grow linearly.
//!
//! Each module is compiled in a process of its own (this program again, with `--one`), so that the peak of its memory is its
//! own: `scale [KIND…]`. The sizes are the largest of [`Kind::large`] and fractions of it. The columns `growth` are what the time and
//! the memory per unit have become since the smallest size: 1.0 is linear. Then the module is compiled, linked and run by `host`,
//! which takes the time in the last column; a module that does not compute what it should is no figure.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use fixtures::scale::{self, Kind};
use host::program::Program;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::Instant;
use wasm2obj::CompileOptions;

/// Fractions of the large size that are measured: one in so many.
const FRACTIONS: [u32; 4] = [8, 4, 2, 1];
/// Runs of one size; the fastest counts.
const RUNS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [flag, kind, size] if flag == "--one" => compile_one(kind, size),
        kinds => measure(kinds),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn find_kind(name: &str) -> Result<Kind> {
    Kind::from_name(name).with_context(|| format!("unknown kind `{name}`"))
}

/// What a module prints that has computed what it should.
const RIGHT: &str = "ok\n";

/// What is measured of one module: bytes of the module and the object, milliseconds of compiling, KiB that this takes, and
/// milliseconds from the module to its end.
type Figures = [f64; 5];

/// Compiles one module, then runs it, which prints [`RIGHT`], and prints the [`Figures`].
fn compile_one(kind: &str, size: &str) -> Result<()> {
    let module = scale::module(find_kind(kind)?, size.parse()?);
    // The peak counts from here.
    fs::write("/proc/self/clear_refs", "5")?;
    let before_kib = peak_memory_kib()?;
    let start = Instant::now();
    let object = wasm2obj::compile(&module, &CompileOptions::default())?;
    let time_ms = start.elapsed().as_secs_f64() * 1e3;
    let memory_kib = peak_memory_kib()? - before_kib;
    let start = Instant::now();
    let ended = Program::default().run(&module);
    let run_ms = start.elapsed().as_secs_f64() * 1e3;
    let code = ended.result?;
    ensure!(code == 0, "the module ends with {code}");
    println!(
        "{} {} {time_ms} {memory_kib} {run_ms}",
        module.len(),
        object.bytes.len()
    );
    Ok(())
}

fn peak_memory_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn measure(kinds: &[String]) -> Result<()> {
    let kinds = match kinds {
        [] => Kind::ALL.to_vec(),
        names => names.iter().map(|name| find_kind(name)).collect::<Result<_>>()?,
    };
    println!(
        "{:<10} {:>8} {:>10} {:>10} {:>9} {:>6} {:>9} {:>6} {:>9}",
        "kind", "size", "wasm B", "object B", "ms", "growth", "MiB", "growth", "run ms"
    );
    for kind in kinds {
        let (mut first_rate, mut first_memory) = (None, None);
        for fraction in FRACTIONS {
            let size = kind.large() / fraction;
            let [wasm, object, time_ms, memory_kib, run_ms] = fastest_run(kind, size)?;
            let (rate, memory) = (time_ms / f64::from(size), memory_kib / f64::from(size));
            let growth = rate / *first_rate.get_or_insert(rate);
            let memory_growth = memory / *first_memory.get_or_insert(memory);
            println!(
                "{:<10} {size:>8} {wasm:>10} {object:>10} {time_ms:>9.1} {growth:>6.2} {:>9.1} {memory_growth:>6.2} {run_ms:>9.1}",
                kind.name(),
                memory_kib / 1024.0
            );
        }
    }
    Ok(())
}

/// Returns the figures of the run that compiled fastest.
fn fastest_run(kind: Kind, size: u32) -> Result<Figures> {
    let mut fastest = [f64::MAX; 5];
    for _ in 0..RUNS {
        let output = Command::new(std::env::current_exe()?)
            .args(["--one", kind.name(), &size.to_string()])
            .output()?;
        ensure!(
            output.status.success(),
            "{} {size}: {}",
            kind.name(),
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        let figures = text
            .strip_prefix(RIGHT)
            .context("the module did not say that it is right")?;
        let numbers: Vec<f64> = figures.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let Ok(run) = Figures::try_from(numbers) else {
            bail!("unexpected output: {text}")
        };
        if run[2] < fastest[2] {
            fastest = run;
        }
    }
    Ok(fastest)
}
