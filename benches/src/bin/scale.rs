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

/// Fractions of the large size that are measured: one in so many. (Smaller modules fit the caches better, which looks like growth; and
/// what grows with the square of the size shows most between the largest.)
const FRACTIONS: [u32; 3] = [4, 2, 1];

/// What time or memory per unit may become from one size to the next: more than caches and noise explain, and less than what work
/// that grows with the square of the size would make it, which is 2.
const MAX_GROWTH: f64 = 1.25;

/// How many times the usual rounds two sizes may run again that have too much growth between them.
const FURTHER_ROUNDS: u32 = 4;

/// Measures how compile time and memory grow with the module
#[derive(Parser)]
struct Options {
    /// What grows: body, locals, br-table, functions, table [default: all]
    #[arg(value_parser = find_kind)]
    kinds: Vec<Kind>,
    /// Runs of one size; the least of each figure counts
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
        let best = best_runs(kind.large(), rounds, |size| run_child(kind, size))?;
        superlinear.extend(steep_steps(&best).map(|step| format!("{} {}", kind.name(), best[step].0)));
        for (step, (size, [module, object, time_ms, cpu_ms, memory_kib, run_ms])) in best.into_iter().enumerate() {
            let growths = (step > 0).then(|| growths(&best, step));
            let values = [
                Some(f64::from(size)),
                Some(module / 1e3),
                Some(object / 1e3),
                Some(time_ms),
                Some(cpu_ms / f64::from(size) * 1e3),
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
    if kinds.len() == Kind::ALL.len() {
        table.publish()?;
    } else {
        print!("{table}");
    }
    ensure!(superlinear.is_empty(), "not linear: {}", superlinear.join(", "));
    Ok(())
}

/// The sizes, from the smallest, with the least of each figure over all runs.
type BestRuns = [(u32, Figures); FRACTIONS.len()];

/// Runs all sizes in turn, round after round. Whatever else the machine does only adds to a figure, so two sizes with too much growth
/// between them run again, and again: what is left in the end is due to the compiler.
fn best_runs(large: u32, rounds: u32, mut run: impl FnMut(u32) -> Result<Figures>) -> Result<BestRuns> {
    let mut best = FRACTIONS.map(|fraction| (large / fraction, [f64::MAX; 6]));
    let mut run_again = |(size, best): &mut (u32, Figures)| -> Result<()> {
        for (best, figure) in best.iter_mut().zip(run(*size)?) {
            *best = best.min(figure);
        }
        Ok(())
    };
    for _ in 0..rounds {
        best.iter_mut().try_for_each(&mut run_again)?;
    }
    for _ in 0..FURTHER_ROUNDS * rounds {
        let steep: Vec<usize> = steep_steps(&best).collect();
        for &step in &steep {
            best[step - 1..=step].iter_mut().try_for_each(&mut run_again)?;
        }
        if steep.is_empty() {
            break;
        }
    }
    Ok(best)
}

/// Returns what CPU time and memory per unit have become since the size before.
fn growths(best: &BestRuns, step: usize) -> [f64; 2] {
    let rates =
        |(size, [.., cpu_ms, memory_kib, _]): (u32, Figures)| [cpu_ms, memory_kib].map(|value| value / f64::from(size));
    let (smaller, larger) = (rates(best[step - 1]), rates(best[step]));
    [larger[0] / smaller[0], larger[1] / smaller[1]]
}

/// Returns the steps, by the index of the larger size, between which time or memory grows too much.
fn steep_steps(best: &BestRuns) -> impl Iterator<Item = usize> {
    let is_steep = |&step: &usize| growths(best, step).iter().any(|&growth| growth > MAX_GROWTH);
    (1..best.len()).filter(is_steep)
}

fn run_child(kind: Kind, size: u32) -> Result<Figures> {
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
    let Ok(figures) = Figures::try_from(numbers) else {
        bail!("unexpected output: {text}")
    };
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of a compiler that takes so many milliseconds and so many KiB.
    fn figures(cpu_ms: f64, memory_kib: f64) -> Figures {
        [1.0, 1.0, cpu_ms, cpu_ms, memory_kib, 1.0]
    }

    #[test]
    fn a_disturbed_measurement_is_repeated_until_it_is_undisturbed() {
        let mut disturbed = 5;
        let best = best_runs(800, 2, |size| {
            let is_disturbed = size == 400 && disturbed > 0;
            disturbed -= u32::from(is_disturbed);
            let factor = if is_disturbed { 1.5 } else { 1.0 };
            Ok(figures(factor * f64::from(size), f64::from(size)))
        });
        assert_eq!(steep_steps(&best.expect("runs")).count(), 0);
    }

    #[test]
    fn time_or_memory_that_grows_with_the_square_is_found_however_often_it_is_measured() {
        let mut runs = 0;
        for grows in [[2, 1], [1, 2]] {
            let best = best_runs(800, 2, |size| {
                runs += 1;
                let [cpu_ms, memory_kib] = grows.map(|power| f64::from(size).powi(power));
                Ok(figures(cpu_ms, memory_kib))
            });
            assert!(steep_steps(&best.expect("runs")).eq([1, 2]));
        }
        assert!(runs < 200, "{runs} runs: the rounds are not bounded");
    }
}
