//! Compile time and memory of wasm2obj against Wasmtime's: the same modules, the same generation of Cranelift, the same level of
//! optimization and number of threads, both for the CPU of this machine.
//!
//! `compile_time [--rounds N] [--threads N] [FILE…]`. Without files, the programs of sightglass and those that `fixtures/fetch` has
//! installed, from 50 KB to 69 MB; then a figure that misses a goal fails the command. Each compilation is a process of its own (this
//! program again, with `--one`), so that the peak of its memory is its own and no side finds warm caches of the allocator; the sides
//! take turns, and each side's best run counts. What is timed is bytes to bytes: validation, translation, code generation and the ELF
//! file in memory. Ratios below 1 mean that wasm2obj needs less.
//!
//! The last row shows whether the cost grows with the module: CPU time for a byte of the code section, in the module where it is most
//! over that where it is least. Programs differ, too, as the same of Wasmtime shows.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, anyhow, bail, ensure};
use benches::goals;
use benches::process;
use benches::results::{Column, Plot, Table};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use wasm2obj::{CompileOptions, Cpu};
use wasmparser::{Parser as WasmParser, Payload};

/// Measures compile time and memory against Wasmtime's
#[derive(Parser)]
struct Options {
    /// Modules to compile instead of the usual ones
    files: Vec<PathBuf>,
    /// Runs of each module by each side; large modules get fewer
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Threads of both sides [default: one per CPU]
    #[arg(long)]
    threads: Option<usize>,
    /// Compile the files by one side in this process (what the command starts its children with)
    #[arg(long, hide = true, requires_all = ["effort", "files"])]
    one: Option<Side>,
    /// The level of optimization for `--one`
    #[arg(long, hide = true)]
    effort: Option<Effort>,
}

/// Who compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// wasm2obj.
    Wasm2obj,
    /// Wasmtime.
    Wasmtime,
}

/// The level of optimization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Effort {
    /// As both come.
    Speed,
    /// `--opt none`.
    None,
}

/// Modules that one process compiles, one after the other.
#[derive(Default)]
struct Workload {
    name: String,
    files: Vec<PathBuf>,
    len_bytes: u64,
    code_len_bytes: u64,
}

/// What compiling takes.
#[derive(Clone, Copy)]
struct Figures {
    wall_ms: f64,
    cpu_ms: f64,
    peak_mib: f64,
}

/// The size below which modules are compiled together: one of them takes no time that can be measured.
const SMALL_MODULE_BYTES: u64 = 50_000;

/// The time after which a module gets no further round: what takes longer is little disturbed.
const ROUNDS_TIME: Duration = Duration::from_secs(45);

/// Programs that `fixtures/fetch` installs.
const THIRD_PARTY: [&str; 8] = [
    "boolector",
    "php",
    "wasm-ld",
    "esbuild",
    "python",
    "ruby",
    "clang",
    "yosys",
];

fn main() -> ExitCode {
    let options = Options::parse();
    benches::exit_code(match (options.one, options.effort) {
        (Some(side), Some(effort)) => compile_one(side, effort, &options.files),
        _ => measure(&options),
    })
}

/// Compiles in this process and prints what that took.
fn compile_one(side: Side, effort: Effort, files: &[PathBuf]) -> Result<()> {
    let modules: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
    let (start, cpu_before) = (Instant::now(), process::cpu_time()?);
    for module in &modules {
        ensure!(compile(side, effort, module)?.starts_with(b"\x7fELF"), "no ELF file");
    }
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    let cpu_ms = (process::cpu_time()? - cpu_before).as_secs_f64() * 1e3;
    let peak_mib = process::peak_memory_kib()? as f64 / 1024.0;
    println!("{wall_ms} {cpu_ms} {peak_mib}");
    Ok(())
}

fn compile(side: Side, effort: Effort, module: &[u8]) -> Result<Vec<u8>> {
    match side {
        Side::Wasm2obj => {
            let options = CompileOptions {
                cpu: Cpu::Native,
                opt_level: match effort {
                    Effort::Speed => wasm2obj::OptLevel::Speed,
                    Effort::None => wasm2obj::OptLevel::None,
                },
                ..CompileOptions::default()
            };
            Ok(wasm2obj::compile(module, &options)?.bytes)
        }
        Side::Wasmtime => {
            let mut config = wasmtime::Config::new();
            config.wasm_exceptions(true).cranelift_opt_level(match effort {
                Effort::Speed => wasmtime::OptLevel::Speed,
                Effort::None => wasmtime::OptLevel::None,
            });
            let object = wasmtime::Engine::new(&config).and_then(|engine| engine.precompile_module(module));
            object.map_err(|error| anyhow!("Wasmtime: {error:#}"))
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let threads = options
        .threads
        .or_else(|| Some(std::thread::available_parallelism().ok()?.get()))
        .context("the number of CPUs is unknown: use --threads")?;
    let mut table = Table::new("compile_time", "Compile time and memory", "module", columns());
    let workloads = workloads(&options.files)?;
    let small_workloads = workloads.iter().filter(|workload| workload.files.len() > 1).count();
    let progress = progress_bar(workloads.len());
    for workload in workloads {
        progress.set_message(workload.name.clone());
        let [ours, theirs, ours_none, theirs_none] = measure_one(&workload, options.rounds, threads)?;
        let cpu_per_byte = |figures: Figures| figures.cpu_ms * 1e3 / workload.code_len_bytes as f64;
        let values = [
            workload.len_bytes as f64 / 1e3,
            workload.code_len_bytes as f64 / 1e3,
            ours.wall_ms,
            cpu_per_byte(ours),
            cpu_per_byte(theirs),
            ours.peak_mib,
            ours.wall_ms / theirs.wall_ms,
            ours.cpu_ms / theirs.cpu_ms,
            ours.peak_mib / theirs.peak_mib,
            cpu_per_byte(ours_none),
            ours_none.wall_ms / theirs_none.wall_ms,
            ours_none.cpu_ms / theirs_none.cpu_ms,
            ours_none.peak_mib / theirs_none.peak_mib,
        ];
        progress.suspend(|| eprintln!("{}: {:.2} of Wasmtime's CPU time", workload.name, values[7]));
        progress.inc(1);
        table.push(workload.name, values.map(Some));
    }
    progress.finish_and_clear();
    push_spread(&mut table, small_workloads);
    table.push_geometric_means();
    table.notes.push(format!(
        "Both sides have {threads} threads. Bytes are those of the code section. The columns with `none` are those of `--opt none`."
    ));
    table.plot = Some(Plot::Bars {
        columns: vec![TIME_RATIO.to_owned(), CPU_RATIO.to_owned(), PEAK_RATIO.to_owned()],
        reference: Some(1.0),
    });
    if !options.files.is_empty() {
        print!("{table}");
        return Ok(());
    }
    table.publish()?;
    goals::check(&table)
}

fn progress_bar(modules: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{pos}/{len} {msg} {elapsed}").expect("the template is well-formed");
    let progress = ProgressBar::new(modules as u64).with_style(style);
    progress.enable_steady_tick(Duration::from_secs(1));
    progress
}

/// Adds a row that tells how far the costs of a byte lie apart, but for those in the first rows.
fn push_spread(table: &mut Table, first_rows: usize) {
    let spread = |(index, column): (usize, &Column)| {
        let costs = || table.rows.iter().skip(first_rows).filter_map(|row| row.values[index]);
        let (most, least) = (costs().reduce(f64::max)?, costs().reduce(f64::min)?);
        column.name.contains(CPU_PER_BYTE).then_some(most / least)
    };
    let spreads: Vec<_> = table.columns.iter().enumerate().map(spread).collect();
    table.push("most / least", spreads);
}

const CPU_PER_BYTE: &str = "CPU per byte";
const TIME_RATIO: &str = "time / Wasmtime";
const CPU_RATIO: &str = "CPU / Wasmtime";
const PEAK_RATIO: &str = "peak / Wasmtime";

fn columns() -> [Column; 13] {
    [
        Column::new("size", "KB", 0),
        Column::new("code", "KB", 0),
        Column::new("time", "ms", 0),
        Column::new(CPU_PER_BYTE, "µs", 2),
        Column::new(format!("Wasmtime's {CPU_PER_BYTE}"), "µs", 2),
        Column::new("peak", "MiB", 0),
        Column::new(TIME_RATIO, "", 2),
        Column::new(CPU_RATIO, "", 2),
        Column::new(PEAK_RATIO, "", 2),
        Column::new(format!("none: {CPU_PER_BYTE}"), "µs", 2),
        Column::new("none: time / Wasmtime", "", 2),
        Column::new("none: CPU / Wasmtime", "", 2),
        Column::new("none: peak / Wasmtime", "", 2),
    ]
}

fn workloads(files: &[PathBuf]) -> Result<Vec<Workload>> {
    let mut files = files.to_vec();
    if files.is_empty() {
        let programs = fixtures::sightglass().unwrap_or_default();
        files.extend(programs.into_iter().map(|program| program.wasm));
        files.extend(THIRD_PARTY.iter().filter_map(|name| fixtures::third_party(name)));
        ensure!(
            !files.is_empty(),
            "neither ../shared/sightglass nor third-party programs (fixtures/fetch) are there"
        );
    }
    let mut workloads = Vec::new();
    let mut small = Workload::default();
    for file in files {
        let workload = Workload::new(file)?;
        if workload.len_bytes < SMALL_MODULE_BYTES {
            small.add(workload);
        } else {
            workloads.push(workload);
        }
    }
    workloads.sort_by_key(|workload| workload.len_bytes);
    if !small.files.is_empty() {
        small.name = format!("{} modules below 50 KB", small.files.len());
        workloads.insert(0, small);
    }
    Ok(workloads)
}

impl Workload {
    fn new(file: PathBuf) -> Result<Workload> {
        let read = || -> Result<(u64, u64)> {
            let module = fs::read(&file)?;
            Ok((module.len() as u64, code_len_bytes(&module)?))
        };
        let (len_bytes, code_len_bytes) = read().with_context(|| file.display().to_string())?;
        Ok(Workload {
            name: name(&file),
            files: vec![file],
            len_bytes,
            code_len_bytes,
        })
    }

    fn add(&mut self, other: Workload) {
        self.files.extend(other.files);
        self.len_bytes += other.len_bytes;
        self.code_len_bytes += other.code_len_bytes;
    }
}

fn code_len_bytes(module: &[u8]) -> Result<u64> {
    for payload in WasmParser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { size, .. } = payload? {
            return Ok(u64::from(size));
        }
    }
    bail!("the module has no code")
}

/// Returns what a module is called: its file, or its folder where sightglass calls the file `benchmark`.
fn name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    let named = if stem == "benchmark" {
        file.parent().and_then(|folder| folder.file_name())
    } else {
        Some(stem)
    };
    named.unwrap_or(stem).to_string_lossy().into_owned()
}

/// Returns the best figures of both sides with optimization, then of both without.
fn measure_one(workload: &Workload, rounds: u32, threads: usize) -> Result<[Figures; 4]> {
    let cases = [
        (Side::Wasm2obj, Effort::Speed),
        (Side::Wasmtime, Effort::Speed),
        (Side::Wasm2obj, Effort::None),
        (Side::Wasmtime, Effort::None),
    ];
    let mut best = [Figures {
        wall_ms: f64::MAX,
        cpu_ms: f64::MAX,
        peak_mib: f64::MAX,
    }; 4];
    let start = Instant::now();
    for round in 0..rounds {
        if round > 0 && start.elapsed() > ROUNDS_TIME {
            break;
        }
        for ((side, effort), best) in cases.into_iter().zip(&mut best) {
            let run = run_child(workload, side, effort, threads)?;
            best.wall_ms = best.wall_ms.min(run.wall_ms);
            best.cpu_ms = best.cpu_ms.min(run.cpu_ms);
            best.peak_mib = best.peak_mib.min(run.peak_mib);
        }
    }
    Ok(best)
}

/// Returns the name of a value on the command line.
fn value_name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is hidden");
    value.get_name().to_owned()
}

fn run_child(workload: &Workload, side: Side, effort: Effort, threads: usize) -> Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--one", &value_name(side)])
        .args(["--effort", &value_name(effort)])
        .args(&workload.files)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers[..] {
        [wall_ms, cpu_ms, peak_mib] if output.status.success() => Ok(Figures {
            wall_ms,
            cpu_ms,
            peak_mib,
        }),
        _ => bail!(
            "{} by {side:?}: {}",
            workload.name,
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}
