//! What this program does as its own child, in a namespace: asking once, and moving bytes.

use crate::guest::BULK_PIECE_LEN_BYTES;
use crate::network::GUEST;
use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Port of the web servers.
pub const HTTP_PORT: u16 = 1234;
/// Ports of the servers that send and that count; they are also in `fixtures/network/bulk_server.c`.
pub const SOURCE_PORT: u16 = 1236;
/// See [`SOURCE_PORT`].
pub const SINK_PORT: u16 = 1237;

/// How long a guest may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);
const PIECE_LEN_BYTES: usize = 64 * 1024;

/// What to do.
#[derive(Subcommand)]
pub enum Client {
    /// Wait until the server answers, and write the answer to standard output
    #[command(hide = true)]
    Ask {
        path: String,
        /// Say that no further request will follow
        #[arg(long)]
        close: bool,
    },
    /// Wait until something listens on the ports of the bulk servers
    #[command(hide = true)]
    Knock,
    /// Take so many zeros, and print the seconds
    #[command(hide = true)]
    Take { len_bytes: u64 },
    /// Give so many zeros, have them counted, and print the seconds
    #[command(hide = true)]
    Give { len_bytes: u64 },
}

impl Client {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        match self {
            Client::Ask { path, close } => {
                let answer = persist(|| ask(path, *close))?;
                io::stdout().write_all(&answer)?;
            }
            Client::Knock => {
                for port in [SOURCE_PORT, SINK_PORT] {
                    persist(|| connect(port, Duration::from_secs(1)))?;
                }
            }
            &Client::Take { len_bytes } => println!("{}", take(len_bytes)?.as_secs_f64()),
            &Client::Give { len_bytes } => println!("{}", give(len_bytes)?.as_secs_f64()),
        }
        Ok(())
    }
}

/// Repeats an attempt until it succeeds.
fn persist<T>(mut attempt: impl FnMut() -> io::Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if began.elapsed() > PATIENCE => return Err(error).context("the guest does not answer"),
            // A refusal comes at once; asking again at once would slow the guest's boot down.
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn connect(port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let address: IpAddr = GUEST.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), timeout)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Returns a whole answer: its head, and as much after it as the head says.
fn ask(path: &str, close: bool) -> io::Result<Vec<u8>> {
    // While nothing answers, a new attempt after 20 ms finds out sooner than the kernel's repetition after a second.
    let mut stream = connect(HTTP_PORT, Duration::from_millis(20))?;
    let close = if close { "Connection: close\r\n" } else { "" };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {GUEST}\r\n{close}\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; PIECE_LEN_BYTES];
    loop {
        let len_bytes = stream.read(&mut piece)?;
        if len_bytes == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..len_bytes]);
        if answer_len(&answer).is_some_and(|expected| answer.len() >= expected) {
            return Ok(answer);
        }
    }
}

/// Returns the length of an answer whose head is complete.
fn answer_len(answer: &[u8]) -> Option<usize> {
    let head_len = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..head_len]).to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length:")?;
    let body_len: usize = rest.lines().next()?.trim().parse().ok()?;
    Some(head_len + body_len)
}

fn take(len_bytes: u64) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = connect(SOURCE_PORT, PATIENCE)?;
    let mut piece = vec![0; PIECE_LEN_BYTES];
    let mut taken = 0;
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            break;
        }
        ensure!(piece[..count].iter().all(|&byte| byte == 0), "a byte is wrong");
        taken += count as u64;
    }
    ensure!(taken == len_bytes, "{taken} bytes came instead of {len_bytes}");
    Ok(began.elapsed())
}

fn give(len_bytes: u64) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = connect(SINK_PORT, PATIENCE)?;
    let piece = vec![0; PIECE_LEN_BYTES];
    let mut left = len_bytes;
    while left > 0 {
        let len_bytes = left.min(PIECE_LEN_BYTES as u64);
        stream.write_all(&piece[..len_bytes as usize])?;
        left -= len_bytes;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    // Our server's words, and those of dd.
    let bytes = format!("{len_bytes} bytes");
    let pieces = format!("{}+0 records in", len_bytes / BULK_PIECE_LEN_BYTES);
    ensure!(
        answer.contains(&bytes) || answer.contains(&pieces),
        "the guest counted `{}`, not {bytes}",
        answer.trim()
    );
    Ok(began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_known_once_its_head_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello, wasm!";
        let head_len = answer.len() - 12;
        assert_eq!(answer_len(&answer[..head_len]), Some(answer.len()));
        assert_eq!(answer_len(&answer[..head_len - 1]), None);
        assert_eq!(answer_len(b"HTTP/1.1 204 No Content\r\n\r\n"), None);
    }
}
