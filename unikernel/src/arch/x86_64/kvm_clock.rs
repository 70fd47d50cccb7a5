//! KVM's paravirtual clock: the frequency of the time stamp counter, and the wall clock at its start.
//!
//! The host writes both into memory that the guest names in a register. Only the two values are taken once; from then on the
//! time stamp counter, whose rate they state, is the clock. Reference: Linux, `Documentation/virt/kvm/x86/{cpuid,msr}.rst`.

use super::cpu;
use crate::memory;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

const CPUID_SIGNATURE: u32 = 0x4000_0000;
const CPUID_FEATURES: u32 = 0x4000_0001;
const HAS_CLOCK: u32 = 1 << 3;
const MSR_WALL_CLOCK: u32 = 0x4b56_4d00;
const MSR_SYSTEM_TIME: u32 = 0x4b56_4d01;
const SYSTEM_TIME_ENABLED: u64 = 1;
const SYSTEM_TIME_OFFSET: u64 = 64;

#[repr(C)]
#[derive(Clone, Copy)]
struct WallClock {
    version: u32,
    seconds: u32,
    nanoseconds: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SystemTime {
    version: u32,
    padding: u32,
    tsc_timestamp: u64,
    system_time_ns: u64,
    tsc_to_system_multiplier: u32,
    tsc_shift: i8,
    flags: u8,
    padding_2: [u8; 2],
}

/// What the clock says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Frequency of the time stamp counter.
    pub(super) tsc_hz: u64,
    /// A value of the time stamp counter, and the wall clock at that moment in nanoseconds since 1970.
    pub(super) wall_clock: (u64, u64),
}

/// Reads the clock, if the machine has it.
pub(super) fn read() -> Option<Reading> {
    let signature = cpu::cpuid(CPUID_SIGNATURE);
    let name = [signature.ebx, signature.ecx, signature.edx].map(u32::to_le_bytes);
    if name.as_flattened() != b"KVMKVMKVM\0\0\0" || cpu::cpuid(CPUID_FEATURES).eax & HAS_CLOCK == 0 {
        return None;
    }
    let (address, page) = memory::allocate_zeroed_frame()?;
    let page: NonNull<u8> = page;
    // SAFETY: 1. CPUID says that the registers exist. 2. The frame is ours for good: the host may write it from now on, so it is
    // never freed and read with volatile accesses only.
    unsafe {
        cpu::write_msr(MSR_WALL_CLOCK, address.as_u64());
        cpu::write_msr(
            MSR_SYSTEM_TIME,
            (address.as_u64() + SYSTEM_TIME_OFFSET) | SYSTEM_TIME_ENABLED,
        );
        let wall = page.cast::<WallClock>().read_volatile();
        let system = read_system_time(page.add(SYSTEM_TIME_OFFSET as usize).cast());
        let boot_ns = u64::from(wall.seconds) * 1_000_000_000 + u64::from(wall.nanoseconds);
        Some(Reading {
            tsc_hz: frequency_hz(system.tsc_to_system_multiplier, system.tsc_shift)?,
            wall_clock: (system.tsc_timestamp, boot_ns + system.system_time_ns),
        })
    }
}

/// Reads the structure until no update has happened meanwhile.
///
/// # Safety
/// `pointer` is valid for reads.
unsafe fn read_system_time(pointer: NonNull<SystemTime>) -> SystemTime {
    loop {
        // SAFETY: the caller's promise.
        let value = unsafe { pointer.read_volatile() };
        fence(Ordering::SeqCst);
        // SAFETY: as above; the version is the first field.
        let version = unsafe { pointer.cast::<u32>().read_volatile() };
        if version == value.version && version & 1 == 0 {
            return value;
        }
    }
}

/// Inverts the scale: nanoseconds = (ticks << shift) * multiplier >> 32.
fn frequency_hz(multiplier: u32, shift: i8) -> Option<u64> {
    if multiplier == 0 {
        return None;
    }
    let ticks = (1_000_000_000u128 << 32) / u128::from(multiplier);
    let scaled = if shift < 0 {
        ticks << shift.unsigned_abs().min(32)
    } else {
        ticks >> shift.min(63)
    };
    u64::try_from(scaled).ok().filter(|&frequency_hz| frequency_hz != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_inverted() {
        assert_eq!(frequency_hz(0x8000_0000, 0), Some(2_000_000_000));
        assert_eq!(frequency_hz(0x8000_0000, 1), Some(1_000_000_000));
        assert_eq!(frequency_hz(0x8000_0000, -1), Some(4_000_000_000));
        assert_eq!(frequency_hz(0, 0), None);
    }
}
