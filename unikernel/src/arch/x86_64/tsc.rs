//! The time stamp counter as a clock. Its frequency is found out at the first use.
//!
//! Sources in order: KVM's paravirtual clock, CPUID leaf 0x15, a measurement against the interval timer.

use super::kvm_clock::{self, Reading};
use super::{SingleCore, cpu, pit, real_time_clock};

const CPUID_TSC_RATIO: u32 = 0x15;
/// Where nothing tells, QEMU's emulated counter, which counts nanoseconds, is the best guess.
const FALLBACK_HZ: u64 = 1_000_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

static FREQUENCY_HZ: SingleCore<Option<u64>> = SingleCore::new(None);
static MONOTONIC_START: SingleCore<Option<u64>> = SingleCore::new(None);
/// A value of the counter, and nanoseconds since 1970 at that moment.
static WALL_CLOCK_START: SingleCore<Option<(u64, u64)>> = SingleCore::new(None);

fn frequency_hz() -> u64 {
    *FREQUENCY_HZ.borrow_mut().get_or_insert_with(|| {
        let stated_by_host = kvm_clock::read().map(|Reading { tsc_hz, .. }| tsc_hz);
        stated_by_host
            .or_else(stated_hz)
            .or_else(pit::measure_tsc_hz)
            .unwrap_or(FALLBACK_HZ)
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

/// Returns nanoseconds since the first call.
pub fn monotonic_ns() -> u64 {
    let now = cpu::time_stamp();
    let start = *MONOTONIC_START.borrow_mut().get_or_insert(now);
    ns_of_ticks(now.saturating_sub(start))
}

/// Returns nanoseconds since 1970. The date comes from the paravirtual clock or, to the second, from the real-time clock.
pub fn wall_clock_ns() -> u64 {
    let now = cpu::time_stamp();
    let (then, then_ns) = *WALL_CLOCK_START
        .borrow_mut()
        .get_or_insert_with(|| match kvm_clock::read() {
            Some(Reading { wall_clock, .. }) => wall_clock,
            None => (now, real_time_clock::read_seconds().unwrap_or(0) * NS_PER_SECOND),
        });
    then_ns.saturating_add(ns_of_ticks(now.saturating_sub(then)))
}

/// Converts a duration. That of nothing needs no frequency, so the first reading of a clock costs nothing.
pub fn ns_of_ticks(ticks: u64) -> u64 {
    if ticks == 0 {
        return 0;
    }
    scale(ticks, NS_PER_SECOND, frequency_hz())
}

/// Converts a duration.
pub fn ticks_of_ns(ns: u64) -> u64 {
    scale(ns, frequency_hz(), NS_PER_SECOND)
}

/// Computes `value * numerator / denominator`, at most `u64::MAX`.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(value) * u128::from(numerator);
    u64::try_from(product / u128::from(denominator)).unwrap_or(u64::MAX)
}
