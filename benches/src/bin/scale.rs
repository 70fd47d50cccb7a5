//! Compile time and memory over modules of growing size, one kind after the other, and whether both grow linearly.
//!
//! `scale [KIND…]`. Each module is compiled in a process of its own (this program again, with `--one`), so that the peak of
//! its memory is its own. The sizes are the largest of [`Kind::large`] and fractions of it. Then the module is compiled, linked and run
//! by `host`, which takes the time in the last column; a module that does not compute what it should is no figure. The columns `growth`
//! are what CPU time and memory per unit have become since half the size: 1 is linear, and more than [`MAX_GROWTH`] fails.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use benches::process;
use benches::results::{Column, Plot, Table};
use clap::Parser;
use fixtures::scale::{self, Kind};
use host::program::Program;
use std::process::{Command, ExitCode};
use std::time::Instant;
use wasm2obj::CompileOptions;

/// Fractions of the large size that are measured: one in so many.
const FRACTIONS: [u32; 4] = [8, 4, 2, 1];

/// What time or memory per unit may become from one size to the next: more than caches and noise explain, and less than what work
/// that grows with the square of the size would make it, which is 2.
const MAX_GROWTH: f64 = 1.25;

/// Measures how compile time and memory grow with the module
#[derive(Parser)]
struct Options {
    /// What grows: body, locals, br-table, functions, table [default: all]
    #[arg(value_parser = find_kind)]
    kinds: Vec<Kind>,
    /// Runs of one size; the fastest counts
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Compile one module of that size in this process (what the command starts its children with)
    #[arg(long, hide = true)]
    one: Option<u32>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::exit_code(match (options.one, &options.kinds[..]) {
        (Some(size), &[kind]) => compile_one(kind, size),
        (_, []) => measure(&Kind::ALL, options.rounds),
        (_, kinds) => measure(kinds, options.rounds),
    })
}

fn find_kind(name: &str) -> Result<Kind> {
    Kind::from_name(name).with_context(|| format!("unknown kind `{name}`"))
}

/// What a module prints that has computed what it should.
const RIGHT: &str = "ok\n";

/// What is measured of one module: bytes of the module and the object, milliseconds of compiling, on the clock and of all CPUs, KiB
/// that this takes, and milliseconds from the module to its end.
type Figures = [f64; 6];

/// Compiles one module, then runs it, which prints [`RIGHT`], and prints the [`Figures`].
fn compile_one(kind: Kind, size: u32) -> Result<()> {
    let module = scale::module(kind, size);
    process::reset_peak_memory()?;
    let before_kib = process::peak_memory_kib()?;
    let (start, cpu_before) = (Instant::now(), process::cpu_time()?);
    let object = wasm2obj::compile(&module, &CompileOptions::default())?;
    let time_ms = start.elapsed().as_secs_f64() * 1e3;
    let cpu_ms = (process::cpu_time()? - cpu_before).as_secs_f64() * 1e3;
    let memory_kib = process::peak_memory_kib()? - before_kib;
    let start = Instant::now();
    let ended = Program::default().run(&module);
    let run_ms = start.elapsed().as_secs_f64() * 1e3;
    let code = ended.result?;
    ensure!(code == 0, "the module ends with {code}");
    println!(
        "{} {} {time_ms} {cpu_ms} {memory_kib} {run_ms}",
        module.len(),
        object.bytes.len()
    );
    Ok(())
}

fn measure(kinds: &[Kind], rounds: u32) -> Result<()> {
    let columns = [
        Column::new("size", "", 0),
        Column::new("module", "KB", 0),
        Column::new("object", "KB", 0),
        Column::new("time", "ms", 1),
        Column::new("CPU per unit", "µs", 3),
        Column::new("time growth", "", 2),
        Column::new("memory", "MiB", 1),
        Column::new("memory growth", "", 2),
        Column::new("to its end", "ms", 1),
    ];
    let mut table = Table::new("scale", "Compile time and memory over growing modules", "kind", columns);
    let mut superlinear = Vec::new();
    for &kind in kinds {
        let mut smaller = None;
        for fraction in FRACTIONS {
            let size = kind.large() / fraction;
            let [module, object, time_ms, cpu_ms, memory_kib, run_ms] = best_run(kind, size, rounds)?;
            let rates = [cpu_ms, memory_kib].map(|value| value / f64::from(size));
            let growths = smaller.map(|smaller: [f64; 2]| [rates[0] / smaller[0], rates[1] / smaller[1]]);
            smaller = Some(rates);
            if growths.is_some_and(|growths| growths.iter().any(|&growth| growth > MAX_GROWTH)) {
                superlinear.push(format!("{} {size}", kind.name()));
            }
            let values = [
                Some(f64::from(size)),
                Some(module / 1e3),
                Some(object / 1e3),
                Some(time_ms),
                Some(rates[0] * 1e3),
                growths.map(|[time, _]| time),
                Some(memory_kib / 1024.0),
                growths.map(|[_, memory]| memory),
                Some(run_ms),
            ];
            table.push(kind.name(), values);
        }
    }
    table.notes.push(format!(
        "Growth is that of CPU time and memory per unit since half the size; more than {MAX_GROWTH} fails the command."
    ));
    table.plot = Some(Plot::Lines {
        x: "module".to_owned(),
        y: "time".to_owned(),
        logarithmic: true,
    });
    table.publish()?;
    ensure!(superlinear.is_empty(), "not linear: {}", superlinear.join(", "));
    Ok(())
}

/// Returns the figures of the run that took the least CPU time.
fn best_run(kind: Kind, size: u32, rounds: u32) -> Result<Figures> {
    let mut best = [f64::MAX; 6];
    for _ in 0..rounds {
        let output = Command::new(std::env::current_exe()?)
            .args(["--one", &size.to_string(), kind.name()])
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
        if run[3] < best[3] {
            best = run;
        }
    }
    Ok(best)
}
