//! The command `packets`: hostile frames against the network stack, in random scenarios.
//!
//! `cargo run --release -p fuzz --bin packets -- --frames 1000000 --seed 1` plays scenarios, each made from its number alone, and
//! prints what was sent and how fast. A failure names the number: repeat it with `--seed N --frames 1`. The memory of the process
//! must not grow with the number of scenarios.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fuzz::packets::{self, Totals};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::process::ExitCode;
use std::time::Instant;

/// Bytes that a scenario is made from; an odd number makes the victim use DHCP.
const ENTROPY_LEN_BYTES: u64 = 60_000;

/// Memory that the process may gain after the first scenarios.
const MAX_GROWTH_PAGES: u64 = 32 << 20 >> 12;

/// Sends hostile frames to the network stack
#[derive(Parser)]
struct Options {
    /// Number of the first scenario
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many frames to send at least
    #[arg(long, default_value_t = 100_000)]
    frames: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    /// Scenarios after which memory is as large as it gets.
    const WARM_UP: u64 = 8;
    let start = Instant::now();
    let mut totals = Totals::default();
    let mut resident_pages = None;
    let mut number = options.seed;
    while totals.hostile < options.frames {
        if number == options.seed + WARM_UP {
            resident_pages = Some(count_resident_pages()?);
        }
        let mut entropy = vec![0; (ENTROPY_LEN_BYTES + number % 2) as usize];
        ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut entropy);
        let played = std::panic::catch_unwind(|| packets::run(&entropy));
        let played = played
            .ok()
            .with_context(|| format!("scenario {number}: the stack panicked"))?;
        let played = played.with_context(|| format!("scenario {number}"))?;
        totals.hostile += played.hostile;
        totals.sent += played.sent;
        totals.accepted += played.accepted;
        number += 1;
    }
    if let Some(before) = resident_pages {
        let growth = count_resident_pages()?.saturating_sub(before);
        ensure!(growth <= MAX_GROWTH_PAGES, "memory grew by {growth} pages of 4 KiB");
    }
    let rate = totals.hostile as f64 / start.elapsed().as_secs_f64();
    println!(
        "{} scenarios: {} hostile frames ({rate:.0}/s), {} connections accepted of the attacker, {} frames sent by the victim",
        number - options.seed,
        totals.hostile,
        totals.accepted,
        totals.sent
    );
    Ok(())
}

fn count_resident_pages() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let resident = text.split(' ').nth(1).context("statm has a second field")?;
    Ok(resident.parse()?)
}
