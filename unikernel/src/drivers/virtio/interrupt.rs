//! Interrupts of virtio devices: raised when a device has used a buffer, acknowledged in one place.
//!
//! Several devices may share an interrupt. Whoever halts acknowledges all devices of an interrupt that was noted, so that every
//! line is low again before the next halt (see `arch::apic` for why that matters), and then all drivers look at their queues.

use crate::arch::interrupts::{self, InterruptLine};
use crate::arch::{SingleCore, apic};
use alloc::vec::Vec;
use core::ptr::NonNull;

/// How a device's interrupt is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Acknowledge {
    /// By reading its interrupt status byte.
    Pci(NonNull<u8>),
    /// By writing its interrupt status word back, in the registers that start here.
    Mmio(NonNull<u8>),
}

impl Acknowledge {
    fn perform(self) {
        const STATUS: usize = 0x60;
        const ACKNOWLEDGE: usize = 0x64;
        // SAFETY: the registers are mapped for good, and neither access touches memory.
        unsafe {
            match self {
                Acknowledge::Pci(register) => {
                    register.read_volatile();
                }
                Acknowledge::Mmio(registers) => {
                    let status = registers.add(STATUS).cast::<u32>().read_volatile();
                    registers.add(ACKNOWLEDGE).cast::<u32>().write_volatile(status);
                }
            }
        }
    }
}

struct Source {
    global_interrupt: u32,
    acknowledge: Acknowledge,
    is_enabled: bool,
}

static SOURCES: SingleCore<Vec<Source>> = SingleCore::new(Vec::new());

/// Adds a device whose interrupts are to end halts.
pub(super) fn register(global_interrupt: u32, acknowledge: Acknowledge) {
    SOURCES.borrow_mut().push(Source {
        global_interrupt,
        acknowledge,
        is_enabled: false,
    });
}

/// Enables the interrupts of devices that were opened since the last call, and tells whether there were any. Their queues must
/// be looked at before a halt, for what they did so far brings no interrupt any more.
pub fn enable_new() -> bool {
    let mut is_any_new = false;
    for source in SOURCES.borrow_mut().iter_mut().filter(|source| !source.is_enabled) {
        apic::enable_global_interrupt(source.global_interrupt);
        source.acknowledge.perform();
        source.is_enabled = true;
        is_any_new = true;
    }
    is_any_new
}

/// Halts until an interrupt arrives, and acknowledges the devices that raised one.
pub fn halt() {
    interrupts::halt_until_interrupt();
    acknowledge_noted();
}

fn acknowledge_noted() {
    let sources = SOURCES.borrow_mut();
    let mut noted = 0u32;
    for source in sources.iter() {
        let line = InterruptLine::of_global_interrupt(source.global_interrupt);
        if interrupts::take(line) {
            noted |= line.bit();
        }
        if noted & line.bit() != 0 {
            source.acknowledge.perform();
        }
    }
}
