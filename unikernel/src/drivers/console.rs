//! The three standard streams.

use super::serial_port;
use crate::platform::{OutputStream, StdinRead};
use core::fmt;

/// Writes bytes to a stream.
pub fn write(_stream: OutputStream, bytes: &[u8]) {
    serial_port::write_raw(bytes);
}

/// Takes what has arrived on standard input.
pub fn read_stdin(buffer: &mut [u8]) -> StdinRead {
    match serial_port::read_bytes(buffer) {
        0 if !serial_port::is_present() => StdinRead::End,
        0 => StdinRead::Pending,
        count => StdinRead::Bytes(count),
    }
}

/// Waits until everything written has left the machine.
pub fn flush() {}

/// Standard error for formatted text, also while the program or the kernel is dying.
pub struct ErrorOutput;

impl fmt::Write for ErrorOutput {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(OutputStream::Stderr, text.as_bytes());
        Ok(())
    }
}
