//! Networks and peers that misbehave: whatever they do, data arrives whole, the server goes on serving, and nothing leaks.

use super::Length;
use super::protocols::rate;
use crate::client;
use crate::frame::Request;
use crate::guest::{Guest, Image, MAC};
use crate::lab::{GUEST_V4, Lab, STATIC_ADDRESS, run};
use crate::system::TAP;
use crate::wire::{Faults, Random, Wire};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const PORT: u16 = 5000;
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), PORT);
/// What a machine's memory may differ by when nothing is said to have leaked: translated code of QEMU, mostly.
const SLACK_KIB: u64 = 8 << 10;

fn peer() -> Result<Image> {
    Image::build(&fixtures::wasi("peer"), &["5000"], None)
}

pub(super) fn lossy(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let percent = length.choose(5, 10);
    let faults = Faults {
        loss_percent: percent,
        duplicate_percent: percent,
        late_percent: percent,
        delay: Duration::from_millis(10),
        seed: 6,
    };
    let (guest, wire) = lab.boot_behind_wire(&peer()?, STATIC_ADDRESS, faults)?;
    guest.wait_for("ready")?;
    let len_bytes = length.choose(1_000_000, 100_000_000);
    let up = client::upload(PEER, len_bytes)?;
    let down = client::download(PEER, len_bytes)?;
    client::echo(PEER, length.choose(20, 1000))?;
    // It takes its losses for congestion, and its time.
    let linux_len_bytes = length.choose(200_000, 3_000_000);
    let linux = linux_sends(linux_len_bytes, faults)?;
    let tally = wire.tally();
    ensure!(
        tally.lost > 0 && tally.doubled > 0 && tally.late > 0,
        "the wire was too good: {tally:?}"
    );
    Ok(format!(
        "{percent} % each lost, doubled and late by up to 10 ms ({} of {} frames lost): {} MB whole both ways, {} in, {} out, \
         where a Linux sends {}",
        tally.lost,
        tally.frames,
        len_bytes / 1_000_000,
        rate(len_bytes, up),
        rate(len_bytes, down),
        rate(linux_len_bytes, linux)
    ))
}

/// Returns the time that one Linux takes to send another data over such a wire, with Linux's usual congestion control.
fn linux_sends(len_bytes: u64, faults: Faults) -> Result<Duration> {
    let (sender, receiver) = mpsc::channel();
    let linux = thread::spawn(move || -> Result<()> {
        let lab = Lab::enter_as_guest("cubic")?;
        let listener = TcpListener::bind(PEER)?;
        sender.send(lab.open_tap()?)?;
        client::serve_download(&listener)
    });
    let other = thread::spawn(move || -> Result<Duration> {
        let lab = Lab::enter()?;
        let tap = receiver.recv().context("there is no Linux to send")?;
        let _wire = Wire::start(lab.open_tap()?, tap, faults)?;
        client::download(PEER, len_bytes)
    });
    let took = other.join().expect("receiving does not panic");
    linux.join().expect("sending does not panic")?;
    took
}

pub(super) fn vanish(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let (guest, wire) = lab.boot_behind_wire(&peer()?, STATIC_ADDRESS, Faults::default())?;
    guest.wait_for("ready")?;

    // Killed: this kernel resets the connection in the client's name, as it does for a process that dies with unread data.
    let count = 50;
    let before = guest.resident_kib()?;
    for _ in 0..count {
        let mut stream = client::begin(PEER, b'D', 1 << 40)?;
        stream.read_exact(&mut [0; 1000])?;
        drop(stream);
        guest.wait_for("a connection in mode D has ended")?;
    }
    let mut figure = format!("{count} killed clients noticed");

    if length == Length::Long {
        // Silent: one connection has data on its way, the other only sends probes.
        let mut busy = client::begin(PEER, b'D', 1 << 40)?;
        busy.read_exact(&mut [0; 1000])?;
        let idle = client::begin(PEER, b'K', 0)?;
        client::upload(PEER, 1000)?;
        guest.wait_for("mode U has ended")?;
        wire.cut(true);
        let began = Instant::now();
        let limit = Duration::from_secs(400);
        for _ in 0..2 {
            let line = guest.wait_long_for("has ended", limit)?;
            figure += &format!("; cut off: {line} after {} s", began.elapsed().as_secs());
        }
        wire.cut(false);
        drop((busy, idle));
    }
    client::upload(PEER, 100_000)?;
    let after = guest.resident_kib()?;
    let grown = after.saturating_sub(before);
    ensure!(grown < SLACK_KIB, "the machine has grown from {before} to {after} KiB");
    Ok(format!("{figure}; the machine has grown by {grown} KiB"))
}

pub(super) fn flood(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let (guest, wire) = lab.boot_behind_wire(&peer()?, STATIC_ADDRESS, Faults::default())?;
    guest.wait_for("ready")?;
    let mut flood = Flood {
        wire: &wire,
        host_mac: host_mac()?,
        random: Random(42),
    };
    client::upload(PEER, 1_000_000)?;
    // As fast as the guest takes them; this fills what there is to fill.
    flood.send(20_000, u32::MAX)?;
    let before = guest.resident_kib()?;
    let mut figure = "20000 made-up requests at once".to_owned();
    let (rates, seconds): (&[u32], u32) = length.choose((&[1000], 3), (&[1000, 2000, 5000], 30));
    for rate in rates {
        let (served, longest) = flood.beside_clients(rate * seconds, *rate)?;
        let longest_ms = longest.as_millis();
        figure += &format!(
            "; {rate} a second for {seconds} s, and {served} good clients served, each within {longest_ms} ms"
        );
    }
    let grown = guest.resident_kib()?.saturating_sub(before);
    ensure!(grown < SLACK_KIB, "the machine has grown by {grown} KiB");
    Ok(format!("{figure}; the machine has grown by {grown} KiB"))
}

struct Flood<'a> {
    wire: &'a Wire,
    host_mac: [u8; 6],
    random: Random,
}

impl Flood<'_> {
    /// Sends requests while good clients come one after the other; returns how many were served, and the longest that one took.
    fn beside_clients(&mut self, count: u32, rate: u32) -> Result<(u32, Duration)> {
        client::upload(PEER, 1_000_000)?;
        let mut served = 0;
        let mut longest = Duration::ZERO;
        thread::scope(|scope| {
            let flooding = scope.spawn(|| self.send(count, rate));
            while !flooding.is_finished() {
                longest = longest.max(client::upload(PEER, 1000)?);
                served += 1;
            }
            flooding.join().expect("sending does not panic")
        })?;
        Ok((served, longest))
    }

    /// Sends requests from addresses and ports all over, so many a second at most.
    fn send(&mut self, count: u32, rate: u32) -> Result<()> {
        let began = Instant::now();
        for number in 0..count {
            let due = began + Duration::from_secs_f64(f64::from(number) / f64::from(rate));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let bits = self.random.next();
            let request = Request {
                from: (
                    Ipv4Addr::from_bits(0xac10_0000 | bits as u32 & 0xf_ffff),
                    1024 | (bits >> 32) as u16,
                ),
                to: (GUEST_V4.parse()?, PORT),
                sequence: (bits >> 40) as u32,
            };
            self.wire
                .inject(&request.frame(self.host_mac, MAC))
                .context("the guest has ended")?;
        }
        Ok(())
    }
}

fn host_mac() -> Result<[u8; 6]> {
    let text = run(&format!("ip -br link show {TAP}"))?;
    let word = text.split_whitespace().find(|word| word.split(':').count() == 6);
    let mut mac = [0; 6];
    for (byte, digits) in mac.iter_mut().zip(word.context("tap0 has no address")?.split(':')) {
        *byte = u8::from_str_radix(digits, 16)?;
    }
    Ok(mac)
}

pub(super) fn flap(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let (guest, wire) = lab.boot_behind_wire(&peer()?, STATIC_ADDRESS, Faults::default())?;
    guest.wait_for("ready")?;
    let rounds = length.choose(3, 60);
    for round in 0..rounds {
        // Each way to lose a link has its turn, while data is on its way in both directions.
        match round % 3 {
            0 => during_transfers(
                &guest,
                || guest.monitor("set_link n off"),
                || guest.monitor("set_link n on"),
            )?,
            1 => during_transfers(
                &guest,
                || run("ip link set tap0 down").map(drop),
                || run("ip link set tap0 up").map(drop),
            )?,
            _ => during_transfers(
                &guest,
                || {
                    wire.cut(true);
                    Ok(())
                },
                || {
                    wire.cut(false);
                    Ok(())
                },
            )?,
        }
    }
    Ok(format!(
        "{rounds} losses of the link, in turn at the card, the device and the wire; all transfers whole"
    ))
}

/// Transfers data both ways, and meanwhile takes the link away and gives it back.
fn during_transfers(guest: &Guest, lose: impl Fn() -> Result<()>, regain: impl Fn() -> Result<()>) -> Result<()> {
    const LEN_BYTES: u64 = 20_000_000;
    thread::scope(|scope| -> Result<()> {
        let mut down = client::begin(PEER, b'D', LEN_BYTES)?;
        down.read_exact(&mut [0; 1000])?;
        let up = scope.spawn(|| client::upload(PEER, LEN_BYTES));
        lose()?;
        // How long the link stays away is part of the fault: longer than a retransmission timeout, shorter than patience.
        thread::sleep(Duration::from_millis(700));
        regain()?;
        let mut rest = Vec::new();
        down.read_to_end(&mut rest).context("the transfer that was under way")?;
        ensure!(rest.len() as u64 == LEN_BYTES - 1000, "{} bytes came", rest.len());
        up.join()
            .expect("an upload does not panic")
            .context("the other transfer")?;
        guest.wait_for("mode U has ended: errno 0, 0 bytes left")?;
        Ok(())
    })
}

pub(super) fn memory(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let mut image = peer()?;
    image.memory_mib = 24;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;
    guest.wait_for("ready")?;
    let wanted = length.choose(1000, 4000);
    raise_descriptor_limit_message(wanted)?;
    for round in 0..length.choose(2, 5) {
        let mut streams = Vec::new();
        let mut refused = 0;
        for _ in 0..wanted {
            // A guest without memory for another connection does not answer: a second shows that as well as a minute.
            match TcpStream::connect_timeout(&PEER, Duration::from_secs(if refused == 0 { 5 } else { 1 })) {
                Ok(mut stream) => {
                    stream.set_nonblocking(true)?;
                    // The guest's send buffer fills, since nobody reads; and so does its receive buffer.
                    let head = [&b"D"[..], &(1u64 << 40).to_le_bytes(), &[7; 4096]].concat();
                    // What does not fit is not missed.
                    let _ = stream.write(&head);
                    streams.push(stream);
                }
                Err(_) => refused += 1,
            }
            if refused == 3 {
                break;
            }
        }
        ensure!(!streams.is_empty(), "round {round}: no connection at all");
        // Others, which the guest had no memory to serve, it may have given up already.
        let has_data = |stream: &&TcpStream| stream.peek(&mut [0]).is_ok_and(|len| len > 0);
        let served = streams.iter().filter(has_data).count();
        ensure!(served > 0, "round {round}: no connection got data");
        drop(streams);
        // Where a reset is lost, the guest hears of the end when it probes, or ends the connection itself after two minutes.
        for _ in 0..served {
            guest.wait_long_for("has ended", Duration::from_secs(200))?;
        }
        client::upload(PEER, 1_000_000).with_context(|| format!("after round {round}"))?;
    }
    Ok(format!(
        "{wanted} connections whose data nobody reads, in 24 MiB: the machine lives, serves, and has its memory back"
    ))
}

/// Tells whether this process may have so many connections, in words if not.
fn raise_descriptor_limit_message(wanted: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap_or_default();
    let limit = line
        .split_whitespace()
        .nth(3)
        .and_then(|word| word.parse().ok())
        .unwrap_or(usize::MAX);
    ensure!(
        limit > wanted + 100,
        "this needs {wanted} descriptors and may have {limit}; try `ulimit -n 8192`"
    );
    Ok(())
}
