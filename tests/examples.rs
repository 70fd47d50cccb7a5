//! The programs of `examples/`, as their README runs them: each is booted and does what it is there for.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStderr, Stdio};
use std::thread;
use std::time::Duration;
use support::{KillOnDrop, Outcome, wasmetal, wasmetal_directly};

/// Longer than any answer takes on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(60);

fn example(name: &str) -> PathBuf {
    fixtures::root().join("examples").join(name).with_extension("wasm")
}

/// A running example, and the port of the host that leads to its port 8080.
struct Server {
    _process: KillOnDrop,
    /// Kept open, since the end of its reader is the end of the program.
    _stderr: BufReader<ChildStderr>,
    port: u16,
}

impl Server {
    /// Boots an example with further arguments of `run`, and waits for it to say `ready`.
    fn start(name: &str, ready: &str, arguments: &[&str]) -> Server {
        // The port is free a moment later, too, unless another program is very unlucky.
        let unused = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = unused.local_addr().expect("its number").port();
        drop(unused);
        let mut command = wasmetal_directly();
        command.args(["run", "--accel", "tcg", "--net", "user"]);
        command.args(["--publish", &format!("{port}:8080")]);
        command.arg(example(name)).args(arguments).stderr(Stdio::piped());
        let mut process = KillOnDrop(command.spawn().expect("wasmetal starts"));
        let stderr = process.0.stderr.take().expect("it is piped");
        let mut said = String::new();
        let mut lines = BufReader::new(stderr);
        while !said.contains(ready) {
            let count = lines.read_line(&mut said).expect("the message is text");
            assert!(count > 0, "{name} has ended instead of saying `{ready}`: {said}");
        }
        Server {
            _process: process,
            _stderr: lines,
            port,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the port is published");
        stream.set_read_timeout(Some(TIME_LIMIT)).expect("it is not zero");
        stream
    }

    /// Sends `bytes` and returns what comes back until the server ends the connection.
    fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("the request is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the answer arrives");
        answer
    }

    /// Requests a page and returns the status line and the body.
    fn fetch(&self, method: &str, target: &str, body: &str) -> (String, Vec<u8>) {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: guest\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let answer = self.exchange(request.as_bytes());
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(&answer)));
        let head = String::from_utf8_lossy(&answer[..end]);
        (
            head.lines().next().unwrap_or_default().to_owned(),
            answer[end + 4..].to_vec(),
        )
    }
}

/// Serves a folder with one of the file servers and compares what comes back.
fn serve_files(name: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = b"<!doctype html><title>page</title>".to_vec();
    // Longer than any send buffer, and no two places alike.
    let data: Vec<u8> = (0..3_000_000u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::fs::write(folder.path().join("index.html"), &page).expect("written");
    std::fs::write(folder.path().join("data.bin"), &data).expect("written");
    let bake = format!("--bake={}::/www", folder.path().display());
    let server = Server::start(name, "listening", &[&bake, "--", "/www", "8080"]);

    assert_eq!(server.fetch("GET", "/", ""), ("HTTP/1.1 200 OK".to_owned(), page));
    let (status, body) = server.fetch("GET", "/data.bin", "");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body == data, "{} bytes came, not those of the file", body.len());
    assert_eq!(server.fetch("HEAD", "/data.bin", "").1, []);
    assert_eq!(server.fetch("GET", "/absent", "").0, "HTTP/1.1 404 Not Found");
    assert_eq!(
        server.fetch("GET", "/../www/index.html", "").0,
        "HTTP/1.1 400 Bad Request"
    );
    assert_eq!(server.fetch("DELETE", "/", "").0, "HTTP/1.1 405 Method Not Allowed");
}

#[test]
fn the_file_server_in_rust_serves_a_folder_byte_for_byte() {
    serve_files("rust/file_server");
}

#[test]
fn the_file_server_in_c_serves_a_folder_byte_for_byte() {
    serve_files("c/file_server");
}

#[test]
fn the_small_server_answers_every_request_of_a_connection() {
    let server = Server::start("c/hello_server", "listening", &["--", "8080"]);
    let mut stream = server.connect();
    stream.write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(5)).expect("sent");
    let mut answers = Vec::new();
    while String::from_utf8_lossy(&answers).matches("Hello, wasm!").count() < 5 {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).expect("the answers arrive");
        assert!(count > 0, "the server has closed the connection");
        answers.extend_from_slice(&bytes[..count]);
    }
}

#[test]
fn hyper_and_tokio_serve_long_bodies() {
    let server = Server::start("rust/hyper_server", "listening", &[]);
    let (status, body) = server.fetch("GET", "/", "");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(body, b"Hello from hyper on no operating system.\n");
    assert_eq!(server.fetch("GET", "/absent", "").0, "HTTP/1.1 404 Not Found");
    let words = "some words, ".repeat(10_000);
    let (status, body) = server.fetch("POST", "/upper", &words);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body == words.to_uppercase().into_bytes());
}

#[test]
fn a_socket_of_the_command_line_is_accepted_on() {
    let arguments = ["--listen", "0.0.0.0:8080"];
    let server = Server::start("rust/accept", "waiting", &arguments);
    for text in ["one\ntwo\n", "three\n"] {
        let mut stream = server.connect();
        stream.write_all(text.as_bytes()).expect("sent");
        stream
            .shutdown(Shutdown::Write)
            .expect("half of the connection is closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer arrives");
        let reversed: String = text
            .lines()
            .map(|line| line.chars().rev().collect::<String>() + "\n")
            .collect();
        assert_eq!(answer, reversed);
    }
}

#[test]
fn the_client_prints_the_page_of_a_server() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("its number").port().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client comes");
        let mut line = String::new();
        BufReader::new(stream.try_clone().expect("another handle"))
            .read_line(&mut line)
            .expect("the request is text");
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nthe page").expect("sent");
        line
    });
    let mut command = wasmetal();
    command
        .args(["run", "--accel", "tcg", "--net", "user"])
        .arg(example("c/http_get"));
    // QEMU's address for the host.
    command.args(["10.0.2.2", &port, "/path"]);
    let outcome = Outcome::of(&mut command).expect_code(0);
    assert_eq!(outcome.stdout, "HTTP/1.0 200 OK\r\n\r\nthe page");
    assert_eq!(server.join().expect("the server ends"), "GET /path HTTP/1.0\r\n");
}
