//! The first serial port, COM1: a 16550 or what resembles one. Reference: PC16550D data sheet.

use crate::arch::apic;
use crate::arch::port_io::Port;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};

const DATA: Port = Port::SERIAL_1;
const INTERRUPT_ENABLE: Port = Port::SERIAL_1.offset(1);
const FIFO_CONTROL: Port = Port::SERIAL_1.offset(2);
const LINE_CONTROL: Port = Port::SERIAL_1.offset(3);
const MODEM_CONTROL: Port = Port::SERIAL_1.offset(4);
const LINE_STATUS: Port = Port::SERIAL_1.offset(5);
const SCRATCH: Port = Port::SERIAL_1.offset(7);

const RECEIVE_INTERRUPT: u8 = 1;
const FIFO_ENABLED_AND_CLEARED: u8 = 7;
const EIGHT_BITS: u8 = 3;
const DTR_RTS_AND_INTERRUPTS: u8 = 0b1011;
const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const FIFO_LEN_BYTES: usize = 16;
const GLOBAL_INTERRUPT: u32 = 4;
/// How often the status is read before the port is taken for dead.
const PATIENCE: u32 = 1_000_000;

static INITIALIZED: AtomicBool = AtomicBool::new(false);

fn initialize() {
    if !INITIALIZED.swap(true, Ordering::Relaxed) {
        INTERRUPT_ENABLE.write_u8(0);
        LINE_CONTROL.write_u8(EIGHT_BITS);
        FIFO_CONTROL.write_u8(FIFO_ENABLED_AND_CLEARED);
        MODEM_CONTROL.write_u8(DTR_RTS_AND_INTERRUPTS);
    }
}

/// Tells whether there is a port.
pub fn is_present() -> bool {
    const PATTERN: u8 = 0x5a;
    SCRATCH.write_u8(PATTERN);
    SCRATCH.read_u8() == PATTERN
}

/// Writes text: a line feed is preceded by a carriage return, as terminals want it.
pub fn write_raw(bytes: &[u8]) {
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match line.split_last() {
            Some((b'\n', text)) => {
                write_bytes(text);
                write_bytes(b"\r\n");
            }
            _ => write_bytes(line),
        }
    }
}

/// Writes bytes as they are, a full transmit buffer at a time.
pub fn write_bytes(bytes: &[u8]) {
    initialize();
    for chunk in bytes.chunks(FIFO_LEN_BYTES) {
        let mut patience = PATIENCE;
        while LINE_STATUS.read_u8() & TRANSMITTER_EMPTY == 0 && patience > 0 {
            patience -= 1;
            spin_loop();
        }
        for &byte in chunk {
            DATA.write_u8(byte);
        }
    }
}

/// Takes what has arrived, and returns how much.
pub fn read_bytes(buffer: &mut [u8]) -> usize {
    initialize();
    let mut count = 0;
    while count < buffer.len() && has_data() {
        buffer[count] = DATA.read_u8();
        count += 1;
    }
    count
}

/// Tells whether something has arrived.
pub fn has_data() -> bool {
    initialize();
    let status = LINE_STATUS.read_u8();
    status != 0xff && status & DATA_READY != 0
}

/// Lets arriving data end a halt.
pub fn enable_receive_interrupt() {
    initialize();
    if INTERRUPT_ENABLE.read_u8() & RECEIVE_INTERRUPT == 0 {
        apic::enable_global_interrupt(GLOBAL_INTERRUPT);
        INTERRUPT_ENABLE.write_u8(RECEIVE_INTERRUPT);
    }
}
