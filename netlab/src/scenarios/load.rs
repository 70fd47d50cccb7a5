//! Servers with much to do, and with nothing.

use super::Length;
use crate::client;
use crate::guest::Image;
use crate::lab::{Lab, STATIC_ADDRESS};
use crate::wire::Random;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);
const PAGE: &str = "/page.html";

fn file_server() -> Result<(Image, Vec<u8>)> {
    let folder = tempfile::tempdir()?;
    let body = b"<p>some words of a page</p>\n".repeat(40);
    fs::write(folder.path().join("page.html"), &body)?;
    Ok((
        Image::of_example("c/file_server", &["/www", "80"], Some(&folder))?,
        body,
    ))
}

pub(super) fn churn(length: Length) -> Result<String> {
    const THREADS: usize = 8;
    const CONNECTIONS: usize = 800;
    let lab = Lab::enter()?;
    let (image, body) = file_server()?;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;
    guest.wait_for("listening")?;
    let (requests, opened) = (AtomicU64::new(0), AtomicU64::new(0));
    let run_for = |duration: Duration, seed: u64| -> Result<()> {
        let deadline = Instant::now() + duration;
        thread::scope(|scope| {
            let clients: Vec<_> = (0..THREADS)
                .map(|number| {
                    let (body, requests, opened) = (&body, &requests, &opened);
                    let random = Random(seed + number as u64);
                    scope.spawn(move || {
                        use_connections(CONNECTIONS / THREADS, deadline, random, body, [requests, opened])
                    })
                })
                .collect();
            clients
                .into_iter()
                .try_for_each(|client| client.join().expect("a client does not panic"))
        })
    };
    // All connections open once, and enough of them end for what a machine keeps of ended ones to have its size.
    run_for(length.choose(Duration::from_secs(3), Duration::from_secs(30)), 1)?;
    let before = guest.resident_kib()?;
    let [requests_before, opened_before] = [&requests, &opened].map(|counter| counter.load(Ordering::Relaxed));
    let seconds = length.choose(5, 600);
    run_for(Duration::from_secs(seconds), 2)?;
    let after = guest.resident_kib()?;
    let grown = after.saturating_sub(before);
    ensure!(grown < 4 << 10, "the machine has grown from {before} to {after} KiB");
    Ok(format!(
        "{CONNECTIONS} connections for {seconds} s: {} requests, {} connections opened, no error; {after} KiB, grown by {grown}",
        requests.into_inner() - requests_before,
        opened.into_inner() - opened_before
    ))
}

/// Keeps connections busy until the deadline: each is asked in turn, and one in sixteen requests is its last.
fn use_connections(
    count: usize,
    deadline: Instant,
    mut random: Random,
    body: &[u8],
    [requests, opened]: [&AtomicU64; 2],
) -> Result<()> {
    let mut streams: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
    // Every connection opens, however late it is.
    for round in 0.. {
        for place in &mut streams {
            if round > 0 && Instant::now() >= deadline {
                return Ok(());
            }
            let stream = match place {
                Some(stream) => stream,
                None => {
                    opened.fetch_add(1, Ordering::Relaxed);
                    place.insert(client::connect(SERVER)?)
                }
            };
            // Half of the ended connections end at the server's side.
            let fate = random.next() % 32;
            client::request(stream, PAGE, body, fate == 0).context("a request")?;
            requests.fetch_add(1, Ordering::Relaxed);
            if fate < 2 {
                *place = None;
            }
        }
    }
    Ok(())
}

pub(super) fn idle(length: Length) -> Result<String> {
    /// Of one processor.
    const LIMIT_PERCENT: f64 = 1.0;
    let lab = Lab::enter()?;
    let (image, body) = file_server()?;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;
    guest.wait_for("listening")?;
    let mut stream = client::connect(SERVER)?;
    client::request(&mut stream, PAGE, &body, false)?;
    let (before, began) = (guest.cpu_time()?, Instant::now());
    // The time is what is measured.
    thread::sleep(length.choose(Duration::from_secs(5), Duration::from_secs(30)));
    let (used, took) = (guest.cpu_time()? - before, began.elapsed());
    let percent = 100.0 * used.as_secs_f64() / took.as_secs_f64();
    ensure!(percent < LIMIT_PERCENT, "{percent:.2} % of a processor");
    let began = Instant::now();
    client::request(&mut stream, PAGE, &body, false)?;
    let answer = began.elapsed();
    Ok(format!(
        "{percent:.2} % of a processor over {} s with one connection; the next answer after {:.1} ms",
        took.as_secs(),
        answer.as_secs_f64() * 1000.0
    ))
}
