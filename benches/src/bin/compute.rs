//! Run time of compiled code: the sightglass programs and the kernels of `fixtures/compute`, each by wasmetal (natively, through
//! `host`, with linear memory 0 at address 0) and by Wasmtime, both for this machine's CPU; the kernels also by clang -O2.
//!
//! `compute [--rounds N] [NAME…]`. What is timed is the CPU time between `bench.start` and `bench.end`. Every run is a process of its own (this
//! program again, with `--one`); the sides take turns, and each side's fastest run counts. All sides must print the same, and what
//! the suite expects. Ratios below 1 mean that wasmetal is faster.
//!
//! With `--calls` the programs of `fixtures/calls` are measured instead: each makes one WASI call again and again. Wasmtime's act on
//! a folder of this machine, ours on the unikernel's file system in memory.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, bail, ensure};
use benches::results::{Column, Plot, Table};
use benches::wasmtime_program::{Program, Settings};
use clap::{Parser, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Measures the run time of compiled code
#[derive(Parser)]
struct Options {
    /// Run only programs whose name contains one of these
    names: Vec<String>,
    /// Measure WASI calls
    #[arg(long)]
    calls: bool,
    /// Runs of each program by each side
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Run one program by one side in this process (what the command starts its children with)
    #[arg(long, hide = true, requires_all = ["wasm", "times"])]
    one: Option<Side>,
    /// The program for `--one`
    #[arg(long, hide = true)]
    wasm: Option<PathBuf>,
    /// Its current folder
    #[arg(long, hide = true)]
    folder: Option<PathBuf>,
    /// The file for its time in nanoseconds
    #[arg(long, hide = true)]
    times: Option<PathBuf>,
}

/// Who compiles and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    /// wasm2obj, linker and host.
    Wasmetal,
    /// Wasmtime as it comes.
    Wasmtime,
    /// Wasmtime with the settings that make code faster.
    WasmtimeFastest,
    /// clang -O2 from the C source.
    Clang,
}

impl Side {
    const ALL: [Side; 4] = [Side::Wasmetal, Side::Wasmtime, Side::WasmtimeFastest, Side::Clang];
}

/// A program to measure.
struct Workload {
    name: String,
    wasm: PathBuf,
    folder: Option<PathBuf>,
    /// What it must print to standard output, where that is known beforehand.
    stdout: Option<Vec<u8>>,
    /// The native program made from the same source.
    native: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::exit_code(match (options.one, &options.wasm, &options.times) {
        (Some(side), Some(wasm), Some(times)) => run_one(side, wasm, options.folder.as_deref(), times),
        _ => measure(&options),
    })
}

/// Runs a program once and writes its time down.
fn run_one(side: Side, wasm: &Path, folder: Option<&Path>, times: &Path) -> Result<()> {
    let (code, measured) = match side {
        Side::Wasmetal => run_by_wasmetal(wasm, folder)?,
        Side::Wasmtime => run_by_wasmtime(wasm, folder, Settings::Default)?,
        Side::WasmtimeFastest => run_by_wasmtime(wasm, folder, Settings::Fastest)?,
        Side::Clang => bail!("native programs run by themselves"),
    };
    ensure!(code == 0, "exit code {code}");
    let measured = measured.context("the program does not call bench.start and bench.end")?;
    Ok(fs::write(times, measured.as_nanos().to_string())?)
}

fn run_by_wasmtime(wasm: &Path, folder: Option<&Path>, settings: Settings) -> Result<(i32, Option<Duration>)> {
    let run = || Program::compile(wasm, settings)?.run(folder, &[]);
    run().map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn run_by_wasmetal(wasm: &Path, folder: Option<&Path>) -> Result<(i32, Option<Duration>)> {
    let mut tree = abi::baked_tree::Builder::new();
    if let Some(folder) = folder {
        host::bake::bake_folder(&mut tree, folder, b".")?;
    }
    let program = host::program::Program {
        arguments: vec![b"program".to_vec()],
        baked_tree: tree.encode()?,
        store: host::StoreOptions {
            cpu: wasm2obj::Cpu::Native,
            ..host::StoreOptions::default()
        },
        ..host::program::Program::default()
    };
    let ended = program.run(&fs::read(wasm)?);
    Ok((ended.result?.try_into()?, ended.benchmark))
}

fn measure(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut workloads = if options.calls {
        calls(folder.path())?
    } else {
        let mut workloads = kernels(folder.path())?;
        workloads.extend(sightglass());
        workloads
    };
    let wanted = |name: &str| options.names.is_empty() || options.names.iter().any(|part| name.contains(part));
    workloads.retain(|workload| wanted(&workload.name));
    ensure!(!workloads.is_empty(), "no program has such a name");
    let mut table = empty_table(options);
    for workload in &workloads {
        let times = fastest_times(workload, options.rounds, folder.path())?;
        let [ours, peers @ ..] = times;
        let ours = ours.context("wasmetal runs everything")?;
        let mut values = vec![Some(ours.as_secs_f64() * 1e3)];
        values.extend(peers.map(|peer| Some(ours.as_secs_f64() / peer?.as_secs_f64())));
        eprintln!("{}: {values:.3?}", workload.name);
        table.push(&workload.name, values);
    }
    table.push_geometric_means();
    if !options.names.is_empty() {
        print!("{table}");
        return Ok(());
    }
    Ok(table.publish()?)
}

fn empty_table(options: &Options) -> Table {
    let (name, title) = if options.calls {
        ("calls", "WASI calls")
    } else {
        ("compute", "Run time of compiled code")
    };
    let ratios = ["/ Wasmtime", "/ Wasmtime, fastest settings", "/ clang -O2"];
    let columns = std::iter::once(Column::new("time", "ms", 1)).chain(ratios.map(|name| Column::new(name, "", 3)));
    let mut table = Table::new(name, title, "program", columns);
    table
        .notes
        .push("Ratios below 1 mean that wasmetal is faster.".to_owned());
    if options.calls {
        table.notes.push(
            "Each program makes one call a million times, `fd_write` 200,000 times; the code of the calls is the kernel's, in a Linux process."
                .to_owned(),
        );
    }
    table.plot = Some(Plot::Bars {
        columns: ratios[..2].iter().map(|&name| name.to_owned()).collect(),
        reference: Some(1.0),
    });
    table
}

/// Lists the kernels, and builds them for the host.
fn kernels(folder: &Path) -> Result<Vec<Workload>> {
    let mut workloads = Vec::new();
    for entry in fs::read_dir(fixtures::path("compute"))? {
        let wasm = entry?.path();
        if wasm.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let name = wasm
            .file_stem()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        let native = folder.join(&name);
        let source = wasm.with_extension("c");
        let marks = wasm.with_file_name("native_marks.c");
        let status = Command::new("clang")
            .args(["-O2", "-ffp-contract=off", "-o"])
            .args([&native, &source, &marks])
            .arg("-lm")
            .status()
            .context("clang does not start; install it (apt-get install clang)")?;
        ensure!(status.success(), "clang cannot compile {}", source.display());
        workloads.push(Workload {
            name,
            wasm,
            folder: None,
            stdout: None,
            native: Some(native),
        });
    }
    workloads.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(workloads)
}

/// Assembles the programs that make calls; their folder is an empty one.
fn calls(folder: &Path) -> Result<Vec<Workload>> {
    let empty = folder.join("empty");
    fs::create_dir(&empty)?;
    let mut workloads = Vec::new();
    for name in ["clock_time_get", "fd_write", "random_get"] {
        let wasm = folder.join(name).with_extension("wasm");
        fs::write(&wasm, wat::parse_file(fixtures::path(&format!("calls/{name}.wat")))?)?;
        workloads.push(Workload {
            name: name.to_owned(),
            wasm,
            folder: Some(empty.clone()),
            stdout: None,
            native: None,
        });
    }
    Ok(workloads)
}

fn sightglass() -> Vec<Workload> {
    let Some(programs) = fixtures::sightglass() else {
        fixtures::skip("the sightglass programs", "../shared/sightglass is absent");
        return Vec::new();
    };
    let workload = |program: fixtures::Program| Workload {
        name: program.name,
        wasm: program.wasm,
        folder: Some(program.folder),
        stdout: program.stdout,
        native: None,
    };
    programs.into_iter().map(workload).collect()
}

/// Runs a workload by every side in turn and returns the fastest time of each, in the order of [`Side::ALL`].
fn fastest_times(workload: &Workload, rounds: u32, folder: &Path) -> Result<[Option<Duration>; Side::ALL.len()]> {
    let mut fastest = [None; Side::ALL.len()];
    let mut expected = workload.stdout.clone();
    for _ in 0..rounds {
        for (side, fastest) in Side::ALL.into_iter().zip(&mut fastest) {
            let Some((time, stdout)) = run_child(workload, side, &folder.join("times"))? else {
                continue;
            };
            let expected = expected.get_or_insert_with(|| stdout.clone());
            ensure!(*expected == stdout, "{}: {side:?} prints something else", workload.name);
            *fastest = Some(fastest.map_or(time, |fastest: Duration| fastest.min(time)));
        }
    }
    Ok(fastest)
}

/// Runs a workload by a side, if that can, and returns its time and its standard output.
fn run_child(workload: &Workload, side: Side, times: &Path) -> Result<Option<(Duration, Vec<u8>)>> {
    let mut command = match (side, &workload.native) {
        (Side::Clang, None) => return Ok(None),
        (Side::Clang, Some(native)) => Command::new(native),
        _ => {
            let mut command = Command::new(std::env::current_exe()?);
            let side = side.to_possible_value().context("every side has a name")?;
            command
                .args(["--one", side.get_name()])
                .arg("--wasm")
                .arg(&workload.wasm);
            command.arg("--times").arg(times);
            if let Some(folder) = &workload.folder {
                command.arg("--folder").arg(folder);
            }
            command
        }
    };
    let output = command.env("BENCH_TIMES", times).output()?;
    ensure!(
        output.status.success(),
        "{}: {side:?}: {}",
        workload.name,
        String::from_utf8_lossy(&output.stderr)
    );
    let nanoseconds = fs::read_to_string(times)?;
    fs::remove_file(times)?;
    Ok(Some((Duration::from_nanos(nanoseconds.trim().parse()?), output.stdout)))
}
