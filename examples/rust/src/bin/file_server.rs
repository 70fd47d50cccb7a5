//! A web server for the files of a folder, on the published crate `wasmedge_wasi_socket`.
//!
//!   wasmetal run --bake ./www::/www --net user --publish 8080:8080 file_server.wasm -- /www 8080
//!
//! One thread waits for all connections at once by `poll_oneoff`; every socket is non-blocking. A connection stays open until the
//! client says `Connection: close` or leaves. The C twin, tuned for the benchmark, is `examples/c/file_server.c`.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::wasi::io::AsRawFd;
use std::path::{Component, Path, PathBuf};
use wasmedge_wasi_socket::wasi_poll::{poll, Event, Subscription, SubscriptionFdReadwrite, SubscriptionU, SubscriptionUU};
use wasmedge_wasi_socket::wasi_poll::{EVENTTYPE_FD_READ, EVENTTYPE_FD_WRITE};
use wasmedge_wasi_socket::{TcpListener, TcpStream};

const MAX_HEAD_BYTES: usize = 8192;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    /// What has arrived and is not answered.
    request: Vec<u8>,
    /// What is to be sent, from `sent` on.
    answer: Vec<u8>,
    sent: usize,
    close_when_sent: bool,
}

impl Connection {
    fn is_sending(&self) -> bool {
        self.sent < self.answer.len()
    }

    /// Does what can be done without waiting. Returns false when the connection is of no use any more.
    fn advance(&mut self, root: &Path) -> io::Result<bool> {
        loop {
            while self.is_sending() {
                match self.stream.write(&self.answer[self.sent..]) {
                    Ok(count) => self.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(error) => return Err(error),
                }
            }
            if self.close_when_sent {
                return Ok(false);
            }
            if let Some(end) = self.request.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.request.drain(..end + 4).collect();
                (self.answer, self.close_when_sent) = answer(root, &String::from_utf8_lossy(&head));
                self.sent = 0;
                continue;
            }
            let mut bytes = [0; 2048];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(count) => self.request.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
            if self.request.len() > MAX_HEAD_BYTES {
                return Ok(false);
            }
        }
    }
}

/// Returns the answer to a request, and whether it is the last one of its connection.
fn answer(root: &Path, head: &str) -> (Vec<u8>, bool) {
    let mut words = head.split_ascii_whitespace();
    let (method, target, version) = (words.next(), words.next(), words.next());
    let close = version == Some("HTTP/1.0") || head.to_ascii_lowercase().contains("\r\nconnection: close");
    let (status, kind, body) = match (method, target.and_then(|target| find(root, target))) {
        (Some("GET" | "HEAD"), Some(path)) => match std::fs::read(&path) {
            Ok(bytes) => ("200 OK", content_type(&path), bytes),
            Err(_) => ("404 Not Found", "text/plain", b"There is no such file.\n".to_vec()),
        },
        (Some("GET" | "HEAD"), None) => ("400 Bad Request", "text/plain", Vec::new()),
        _ => ("405 Method Not Allowed", "text/plain", Vec::new()),
    };
    let connection = if close { "close" } else { "keep-alive" };
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n")
            .into_bytes();
    if method != Some("HEAD") {
        bytes.extend_from_slice(&body);
    }
    (bytes, close)
}

/// Returns the file that a request's target names, which is below `root`.
fn find(root: &Path, target: &str) -> Option<PathBuf> {
    let path = Path::new(target.split('?').next()?.strip_prefix('/')?);
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = root.join(path);
    Some(if target.ends_with('/') { file.join("index.html") } else { file })
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

fn subscription(userdata: u64, fd: i32, tag: u8) -> Subscription {
    let fd_read = SubscriptionFdReadwrite { file_descriptor: fd as u32 };
    Subscription { userdata, u: SubscriptionU { tag, u: SubscriptionUU { fd_read } } }
}

fn wait(listener: &TcpListener, connections: &HashMap<u64, Connection>) -> io::Result<Vec<Event>> {
    let mut subscriptions = vec![subscription(LISTENER, listener.as_raw_fd(), EVENTTYPE_FD_READ)];
    for (&number, connection) in connections {
        let tag = if connection.is_sending() { EVENTTYPE_FD_WRITE } else { EVENTTYPE_FD_READ };
        subscriptions.push(subscription(number, connection.stream.as_raw_fd(), tag));
    }
    let mut events = vec![Event::empty(); subscriptions.len()];
    // SAFETY: there is room for an event of each subscription.
    let count = unsafe { poll(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len())? };
    events.truncate(count);
    Ok(events)
}

fn serve(root: &Path, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port), true)?;
    eprintln!("listening on port {port}");
    let mut connections = HashMap::new();
    let mut next_number = 0;
    loop {
        for event in wait(&listener, &connections)? {
            if event.userdata == LISTENER {
                while let Ok((stream, _)) = listener.accept(true) {
                    let connection =
                        Connection { stream, request: Vec::new(), answer: Vec::new(), sent: 0, close_when_sent: false };
                    connections.insert(next_number, connection);
                    next_number += 1;
                }
            } else if let Some(connection) = connections.get_mut(&event.userdata) {
                if !connection.advance(root).unwrap_or(false) {
                    connections.remove(&event.userdata);
                }
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap_or_else(|| "/www".to_string());
    let port = arguments.next().and_then(|port| port.parse().ok()).unwrap_or(8080);
    if let Err(error) = serve(Path::new(&root), port) {
        eprintln!("the server has ended: {error}");
        std::process::exit(1);
    }
}
