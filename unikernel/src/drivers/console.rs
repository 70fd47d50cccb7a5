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

/// Tells whether [`read_stdin`] would return something else than `Pending`.
pub fn is_stdin_ready() -> bool {
    serial_port::has_data() || !serial_port::is_present()
}

/// Tells whether descriptor 0, 1 or 2 is a terminal. A serial port is one.
pub fn is_terminal(_fd: u32) -> bool {
    true
}

/// Lets arriving input end a halt, and sees that nothing written is held back meanwhile.
pub fn prepare_to_wait() {
    serial_port::enable_receive_interrupt();
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
