//! A server that opens no socket itself: `--listen` prepares one, which WASI preview 1 can accept connections on. Only the standard
//! library is used.
//!
//!   wasmetal run --net user --publish 8080:8080 --listen 0.0.0.0:8080 accept.wasm
//!   printf 'one\ntwo\n' | nc -N 127.0.0.1 8080
//!
//! It sends every line back reversed, one connection after the other.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::wasi::io::FromRawFd;

/// The first descriptor that is not standard input, output or error.
const LISTENER: i32 = 3;

fn reverse_lines(stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut answer = stream;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let reversed: String = line.trim_end().chars().rev().collect();
        writeln!(answer, "{reversed}")?;
        line.clear();
    }
    stream.shutdown(Shutdown::Write)
}

fn main() {
    // SAFETY: nothing else in this program uses the descriptor.
    let listener = unsafe { TcpListener::from_raw_fd(LISTENER) };
    eprintln!("waiting for connections");
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Err(error) = reverse_lines(&stream) {
                    eprintln!("a connection has failed: {error}");
                }
            }
            Err(error) => {
                eprintln!("cannot accept: {error}; was `--listen` given?");
                std::process::exit(1);
            }
        }
    }
}
