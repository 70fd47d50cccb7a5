//! The three standard streams: ports of a virtio console where the host gives it those, else the serial port.
//!
//! Which it is is found out at the first use. On the serial port somebody types: a carriage return is read as a line feed, and
//! Ctrl-D ends the stream.

use super::serial_port;
use super::virtio::console::Console;
use crate::arch::SingleCore;
use crate::platform::{OutputStream, StdinRead};
use alloc::boxed::Box;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

enum State {
    Unknown,
    Serial,
    Virtio(Box<Console>),
}

static STATE: SingleCore<State> = SingleCore::new(State::Unknown);
/// Which of descriptors 0, 1 and 2 are terminals behind a virtio port.
static TERMINALS: SingleCore<[bool; 3]> = SingleCore::new([false; 3]);

/// Notes what the host says of the streams that it connects to virtio ports.
pub fn set_terminals(terminals: [bool; 3]) {
    *TERMINALS.borrow_mut() = terminals;
}

/// Runs `act` with the virtio console; `None` if there is none, or if it is being opened, which may fail and say so.
fn with_virtio<T>(act: impl FnOnce(&mut Console) -> T) -> Option<T> {
    let mut state = STATE.try_borrow_mut()?;
    if let State::Unknown = *state {
        *state =
            Console::open(TERMINALS.borrow_mut()[1]).map_or(State::Serial, |console| State::Virtio(Box::new(console)));
    }
    match &mut *state {
        State::Virtio(console) => Some(act(console)),
        _ => None,
    }
}

/// Writes bytes to a stream.
pub fn write(stream: OutputStream, bytes: &[u8]) {
    if bytes.is_empty() || with_virtio(|console| console.write(stream, bytes)) == Some(true) {
        return;
    }
    serial_port::write_raw(bytes);
}

/// Takes what has arrived on standard input.
pub fn read_stdin(buffer: &mut [u8]) -> StdinRead {
    if let Some(Some(read)) = with_virtio(|console| console.read_stdin(buffer)) {
        return read;
    }
    if SERIAL_INPUT_ENDED.load(Ordering::Relaxed) {
        return StdinRead::End;
    }
    match serial_port::read_bytes(buffer) {
        0 if !serial_port::is_present() => StdinRead::End,
        0 => StdinRead::Pending,
        count => take_typed(&mut buffer[..count]),
    }
}

/// Whether Ctrl-D was typed.
static SERIAL_INPUT_ENDED: AtomicBool = AtomicBool::new(false);

/// Reads `typed` as a terminal would.
fn take_typed(typed: &mut [u8]) -> StdinRead {
    const END_OF_TRANSMISSION: u8 = 4;
    for byte in typed.iter_mut().filter(|byte| **byte == b'\r') {
        *byte = b'\n';
    }
    let end = typed.iter().position(|&byte| byte == END_OF_TRANSMISSION);
    SERIAL_INPUT_ENDED.store(end.is_some(), Ordering::Relaxed);
    match end.unwrap_or(typed.len()) {
        0 => StdinRead::End,
        count => StdinRead::Bytes(count),
    }
}

/// Tells whether [`read_stdin`] would return something else than `Pending`.
pub fn is_stdin_ready() -> bool {
    let virtio = with_virtio(|console| console.is_stdin_ready()).flatten();
    virtio.unwrap_or_else(|| {
        SERIAL_INPUT_ENDED.load(Ordering::Relaxed) || serial_port::has_data() || !serial_port::is_present()
    })
}

/// Tells whether descriptor 0, 1 or 2 is a terminal: a serial port is one, a virtio port if the host says so.
pub fn is_terminal(fd: u32) -> bool {
    with_virtio(|console| console.has_port(fd)) != Some(true) || TERMINALS.borrow_mut().get(fd as usize) == Some(&true)
}

/// Lets arriving input end a halt, and sees that nothing written is held back meanwhile. Tells whether that takes polling.
pub fn prepare_to_wait() -> bool {
    match with_virtio(|console| {
        console.kick();
        console.has_interrupt()
    }) {
        Some(has_interrupt) => !has_interrupt,
        None => {
            serial_port::enable_receive_interrupt();
            false
        }
    }
}

/// Waits until everything written has left the machine.
pub fn flush() {
    // A console that was never used is not looked for now.
    if let Some(mut state) = STATE.try_borrow_mut()
        && let State::Virtio(console) = &mut *state
    {
        console.flush();
    }
}

/// Standard error for formatted text, also while the program or the kernel is dying.
pub struct ErrorOutput;

impl fmt::Write for ErrorOutput {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(OutputStream::Stderr, text.as_bytes());
        Ok(())
    }
}
