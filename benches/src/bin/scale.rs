//! Compile time and memory over modules of growing size, one kind after the other, to see that both grow linearly.
//!
//! Each module is compiled in a process of its own (this program again, with `--one`), so that the peak of its memory is its
//! own: `scale [KIND…]`. The sizes are the largest of [`Kind::large`] and fractions of it. The last column is what the time per unit
//! has become since the smallest size: 1.0 is linear.

#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use fixtures::scale::{self, Kind};
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

/// Compiles one module and prints milliseconds and peak memory in KiB.
fn compile_one(kind: &str, size: &str) -> Result<()> {
    let module = scale::module(find_kind(kind)?, size.parse()?);
    let start = Instant::now();
    let object = wasm2obj::compile(&module, &CompileOptions::default())?;
    let time_ms = start.elapsed().as_secs_f64() * 1e3;
    println!(
        "{} {} {time_ms} {}",
        module.len(),
        object.bytes.len(),
        peak_memory_kib()?
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
        "{:<10} {:>8} {:>10} {:>10} {:>9} {:>9} {:>9}",
        "kind", "size", "wasm B", "object B", "ms", "MiB", "growth"
    );
    for kind in kinds {
        let mut first_rate = None;
        for fraction in FRACTIONS {
            let size = kind.large() / fraction;
            let [wasm, object, time_ms, memory_kib] = fastest_run(kind, size)?;
            let rate = time_ms / f64::from(size);
            let growth = rate / *first_rate.get_or_insert(rate);
            println!(
                "{:<10} {size:>8} {wasm:>10} {object:>10} {time_ms:>9.1} {:>9.1} {growth:>9.2}",
                kind.name(),
                memory_kib / 1024.0
            );
        }
    }
    Ok(())
}

/// Returns module bytes, object bytes, milliseconds and KiB of the fastest run.
fn fastest_run(kind: Kind, size: u32) -> Result<[f64; 4]> {
    let mut fastest = [f64::MAX; 4];
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
        let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let Ok(run) = <[f64; 4]>::try_from(numbers) else {
            bail!("unexpected output: {text}")
        };
        if run[2] < fastest[2] {
            fastest = run;
        }
    }
    Ok(fastest)
}
