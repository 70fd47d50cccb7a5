//! What a network configures and answers by itself: DHCP, DNS, IPv6, ICMP, UDP. The other side is dnsmasq and Linux.

use super::Length;
use crate::client;
use crate::guest::{Image, SLAAC_ADDRESS};
use crate::lab::{GUEST_V4, HOST_V4, HOST_V6, Lab, STATIC_ADDRESS};
use crate::process::Process;
use crate::process::missing;
use anyhow::{Context, Result, ensure};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PORT: u16 = 5000;
/// More than a card's queue holds, so that its places must have been used again.
const PINGS: u32 = 600;

/// dnsmasq in the lab: DHCP, DNS and router advertisements. What it logs are lines.
struct Dnsmasq {
    process: Process,
    _leases: TempDir,
}

impl Dnsmasq {
    fn start() -> Result<Dnsmasq> {
        let leases = tempfile::tempdir()?;
        let mut process = Command::new("dnsmasq")
            .args([
                "--no-daemon",
                "--conf-file=/dev/null",
                "--user=root",
                "--pid-file=",
                "--interface=tap0",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--log-queries",
                "--log-dhcp",
                "--log-facility=-",
                // An address is granted at once, instead of after three seconds in which nobody answers from it.
                "--no-ping",
            ])
            // The shortest lease that it grants.
            .args([
                "--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,2m",
                "--dhcp-authoritative",
            ])
            .args(["--enable-ra", "--dhcp-range=fd00:1::,ra-only", "--ra-param=tap0,4"])
            .args([
                "--address=/one.test/10.0.0.1",
                "--address=/one.test/fd00:1::1",
                "--address=/two.test/10.0.0.77",
            ])
            .arg(format!("--dhcp-leasefile={}", leases.path().join("leases").display()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| missing("dnsmasq", error))?;
        let stderr = process.stderr.take().context("standard error is piped")?;
        Ok(Dnsmasq {
            process: Process::new("dnsmasq", process, stderr),
            _leases: leases,
        })
    }
}

fn peer(memory_mib: u32) -> Result<Image> {
    let mut image = Image::build(&fixtures::wasi("peer"), &["5000"], None)?;
    image.memory_mib = memory_mib;
    Ok(image)
}

pub(super) fn dhcp(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let dnsmasq = Dnsmasq::start()?;
    let began = Instant::now();
    let guest = lab.boot(&peer(128)?, "ip=dhcp")?;
    let line = dnsmasq.process.wait_for("DHCPACK", client::PATIENCE)?;
    let took = began.elapsed();
    guest.wait_for("ready")?;
    let address = line
        .split_whitespace()
        .find_map(|word| word.parse::<IpAddr>().ok())
        .context("an acknowledgement names the address")?;
    client::upload((address, PORT).into(), 100_000)?;
    let mut figure = format!("{address} leased {} ms after QEMU's start", took.as_millis());
    if length == Length::Long {
        // The lease ends after two minutes, unless it is renewed, which is due at half of them.
        for _ in 0..2 {
            let renewed = dnsmasq.process.wait_for("DHCPACK", Duration::from_secs(90))?;
            ensure!(
                renewed.contains(&address.to_string()),
                "another address at the renewal: {renewed}"
            );
        }
        client::upload((address, PORT).into(), 100_000)?;
        figure += &format!(", renewed twice and in use after {} s", began.elapsed().as_secs());
    }
    Ok(figure)
}

pub(super) fn dns(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let dnsmasq = Dnsmasq::start()?;
    let repeats = length.choose(20, 1000);
    let mut names = vec!["4", "two.test", "ONE.test", "absent.invalid"];
    names.resize(names.len() + repeats, "one.test");
    let image = Image::build(&fixtures::wasi("resolve"), &names, None)?;
    let guest = lab.boot(&image, &format!("{STATIC_ADDRESS} dns={HOST_V4}"))?;
    ensure!(guest.wait_for("two.test")?.ends_with(": 10.0.0.77"));
    ensure!(guest.wait_for("ONE.test")?.ends_with(": 10.0.0.1"));
    ensure!(
        guest.wait_for("absent")?.contains(": errno"),
        "a name that is not there has an address"
    );
    for _ in 0..repeats {
        let line = guest.wait_for("one.test")?;
        ensure!(line == "one.test: 10.0.0.1", "{line}");
    }
    drop(guest);
    let asked = dnsmasq.process.said("query[A]").len();
    ensure!(asked == 3, "{asked} questions for 3 names");

    let image = Image::build(&fixtures::wasi("resolve"), &["6", "one.test", "two.test"], None)?;
    let guest = lab.boot(&image, &format!("{STATIC_ADDRESS} dns={HOST_V6}"))?;
    let line = guest.wait_for("one.test")?;
    ensure!(line.ends_with("253.0.0.1.0.0.0.0.0.0.0.0.0.0.0.1"), "{line}");
    ensure!(
        guest.wait_for("two.test")?.contains(": errno"),
        "two.test has no IPv6 address"
    );
    Ok(format!(
        "{} lookups of 3 names with 3 questions; an AAAA record by a server over IPv6",
        repeats + 3
    ))
}

pub(super) fn ipv6(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let _dnsmasq = Dnsmasq::start()?;
    let guest = lab.boot(&peer(256)?, STATIC_ADDRESS)?;
    guest.wait_for("ready")?;
    let losses = client::ping(SLAAC_ADDRESS, length.choose(PINGS, 2000))?;
    let to = SocketAddr::new(SLAAC_ADDRESS.parse()?, PORT);
    let len_bytes = length.choose(5_000_000, 100_000_000);
    let up = client::upload(to, len_bytes)?;
    let down = client::download(to, len_bytes)?;
    let datagrams = length.choose(200, 5000);
    client::echo(to, datagrams)?;
    Ok(format!(
        "{SLAAC_ADDRESS} by router advertisement; ping: {losses}; TCP {} in and {} out; {datagrams} datagrams echoed",
        rate(len_bytes, up),
        rate(len_bytes, down)
    ))
}

pub(super) fn datagrams(length: Length) -> Result<String> {
    let lab = Lab::enter()?;
    let guest = lab.boot(&peer(128)?, STATIC_ADDRESS)?;
    guest.wait_for("ready")?;
    let losses = client::ping(GUEST_V4, length.choose(PINGS, 2000))?;
    let count = length.choose(500, 20_000);
    let began = Instant::now();
    client::echo(SocketAddr::new(GUEST_V4.parse()?, PORT), count)?;
    let each = began.elapsed() / count as u32;
    drop(guest);
    let image = Image::of_example("c/udp_echo", &["7"], None)?;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;
    guest.wait_for("echoing")?;
    client::echo(SocketAddr::new(GUEST_V4.parse()?, 7), 50)?;
    Ok(format!(
        "ping: {losses}; {count} datagrams echoed, {} µs each",
        each.as_micros()
    ))
}

pub(super) fn options(_: Length) -> Result<String> {
    const TIMEOUT_MS: u64 = 300;
    let lab = Lab::enter()?;
    let datagrams = UdpSocket::bind("0.0.0.0:0")?;
    let port = datagrams.local_addr()?.port();
    let listener = TcpListener::bind((HOST_V4, port))?;
    let image = Image::build(&fixtures::wasi("options"), &[HOST_V4, &port.to_string()], None)?;
    let guest = lab.boot(&image, STATIC_ADDRESS)?;

    let line = guest.wait_for("receive timeout")?;
    let waited_ms = line.split_whitespace().nth_back(1).context("a time")?.parse::<u64>()?;
    ensure!(line.contains("errno 6 ") && waited_ms >= TIMEOUT_MS, "{line}");
    let line = guest.wait_for("broadcast not allowed")?;
    ensure!(line.ends_with("errno 2"), "{line}");
    let line = guest.wait_for("broadcast allowed")?;
    ensure!(line.ends_with("errno 0"), "{line}");
    datagrams.set_read_timeout(Some(client::PATIENCE))?;
    let mut bytes = [0; 8];
    ensure!(
        datagrams.recv(&mut bytes)? == 1 && bytes[0] == b'b',
        "another datagram came"
    );
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(client::PATIENCE))?;
    let end = stream.read(&mut bytes);
    let is_reset = end
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    ensure!(
        is_reset,
        "a linger time of nothing does not reset the connection: {end:?}"
    );
    Ok(format!(
        "a timeout of {TIMEOUT_MS} ms kept ({waited_ms} ms), broadcast refused and allowed, linger resets"
    ))
}

/// Words a rate.
pub(super) fn rate(len_bytes: u64, took: Duration) -> String {
    format!("{:.1} MB/s", len_bytes as f64 / 1e6 / took.as_secs_f64())
}
