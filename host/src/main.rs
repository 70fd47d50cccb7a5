//! The command `host`: runs a WASI program in this process, natively and with the unikernel's own WASI code.
//!
//! ```text
//! host run FILE [--env NAME=VALUE]… [--bake HOST[::GUEST]]… [--bench] [--bounds-checks mmu|explicit] [--cpu NAME] [-- ARG…]
//! ```
//!
//! Exits with the program's code, with 134 after a trap and with 2 if the program cannot be run.

use abi::baked_tree::Builder;
use clap::{Args, Parser, Subcommand, ValueEnum};
use host::program::{Ended, Program};
use host::{Error, StoreOptions, bake};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasm2obj::Cpu;

const EXIT_TRAPPED: u8 = 134;
const EXIT_UNUSABLE: u8 = 2;

/// Runs wasmetal's objects in a Linux process.
#[derive(Parser, Debug)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Compile a WASI program and run it.
    Run(RunFlags),
}

#[derive(Args, Debug)]
struct RunFlags {
    /// The program, as `.wasm` or `.wat`.
    file: PathBuf,
    /// Set an environment variable, NAME=VALUE.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// Give the program a copy of a folder, HOST[::GUEST].
    #[arg(long = "bake", visible_alias = "dir", value_name = "HOST[::GUEST]")]
    folders: Vec<String>,
    /// Print the time between `bench.start` and `bench.end` to standard error, as JSON.
    #[arg(long)]
    bench: bool,
    /// How accesses to linear memory are checked.
    #[arg(long, value_enum, default_value = "mmu")]
    bounds_checks: BoundsChecks,
    /// CPU that the code may rely on: `baseline`, `native` or a name that Cranelift knows.
    #[arg(long, value_name = "NAME", default_value = "default")]
    cpu: String,
    /// Arguments of the program.
    #[arg(last = true)]
    arguments: Vec<String>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum BoundsChecks {
    /// By the MMU.
    Mmu,
    /// By comparisons.
    Explicit,
}

fn main() -> ExitCode {
    let Command::Run(flags) = Flags::parse().command;
    match run(&flags) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_UNUSABLE)
        }
    }
}

fn run(flags: &RunFlags) -> anyhow::Result<u8> {
    let wasm = read_module(&flags.file)?;
    let program = Program {
        arguments: arguments(flags),
        environment: flags
            .environment
            .iter()
            .map(|variable| variable.clone().into_bytes())
            .collect(),
        baked_tree: bake_folders(&flags.folders)?,
        store: store_options(flags),
    };
    let Ended { result, benchmark } = program.run(&wasm);
    if let (true, Some(benchmark)) = (flags.bench, benchmark) {
        eprintln!("{}", serde_json::json!({ "bench_ns": benchmark.as_nanos() as u64 }));
    }
    match result {
        // A process has eight bits for its code.
        Ok(code) => Ok(code as u8),
        Err(Error::Trap(trap)) => {
            eprint!("{}", trap.report());
            Ok(EXIT_TRAPPED)
        }
        Err(error) => Err(error.into()),
    }
}

fn read_module(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(file).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", file.display()))?;
    if file.extension().is_some_and(|extension| extension == "wat") {
        return Ok(wat::parse_bytes(&bytes)?.into_owned());
    }
    Ok(bytes)
}

fn arguments(flags: &RunFlags) -> Vec<Vec<u8>> {
    let name = flags
        .file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    std::iter::once(name)
        .chain(flags.arguments.iter().cloned())
        .map(String::into_bytes)
        .collect()
}

fn bake_folders(folders: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut tree = Builder::new();
    for folder in folders {
        let (host, guest) = folder.split_once("::").unwrap_or((folder, folder));
        bake::bake_folder(&mut tree, Path::new(host), guest.as_bytes())?;
    }
    if tree.is_empty() {
        return Ok(Vec::new());
    }
    tree.encode().map_err(|error| anyhow::anyhow!("{error}"))
}

fn store_options(flags: &RunFlags) -> StoreOptions {
    StoreOptions {
        bounds_checks: match flags.bounds_checks {
            BoundsChecks::Mmu => wasm2obj::BoundsChecks::Mmu,
            BoundsChecks::Explicit => wasm2obj::BoundsChecks::Explicit,
        },
        cpu: Cpu::from_name(&flags.cpu),
        ..StoreOptions::default()
    }
}
