//! The streams between this process and a virtual machine: one pair of sockets each, and a thread that copies.
//!
//! QEMU gets sockets and not our own descriptors because it makes its descriptors non-blocking, which a terminal shared with
//! other programs does not forgive. A socket ends when QEMU ends, whatever the reason, so every copying thread ends by itself.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

const BUFFER_LEN_BYTES: usize = 256 * 1024;

/// A stream: our end, and QEMU's until QEMU has it.
#[derive(Debug)]
pub struct Stream {
    ours: UnixStream,
    theirs: OwnedFd,
}

impl Stream {
    /// Makes a stream.
    pub fn new() -> io::Result<Stream> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Stream {
            ours,
            theirs: theirs.into(),
        })
    }

    /// Returns the number of the descriptor that QEMU inherits.
    pub fn descriptor(&self) -> RawFd {
        self.theirs.as_raw_fd()
    }

    /// Returns our end and closes the other one, which QEMU has by now.
    pub fn into_ours(self) -> UnixStream {
        self.ours
    }
}

/// Copies what the guest writes to `destination`, until QEMU ends. `on_broken` is called once if `destination` takes no more.
pub fn copy_output<W, F>(mut source: UnixStream, mut destination: W, on_broken: F) -> JoinHandle<()>
where
    W: Write + Send + 'static,
    F: FnOnce(io::Error) + Send + 'static,
{
    thread::spawn(move || {
        let mut buffer = vec![0; BUFFER_LEN_BYTES];
        while let Some(len_bytes) = read_some(&mut source, &mut buffer) {
            let written = destination
                .write_all(&buffer[..len_bytes])
                .and_then(|()| destination.flush());
            if let Err(error) = written {
                return on_broken(error);
            }
        }
    })
}

/// Collects what the guest writes, until QEMU ends.
pub fn collect_output(source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || read_to_end(source))
}

/// Returns everything that arrives until QEMU ends.
pub fn read_to_end(mut source: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A failing read ends the stream just as its end does; what has arrived stays valid.
    let _ = source.read_to_end(&mut bytes);
    bytes
}

/// Copies `source` to the guest's standard input and ends it there. The thread is left alone: it may wait for a terminal when
/// the program has long ended.
///
/// Only the sending half is shut down: QEMU takes a socket that is closed altogether for gone, and would drop what the guest
/// has not read yet. The caller keeps `destination` until QEMU has ended for the same reason.
pub fn copy_input(mut source: impl Read + Send + 'static, destination: Arc<UnixStream>) {
    thread::spawn(move || {
        let mut buffer = vec![0; BUFFER_LEN_BYTES];
        while let Some(len_bytes) = read_some(&mut source, &mut buffer) {
            if (&*destination).write_all(&buffer[..len_bytes]).is_err() {
                return;
            }
        }
        let _ = destination.shutdown(Shutdown::Write);
    });
}

/// Reads at least one byte; `None` at the end, which a failing read is too.
fn read_some(source: &mut impl Read, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match source.read(buffer) {
            Ok(0) => return None,
            Ok(len_bytes) => return Some(len_bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
