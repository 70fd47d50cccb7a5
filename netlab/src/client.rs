//! This side of the conversations with guests: the protocol of `fixtures/wasi/peer`, and HTTP.

use crate::lab::run;
use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine and a bad wire, where a timeout for repeating a segment may have doubled to a minute.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// Connects, with [`PATIENCE`] for this and everything after it.
///
/// # Errors
/// If the guest does not answer.
pub fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("cannot connect to {to}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Connects to a peer and says what is to happen.
///
/// # Errors
/// If the guest does not answer.
pub fn begin(to: SocketAddr, mode: u8, len_bytes: u64) -> Result<TcpStream> {
    let mut stream = connect(to)?;
    stream.write_all(&[&[mode][..], &len_bytes.to_le_bytes()].concat())?;
    Ok(stream)
}

/// The byte of the pattern at a position.
fn pattern(position: u64) -> u8 {
    (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// Sends a peer bytes and compares its checksum with ours (FNV-1a). Returns how long that took.
///
/// # Errors
/// If the connection fails or the checksum differs.
pub fn upload(to: SocketAddr, len_bytes: u64) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = begin(to, b'U', len_bytes)?;
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let mut block = vec![0; 1 << 16];
    let mut position = 0;
    while position < len_bytes {
        let count = block.len().min((len_bytes - position) as usize);
        for (place, byte) in block[..count].iter_mut().enumerate() {
            *byte = pattern(!position - place as u64);
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        stream.write_all(&block[..count]).context("while sending")?;
        position += count as u64;
    }
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).context("the peer's checksum")?;
    ensure!(
        u64::from_le_bytes(answer) == sum,
        "the peer has received other bytes than these"
    );
    Ok(began.elapsed())
}

/// Receives bytes from a peer and compares each with the pattern. Returns how long that took.
///
/// # Errors
/// If the connection fails or a byte differs.
pub fn download(to: SocketAddr, len_bytes: u64) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = begin(to, b'D', len_bytes)?;
    let mut block = vec![0; 1 << 16];
    let mut position = 0;
    loop {
        let count = stream
            .read(&mut block)
            .with_context(|| format!("after {position} bytes"))?;
        if count == 0 {
            break;
        }
        for (place, byte) in (position..).zip(&block[..count]) {
            ensure!(*byte == pattern(place), "byte {place} is not what was sent");
        }
        position += count as u64;
    }
    ensure!(position == len_bytes, "the stream ends after {position} bytes");
    Ok(began.elapsed())
}

/// Does what [`download`] expects of a peer, for one connection: what a Linux at the guest's place is asked for.
///
/// # Errors
/// If the connection fails.
pub fn serve_download(listener: &TcpListener) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let len_bytes = u64::from_le_bytes(*head.last_chunk().context("the head has a length")?);
    let mut block = vec![0; 1 << 16];
    let mut position = 0;
    while position < len_bytes {
        let count = block.len().min((len_bytes - position) as usize);
        for (place, byte) in (position..).zip(&mut block[..count]) {
            *byte = pattern(place);
        }
        stream.write_all(&block[..count])?;
        position += count as u64;
    }
    Ok(())
}

/// Sends a peer datagrams of many lengths and compares what comes back; what is lost goes again.
///
/// # Errors
/// If one does not come back.
pub fn echo(to: SocketAddr, datagrams: usize) -> Result<()> {
    const ATTEMPTS: u32 = 30;
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    socket.connect(to)?;
    for number in 0..datagrams {
        let len_bytes = 8 + number * 97 % 1400;
        let sent: Vec<u8> = (0..len_bytes)
            .map(|place| pattern((number << 16 | place) as u64))
            .collect();
        let mut bytes = [0; 2048];
        let mut attempts = 0;
        loop {
            ensure!(attempts < ATTEMPTS, "datagram {number} never comes back");
            attempts += 1;
            // A guest that is not ready yet refuses by ICMP, which the next call reports.
            let received = socket.send(&sent).and_then(|_| socket.recv(&mut bytes));
            match received {
                Ok(count) if bytes[..count] == sent => break,
                // An answer to an earlier attempt.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {}
                Err(error) => bail!("datagram {number}: {error}"),
            }
        }
    }
    Ok(())
}

/// Sends one request on an open connection and checks that the body of the answer is `body`.
///
/// # Errors
/// If the connection fails or the body differs.
pub fn request(stream: &mut TcpStream, path: &str, body: &[u8], is_last: bool) -> Result<()> {
    let connection = if is_last { "close" } else { "keep-alive" };
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: guest\r\nConnection: {connection}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut bytes = [0; 65536];
    loop {
        let count = stream.read(&mut bytes)?;
        ensure!(count > 0, "the connection ends within the answer");
        answer.extend_from_slice(&bytes[..count]);
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n")
            && answer.len() >= end + 4 + body.len()
        {
            ensure!(answer.starts_with(b"HTTP/1.1 200"), "the status is not 200");
            ensure!(&answer[end + 4..] == body, "the body of {path} differs");
            return Ok(());
        }
    }
}

/// Pings an address until it answers, and then `count` times; returns ping's summary of losses.
///
/// # Errors
/// If it never answers.
pub fn ping(address: &str, count: u32) -> Result<String> {
    // Each attempt ends at the first sign that there is nobody yet.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = run(&format!("ping -n -q -c 1 -W 1 {address}")) {
        ensure!(Instant::now() < deadline, error);
    }
    let said = run(&format!("ping -n -q -i 0.01 -c {count} -w 60 {address}"))?;
    let line = said.lines().find(|line| line.contains("packet loss"));
    Ok(line.context("ping has no summary")?.to_owned())
}
