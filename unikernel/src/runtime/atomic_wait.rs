//! `memory.atomic.wait` and `memory.atomic.notify` for the one thread there is: nobody can ever wake it but the clock.

use crate::arch::{apic, interrupts, tsc};
use abi::memory_map::WINDOW_ALIAS_BASE;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const NOT_EQUAL: u32 = 1;
const TIMED_OUT: u32 = 2;

#[unsafe(export_name = "wasmetal.memory_wait32")]
extern "C" fn memory_wait32(address: u64, expected: u32, timeout_ns: i64) -> u32 {
    // SAFETY: compiled code has checked that four aligned bytes of linear memory are there; the alias shows them.
    let cell = unsafe { AtomicU32::from_ptr((WINDOW_ALIAS_BASE + address) as *mut u32) };
    wait_while(cell.load(Ordering::SeqCst) == expected, timeout_ns)
}

#[unsafe(export_name = "wasmetal.memory_wait64")]
extern "C" fn memory_wait64(address: u64, expected: u64, timeout_ns: i64) -> u32 {
    // SAFETY: as above, for eight bytes.
    let cell = unsafe { AtomicU64::from_ptr((WINDOW_ALIAS_BASE + address) as *mut u64) };
    wait_while(cell.load(Ordering::SeqCst) == expected, timeout_ns)
}

#[unsafe(export_name = "wasmetal.memory_notify")]
extern "C" fn memory_notify(_address: u64, _count: u32) -> u32 {
    0
}

/// Sleeps for the timeout if `is_equal`; a negative timeout is for ever, as the program asks.
fn wait_while(is_equal: bool, timeout_ns: i64) -> u32 {
    if !is_equal {
        return NOT_EQUAL;
    }
    let deadline_ns = u64::try_from(timeout_ns).map(|timeout_ns| tsc::monotonic_ns().saturating_add(timeout_ns));
    loop {
        if let Ok(deadline_ns) = deadline_ns {
            if tsc::monotonic_ns() >= deadline_ns {
                return TIMED_OUT;
            }
            apic::wake_by(deadline_ns);
        }
        interrupts::halt_until_interrupt();
    }
}
