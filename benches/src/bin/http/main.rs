//! Our web servers against nginx in a Linux VM: the same kind of VM (QEMU's translator), TAP, and wrk with one thread.
//!
//! `http [--quick]`, as root. `hello_server` answers 12 bytes, `file_server` files; both are `examples/c`. All guests run at the same
//! time, each in a namespace of its own, idle but for the one under load; for each figure they take turns, so that what else the
//! machine does hits all of them. Answers are compared with the file before anything is timed, and the bytes of all answers are
//! counted. Instructions are counted by a plugin of QEMU in guests of their own, and do not depend on the machine's other work.
//!
//! Needs root, qemu-system-x86, wrk, gcc, and the packages that `../shared/peer-linux-vm/mkinitramfs.sh` names. Works in
//! `target/http`. Read first: [`measure`], [`guest`]. Limits: TCG only; TLS and HTTP/2 are not the kernel's business.
#![forbid(unsafe_code)]

mod client;
mod guest;
mod load;
mod network;

use anyhow::{Context, Result, ensure};
use benches::results::{self, Column, Plot, Table};
use clap::Parser;
use client::Client;
use guest::{BULK_LEN_BYTES, Guest, LARGE_FILE_LEN_BYTES, System, Workshop};
use load::{Load, Outcome, median};
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// Compares web servers as unikernels with nginx in Linux
#[derive(Parser)]
struct Options {
    /// Measure once, shortly, with 1 and 100 connections
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    client: Option<Client>,
}

/// How much is measured.
struct Plan {
    connections: &'static [u32],
    large_connections: &'static [u32],
    rounds: usize,
    seconds: u32,
}

impl Plan {
    const QUICK: Plan = Plan {
        connections: &[1, 100],
        large_connections: &[1, 100],
        rounds: 1,
        seconds: 2,
    };
    const FULL: Plan = Plan {
        connections: &[1, 16, 64, 100, 800],
        large_connections: &[1, 16, 100, 800],
        rounds: 2,
        seconds: 3,
    };
}

/// One of those compared: the peer is the first.
struct Side<'a> {
    guest: &'a Guest,
    name: &'static str,
    path: &'static str,
    body: &'a [u8],
}

fn main() -> ExitCode {
    let options = Options::parse();
    benches::exit_code(match &options.client {
        Some(client) => client.run(),
        None => measure(if options.quick { &Plan::QUICK } else { &Plan::FULL }),
    })
}

fn measure(plan: &Plan) -> Result<()> {
    // The terminal interrupts the children, too; the error that follows takes us out of here, past all clean-up.
    ctrlc::set_handler(|| {})?;
    let workshop = Workshop::new(results::root().join("target/http"))?;
    let linux = workshop.linux()?;
    let examples = results::root().join("examples/c");
    let file_server = examples.join("file_server.wasm");
    let file = workshop.unikernel("file_server", &file_server, &["/www", "1234"], true)?;
    let hello = workshop.unikernel("hello_server", &examples.join("hello_server.wasm"), &["1234"], false)?;
    let bulk_server = fixtures::path("network/bulk_server.wasm");
    let bulk = workshop.unikernel("bulk_server", &bulk_server, &[&BULK_LEN_BYTES.to_string()], false)?;

    let (small_body, large_body) = (
        fs::read(workshop.path("www/index.html"))?,
        vec![b'y'; LARGE_FILE_LEN_BYTES],
    );
    let hello_body = b"Hello, wasm!";
    let systems = [(&linux, &small_body[..]), (&file, &small_body), (&hello, hello_body)];
    cost(plan, &workshop, &systems)?.publish()?;
    let ask = ["ask", "/index.html"];
    let [linux, file, hello] = [
        Guest::start(&linux, &ask, None)?,
        Guest::start(&file, &ask, None)?,
        Guest::start(&hello, &ask, None)?,
    ];
    let side = |guest, name, path, body| Side {
        guest,
        name,
        path,
        body,
    };
    let small = [
        side(&linux, "nginx in Linux", "/index.html", &small_body[..]),
        side(&file, "file_server", "/index.html", &small_body),
        side(&hello, "hello_server", "/", hello_body),
    ];
    let large = [
        side(&linux, "nginx in Linux", "/large.bin", &large_body[..]),
        side(&file, "file_server", "/large.bin", &large_body),
    ];
    let title = "Web servers: a file of 1 KiB, or 12 bytes from hello_server";
    compare("http", title, &small, plan, plan.connections, false)?.publish()?;
    let title = "Web servers: a file of 100 KiB";
    compare("http_large", title, &large, plan, plan.large_connections, false)?.publish()?;
    let title = "Web servers: a file of 1 KiB, and a connection for each request";
    compare(
        "http_one_request",
        title,
        &small[..2],
        plan,
        plan.large_connections,
        true,
    )?
    .publish()?;
    transfer(plan, &linux, &bulk)?.publish()?;
    Ok(())
}

/// Puts the same loads on several guests in turn.
fn compare(
    name: &str,
    title: &str,
    sides: &[Side],
    plan: &Plan,
    connections: &[u32],
    is_one_request: bool,
) -> Result<Table> {
    let columns = [
        Column::new("connections", "", 0),
        Column::new("rate", "1/s", 0),
        Column::new("/ nginx", "", 2),
        Column::new("50 % within", "ms", 2),
        Column::new("99 % within", "ms", 2),
        Column::new("errors", "", 0),
    ];
    let mut table = Table::new(name, title, "server", columns);
    table.plot = Some(Plot::Lines {
        x: "connections".to_owned(),
        y: "rate".to_owned(),
        logarithmic: true,
    });
    for &connections in connections {
        let mut outcomes: Vec<Vec<Outcome>> = sides.iter().map(|_| Vec::new()).collect();
        for _ in 0..plan.rounds {
            for (side, outcomes) in sides.iter().zip(&mut outcomes) {
                let load = Load {
                    path: side.path,
                    connections,
                    is_one_request,
                    seconds: plan.seconds,
                };
                let outcome = load.run(side.guest, side.body);
                outcomes.push(outcome.with_context(|| format!("{}, {connections} connections", side.name))?);
            }
        }
        let peer = median(outcomes[0].iter().map(|outcome| outcome.rate))?;
        for (side, outcomes) in sides.iter().zip(&outcomes) {
            let rate = median(outcomes.iter().map(|outcome| outcome.rate))?;
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            let errors: u64 = outcomes.iter().map(|outcome| outcome.errors).sum();
            let values = [
                f64::from(connections),
                rate,
                rate / peer,
                median(outcomes.iter().map(|outcome| milliseconds(outcome.median)))?,
                median(outcomes.iter().map(|outcome| milliseconds(outcome.percentile_99)))?,
                errors as f64,
            ];
            table.push(side.name, values.map(Some));
        }
    }
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let busy = busy.split(' ').next().unwrap_or_default();
    table.notes.push(format!(
        "QEMU's translator, TAP, `wrk -t1`; {} times {} s each, in turn. Load of the machine at the end: {busy}.",
        plan.rounds, plan.seconds
    ));
    Ok(table)
}

/// How long systems take to answer for the first time, and how many instructions a request takes.
fn cost(plan: &Plan, workshop: &Workshop, systems: &[(&System, &[u8])]) -> Result<Table> {
    const FEW: u32 = 100;
    const MANY: u32 = 800;
    let columns = [
        Column::new("first answer", "ms", 0),
        Column::new("/ nginx", "", 3),
        Column::new(format!("instructions, {FEW} connections"), "", 0),
        Column::new(format!("instructions, {MANY} connections"), "", 0),
        Column::new("many / few", "", 2),
    ];
    let mut table = Table::new(
        "http_cost",
        "Web servers: first answer, and instructions a request",
        "server",
        columns,
    );
    let mut first_answers: Vec<Vec<f64>> = systems.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.rounds + 1 {
        for ((system, _), answers) in systems.iter().zip(&mut first_answers) {
            let guest = Guest::start(system, &["ask", "/index.html"], None)?;
            answers.push(guest.first_response.as_secs_f64() * 1e3);
        }
    }
    let peer = median(first_answers[0].iter().copied())?;
    let counter = workshop.counter()?;
    for ((system, body), answers) in systems.iter().zip(&first_answers) {
        let first = median(answers.iter().copied())?;
        let guest = Guest::start(system, &["ask", "/index.html"], Some(&counter))?;
        let [few, many] = [FEW, MANY].map(|connections| -> Result<f64> {
            // What the connections themselves cost is in both runs, and falls out.
            let [short, long] = [plan.seconds, plan.seconds * 3].map(|seconds| -> Result<(u64, u64)> {
                let load = Load {
                    path: "/index.html",
                    connections,
                    is_one_request: false,
                    seconds,
                };
                let before = counter.read()?;
                let requests = load.run(&guest, body)?.requests;
                Ok((counter.read()? - before, requests))
            });
            let (short, long) = (short?, long?);
            ensure!(
                long.1 > short.1,
                "{}: more time brought no more answers, {} after {}",
                system.name,
                long.1,
                short.1
            );
            Ok((long.0 as f64 - short.0 as f64) / (long.1 - short.1) as f64)
        });
        let (few, many) = (few?, many?);
        table.push(system.name, [first, first / peer, few, many, many / few].map(Some));
    }
    table.notes.push(
        "The first answer counts from QEMU's start. Instructions are the guest's, kernel and program together, as a plugin of QEMU counts them."
            .to_owned(),
    );
    Ok(table)
}

/// Bulk transfers over one connection, both ways.
fn transfer(plan: &Plan, linux: &Guest, bulk: &System) -> Result<Table> {
    let columns = [
        Column::new("sends", "MB/s", 0),
        Column::new("/ Linux", "", 2),
        Column::new("receives", "MB/s", 0),
        Column::new("receives / Linux", "", 2),
    ];
    let mut table = Table::new("tcp_bulk", "Bulk transfers over one connection", "guest", columns);
    let bulk = Guest::start(bulk, &["knock"], None)?;
    let len_bytes = BULK_LEN_BYTES.to_string();
    let mut rates = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..plan.rounds + 1 {
        for (guest, rates) in [linux, &bulk].into_iter().zip(&mut rates) {
            for (direction, rates) in ["take", "give"].into_iter().zip(rates) {
                let output = network::run(&mut guest.client(&[direction, &len_bytes])?)?;
                let seconds: f64 = output.trim().parse().context("the client printed no time")?;
                rates.push(BULK_LEN_BYTES as f64 / 1e6 / seconds);
            }
        }
    }
    let [[linux_sends, linux_receives], [sends, receives]] =
        rates.map(|rates| rates.map(|rates| median(rates).unwrap_or(f64::NAN)));
    table.push("Linux", [linux_sends, 1.0, linux_receives, 1.0].map(Some));
    let ratios = [sends / linux_sends, receives / linux_receives];
    table.push("wasmetal", [sends, ratios[0], receives, ratios[1]].map(Some));
    table.notes.push(format!(
        "{} MiB at a time, counted and compared at the other end; busybox's dd and nc send and receive in Linux.",
        BULK_LEN_BYTES >> 20
    ));
    Ok(table)
}
