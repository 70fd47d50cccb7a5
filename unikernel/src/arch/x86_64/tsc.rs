//! The time stamp counter as a clock. Its frequency is found out at the first use.
//!
//! Sources in order: KVM's paravirtual clock, CPUID leaf 0x15, a measurement against the interval timer.

use super::kvm_clock::{self, Reading};
use super::{SingleCore, cpu, pit, real_time_clock};

const CPUID_TSC_RATIO: u32 = 0x15;
/// Where nothing tells, QEMU's emulated counter, which counts nanoseconds, is the best guess.
const FALLBACK_HZ: u64 = 1_000_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy)]
struct Clock {
    frequency_hz: u64,
    /// A value of the counter, and nanoseconds since 1970 at that moment.
    wall_clock: Option<(u64, u64)>,
}

static CLOCK: SingleCore<Option<Clock>> = SingleCore::new(None);

fn clock() -> Clock {
    *CLOCK.borrow_mut().get_or_insert_with(|| match kvm_clock::read() {
        Some(Reading { tsc_hz, wall_clock }) => Clock {
            frequency_hz: tsc_hz,
            wall_clock: Some(wall_clock),
        },
        None => Clock {
            frequency_hz: stated_hz().or_else(pit::measure_tsc_hz).unwrap_or(FALLBACK_HZ),
            wall_clock: None,
        },
    })
}

/// Returns what CPUID states: crystal frequency times ratio.
fn stated_hz() -> Option<u64> {
    let leaf = cpu::cpuid(CPUID_TSC_RATIO);
    let product = u64::from(leaf.ecx) * u64::from(leaf.ebx);
    product
        .checked_div(u64::from(leaf.eax))
        .filter(|&frequency_hz| frequency_hz != 0)
}

/// Returns nanoseconds since the counter was 0.
pub fn monotonic_ns() -> u64 {
    ns_of_ticks(cpu::time_stamp())
}

/// Returns nanoseconds since 1970. The date comes from the paravirtual clock or, to the second, from the real-time clock.
pub fn wall_clock_ns() -> u64 {
    let mut clock = clock();
    let (then_ticks, then_ns) = *clock.wall_clock.get_or_insert_with(|| {
        let seconds = real_time_clock::read_seconds().unwrap_or(0);
        (cpu::time_stamp(), seconds * NS_PER_SECOND)
    });
    *CLOCK.borrow_mut() = Some(clock);
    let elapsed_ns = scale(
        cpu::time_stamp().saturating_sub(then_ticks),
        NS_PER_SECOND,
        clock.frequency_hz,
    );
    then_ns.saturating_add(elapsed_ns)
}

/// Converts a duration.
pub fn ns_of_ticks(ticks: u64) -> u64 {
    scale(ticks, NS_PER_SECOND, clock().frequency_hz)
}

/// Converts a duration.
pub fn ticks_of_ns(ns: u64) -> u64 {
    scale(ns, clock().frequency_hz, NS_PER_SECOND)
}

/// Computes `value * numerator / denominator`, at most `u64::MAX`.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(value) * u128::from(numerator);
    u64::try_from(product / u128::from(denominator)).unwrap_or(u64::MAX)
}
