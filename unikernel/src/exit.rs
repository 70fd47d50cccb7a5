//! The end of the machine, and how its host learns the exit status.
//!
//! Channels, in order: QEMU's `isa-debugcon` at port 0x505 takes the whole status as text; `isa-debug-exit` at 0x501 ends QEMU
//! with seven bits of it; a machine that has neither is powered off through ACPI, or else reset.

use crate::arch::cpu;
use crate::arch::port_io::Port;
use crate::drivers::{console, power};

/// What a debug console reads as.
const STATUS_PORT_PRESENT: u8 = 0xe9;

/// The exit status of the program, as a shell shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u32);

impl ExitStatus {
    /// The program returned.
    pub const SUCCESS: ExitStatus = ExitStatus(0);
    /// The program trapped: the status of a process that was aborted.
    pub const TRAP: ExitStatus = ExitStatus(134);
    /// The program cannot run on this machine.
    pub const CANNOT_START: ExitStatus = ExitStatus(2);
    /// The kernel has a bug.
    pub const PANIC: ExitStatus = ExitStatus(70);
}

/// Ends the machine after everything written has left it.
pub fn exit(status: ExitStatus) -> ! {
    console::flush();
    exit_at_once(status)
}

/// Ends the machine without regard to what is still to be written.
pub fn exit_at_once(status: ExitStatus) -> ! {
    write_status(status);
    Port::DEBUG_EXIT.write_u8(status.0 as u8);
    power::off();
    cpu::triple_fault()
}

fn write_status(status: ExitStatus) {
    if Port::EXIT_STATUS.read_u8() != STATUS_PORT_PRESENT {
        return;
    }
    let mut divisor = 1_000_000_000;
    while divisor > 1 && status.0 / divisor == 0 {
        divisor /= 10;
    }
    while divisor > 0 {
        let digit = b'0' + (status.0 / divisor % 10) as u8;
        Port::EXIT_STATUS.write_u8(digit);
        divisor /= 10;
    }
    Port::EXIT_STATUS.write_u8(b'\n');
}
