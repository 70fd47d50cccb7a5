//! What is measured by counting and so is the same on a busy machine: bytes of images and of code, instructions in the guest and of
//! the compiler. `counts` compares each with `benches/baseline.json` and fails if one is more than a tenth worse, or not in there, or
//! misses a goal; `counts --bless` writes them as the new baseline, to be committed with the change that explains them.
//!
//! Instructions in the guest are counted by QEMU's `-icount shift=0`, under which the time stamp counter goes on by one for each;
//! those of a WASI call include its share of a loop of some ten. Those of the compiler are counted by callgrind, in one thread.
//! Needs qemu-system-x86_64, gcc and valgrind, and takes about a minute. Limits: less is better, for all counts.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use benches::goals;
use benches::results::{self, Column, Table};
use clap::Parser;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use wasm2obj::CompileOptions;
use wasmetal::UnikernelBuilder;

/// Counts by what they count.
type Counts = BTreeMap<String, f64>;

/// How much worse than the baseline a count may be.
const TOLERANCE: f64 = 0.10;

/// The calls of `fixtures/calls`, and how often each program makes its own.
const CALLS: [(&str, f64); 3] = [("clock_time_get", 1e6), ("fd_write", 2e5), ("random_get", 1e6)];

/// Programs, in the project, whose code is weighed; the last is the one whose compilation is counted.
const MODULES: [&str; 4] = [
    "examples/c/file_server.wasm",
    "fixtures/compute/sort.wasm",
    "fixtures/compute/sha256.wasm",
    "fixtures/wasi/calculator/calculator.wasm",
];

/// Compares counts with those that are committed
#[derive(Parser)]
struct Options {
    /// Write the counts as the new baseline
    #[arg(long)]
    bless: bool,
    /// Only compile this file (what callgrind is started with)
    #[arg(long, hide = true)]
    compile: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::exit_code(match &options.compile {
        Some(wasm) => compile(wasm).map(|_| ()),
        None => compare(&options),
    })
}

fn compile(wasm: &Path) -> Result<wasm2obj::ObjectFile> {
    Ok(wasm2obj::compile(&fs::read(wasm)?, &CompileOptions::default())?)
}

fn compare(options: &Options) -> Result<()> {
    let path = results::root().join("benches/baseline.json");
    let counts = count()?;
    if options.bless {
        return Ok(fs::write(&path, serde_json::to_string_pretty(&counts)? + "\n")?);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let baseline: Counts = serde_json::from_str(&text)?;
    let columns = [
        Column::new("count", "", 2),
        Column::new("baseline", "", 2),
        Column::new("/ baseline", "", 3),
    ];
    let mut table = Table::new("counts", "Counts", "what", columns);
    for (name, &count) in &counts {
        let before = baseline.get(name).copied();
        table.push(name, [Some(count), before, before.map(|before| count / before)]);
    }
    table
        .notes
        .push("Counts do not depend on how busy the machine is; less is better.".to_owned());
    table.publish()?;
    goals::check(&table)?;
    check(&counts, &baseline)
}

/// Fails if a count is worse than the baseline's, or if one of the two lacks it.
fn check(counts: &Counts, baseline: &Counts) -> Result<()> {
    let gone: Vec<_> = baseline.keys().filter(|name| !counts.contains_key(*name)).collect();
    ensure!(
        gone.is_empty(),
        "the baseline has {gone:?}, which are not counted any more: `counts --bless`"
    );
    let is_worse = |(name, count): &(&String, &f64)| {
        let before = baseline.get(*name);
        before.is_none_or(|before| **count > before * (1.0 + TOLERANCE))
    };
    let worse: Vec<_> = counts.iter().filter(is_worse).map(|(name, _)| name).collect();
    ensure!(
        worse.is_empty(),
        "more than a tenth worse than the baseline, or not in it: {worse:?}. If that is meant to be: `counts --bless`"
    );
    Ok(())
}

fn count() -> Result<Counts> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("image");
    let mut counts = BTreeMap::new();
    let hello = wat::parse_file(fixtures::path("wat/hello.wat"))?;
    let hello = UnikernelBuilder::new().build(&hello)?.image;
    counts.insert("bytes of the image of hello".to_owned(), hello.len() as f64);
    let server = wasmetal::compile_to_unikernel(&fs::read(results::root().join(MODULES[0]))?)?;
    counts.insert("bytes of the image of file_server".to_owned(), server.len() as f64);

    fs::write(&image, hello)?;
    counts.insert(
        "instructions before hello starts".to_owned(),
        boot_instructions(&image)?,
    );
    let marks = counting_marks(folder.path())?;
    for (name, repetitions) in CALLS {
        let wasm = wat::parse_file(fixtures::path(&format!("calls/{name}.wat")))?;
        let program = UnikernelBuilder::new()
            .link_object("marks.o", marks.clone())
            .build(&wasm)?;
        fs::write(&image, program.image)?;
        let instructions = marked_instructions(&image)?;
        counts.insert(format!("guest instructions per {name}"), instructions / repetitions);
    }

    for module in MODULES {
        let wasm = results::root().join(module);
        let name = wasm.file_stem().context("a file has a name")?.to_string_lossy();
        let per_byte = compile(&wasm)?.code_len_bytes as f64 / fs::metadata(&wasm)?.len() as f64;
        counts.insert(format!("bytes of code per byte of {name}"), per_byte);
    }
    let [.., compiled] = MODULES;
    counts.insert(
        "million instructions to compile calculator".to_owned(),
        compile_instructions(&results::root().join(compiled))? / 1e6,
    );
    Ok(counts)
}

/// Runs an image with a time stamp counter that counts instructions, and returns what it prints.
fn run_counting(image: &Path) -> Result<String> {
    let output = Command::new("timeout")
        .args(["120", "qemu-system-x86_64", "-machine", "microvm", "-m", "64"])
        .args(["-accel", "tcg", "-cpu", "max", "-icount", "shift=0"])
        .args(["-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio"])
        .args(["-device", "isa-debug-exit,iobase=0x501,iosize=4"])
        .args(["-append", "log=debug", "-kernel"])
        .arg(image)
        .stdin(Stdio::null())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    // Zero, by QEMU's device.
    ensure!(
        output.status.code() == Some(1),
        "the guest failed: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(printed)
}

/// Returns the instructions from the first to the program's own first, which the kernel logs.
fn boot_instructions(image: &Path) -> Result<f64> {
    let printed = run_counting(image)?;
    let line = printed.lines().find_map(|line| line.strip_suffix(" to the program"));
    let number = line.and_then(|line| line.split(' ').next_back()?.parse().ok());
    number.with_context(|| format!("no number of instructions in {printed}"))
}

/// Returns the instructions between the program's marks.
fn marked_instructions(image: &Path) -> Result<f64> {
    let printed = run_counting(image)?;
    let number = printed.lines().find_map(|line| line.parse().ok());
    number.with_context(|| format!("no number of instructions in {printed}"))
}

fn counting_marks(folder: &Path) -> Result<Vec<u8>> {
    let object = folder.join("marks.o");
    let status = Command::new("gcc")
        .args(["-c", "-O1", "-ffreestanding", "-fno-asynchronous-unwind-tables", "-o"])
        .arg(&object)
        .arg(fixtures::path("bench/counting_marks.c"))
        .status()
        .context("gcc does not start")?;
    ensure!(status.success(), "gcc cannot compile counting_marks.c");
    Ok(fs::read(object)?)
}

fn compile_instructions(wasm: &Path) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg("--compile")
        .arg(wasm)
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .context("valgrind does not start; install it (apt-get install valgrind)")?;
    let report = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{report}");
    let count = report.lines().find_map(|line| line.split_once("Collected :"));
    let count = count.and_then(|(_, count)| count.trim().parse().ok());
    count.with_context(|| format!("no count in {report}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, f64)]) -> Counts {
        list.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn a_count_may_be_a_tenth_worse_and_no_more() {
        let baseline = counts(&[("bytes", 100.0), ("instructions", 0.5)]);
        let check = |bytes| check(&counts(&[("bytes", bytes), ("instructions", 0.5)]), &baseline);
        for good in [1.0, 100.0, 109.9] {
            assert!(check(good).is_ok());
        }
        let error = check(110.1).expect_err("more than a tenth").to_string();
        assert!(error.contains("[\"bytes\"]"), "{error}");
    }

    #[test]
    fn the_baseline_has_what_is_counted_and_nothing_else() {
        let (one, two) = (
            counts(&[("bytes", 1.0)]),
            counts(&[("bytes", 1.0), ("instructions", 1.0)]),
        );
        for (counted, baseline) in [(&one, &two), (&two, &one)] {
            let error = check(counted, baseline).expect_err("they differ").to_string();
            assert!(error.contains("[\"instructions\"]"), "{error}");
        }
    }
}
