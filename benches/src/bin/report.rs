//! Writes `docs/performance.md` and its plots from the tables that the benchmarks have saved: `report [--run]`.
//!
//! With `--run`, all benchmarks run first, one after the other, which takes about an hour on an idle machine and wants root for the
//! network; otherwise each table is the latest of its benchmark. The page begins with the state of the goals (`benches/goals.toml`).
//! What was tried and did not help is written by hand, in `docs/tried.md`, and stands at the end. Limits: of a benchmark that fails
//! before it has its table, the page shows the one before; the command says so and fails, too.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use benches::goals;
use benches::plot;
use benches::results::{self, Table};
use clap::Parser;
use std::fmt::Write;
use std::fs;
use std::process::{Command, ExitCode, ExitStatus};

/// Writes the report about speed and size
#[derive(Parser)]
struct Options {
    /// Run all benchmarks first
    #[arg(long)]
    run: bool,
}

/// Command of every benchmark and names of its tables, in the order of the report.
const BENCHMARKS: [(&str, &[&str]); 6] = [
    ("cargo run --release -p benches --bin counts", &["counts"]),
    ("cargo run --release -p benches --bin compute", &["compute"]),
    ("cargo run --release -p benches --bin compute -- --calls", &["calls"]),
    ("cargo run --release -p benches --bin compile_time", &["compile_time"]),
    ("cargo run --release -p benches --bin scale", &["scale"]),
    (
        "cargo run --release -p benches --bin http",
        &["http", "http_large", "http_one_request", "http_cost", "tcp_bulk"],
    ),
];

const INTRODUCTION: &str = "\
# Speed and size

This page is made by `cargo run --release -p benches --bin report` from what the benchmarks measured last (`-- --run` runs them all
first). Each table names the command that makes it, the machine and the commit. Both sides of a comparison ran in turn on that
machine, so ratios mean something where times do not; the output of everything timed is checked. With few rounds on a busy machine a
single ratio may be off by a quarter, and only the mean says much; counts are exact. What is asked of the figures is
`benches/goals.toml`; where several rows of a table count, the worst does.

";

fn main() -> ExitCode {
    benches::exit_code(report(&Options::parse()))
}

fn report(options: &Options) -> Result<()> {
    let mut failed = Vec::new();
    if options.run {
        for (command, _) in BENCHMARKS {
            eprintln!("$ {command}");
            if !run(command)?.success() {
                failed.push(command);
            }
        }
    }
    let docs = results::root().join("docs");
    let plots = docs.join("performance");
    fs::create_dir_all(&plots)?;
    let mut page = INTRODUCTION.to_owned() + &goals::summary()?;
    let tables = BENCHMARKS
        .iter()
        .flat_map(|(command, names)| names.iter().map(move |name| (command, name)));
    for (command, name) in tables {
        let path = results::path(name);
        if !path.exists() {
            eprintln!("{name} is not measured: `{command}`");
            continue;
        }
        let table = Table::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let drawn = plot::draw(&table, &plots.join(name).with_extension("svg"))?;
        page += &section(&table, drawn)?;
    }
    page.push('\n');
    page += &fs::read_to_string(docs.join("tried.md")).context("cannot read docs/tried.md")?;
    fs::write(docs.join("performance.md"), page)?;
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

fn run(command: &str) -> Result<ExitStatus> {
    let mut shell = Command::new("sh");
    Ok(shell.args(["-c", command]).current_dir(results::root()).status()?)
}

fn section(table: &Table, drawn: bool) -> Result<String> {
    let Table {
        name,
        title,
        command,
        machine,
        commit,
        notes,
        ..
    } = table;
    let mut text = String::new();
    write!(text, "\n## {title}\n\n`{command}` at {commit}, on {machine}.\n")?;
    notes.iter().try_for_each(|note| writeln!(text, "{note}"))?;
    if drawn {
        write!(text, "\n![{title}](performance/{name}.svg)\n")?;
    }
    write!(text, "\n{table}")?;
    Ok(text)
}
