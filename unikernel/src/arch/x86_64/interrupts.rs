//! Device interrupts: noted by assembly stubs, looked at by whoever waits.
//!
//! Interrupts stay disabled except while the CPU halts. One that arrives in between is kept by the local APIC and ends the next
//! halt at once, so a device that is polled after its interrupt was noted, and before the next halt, never goes unnoticed.

use super::{apic, idt};
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

/// The vector of an interrupt, counted from the first one that is not an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterruptLine(u8);

impl InterruptLine {
    /// The timer of the local APIC.
    pub const TIMER: InterruptLine = InterruptLine(0);
    /// What the local APIC raises when an interrupt vanishes before it is delivered.
    pub const SPURIOUS: InterruptLine = InterruptLine(31);
    const FIRST_DEVICE: u8 = 1;
    const DEVICE_COUNT: u8 = 30;

    /// Returns the line that stands for an input of the I/O APICs. Inputs may share one.
    pub const fn of_global_interrupt(global_interrupt: u32) -> InterruptLine {
        InterruptLine((global_interrupt % Self::DEVICE_COUNT as u32) as u8 + Self::FIRST_DEVICE)
    }

    /// Returns the vector number.
    pub const fn vector(self) -> u8 {
        idt::FIRST_INTERRUPT_VECTOR + self.0
    }

    /// Returns the line as a set of lines.
    pub const fn bit(self) -> u32 {
        1 << self.0
    }
}

const _: () = assert!(InterruptLine::SPURIOUS.0 < idt::INTERRUPT_VECTOR_COUNT);

#[unsafe(export_name = "wasmetal.pending_interrupts")]
static PENDING: AtomicU32 = AtomicU32::new(0);

/// Takes the note of an interrupt: tells whether it happened since the last call.
pub fn take(line: InterruptLine) -> bool {
    PENDING.fetch_and(!line.bit(), Ordering::Relaxed) & line.bit() != 0
}

/// Halts until an interrupt arrives; at once if one has arrived since the last halt.
pub fn halt_until_interrupt() {
    apic::initialize();
    // SAFETY: the stubs preserve every register and run on their own stack. `sti` takes effect after the next instruction, so
    // no interrupt slips in between the two.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}
