//! The time stamp counter as a clock. Its frequency is found out at the first use.
//!
//! Sources in order: KVM's paravirtual clock, CPUID leaf 0x15, a measurement against the interval timer. Such a measurement is
//! short at first, so that nobody waits for it, and good to some parts in 10,000; the first reading of the clock some seconds
//! later makes it a thousand times better. The clock goes on from where it is, only at the better rate.

use super::kvm_clock::{self, Reading};
use super::pit::{self, Sample};
use super::{SingleCore, cpu, host_clock, real_time_clock};
use crate::counter_clock::CounterClock;

const CPUID_TSC_RATIO: u32 = 0x15;
/// Where nothing tells, QEMU's emulated counter, which counts nanoseconds, is the best guess.
const FALLBACK_HZ: u64 = 1_000_000_000;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The first measurement takes 10 ms.
const FIRST_MEASUREMENT_TICKS: u64 = pit::FREQUENCY_HZ / 100;
/// The second one is made when so much time has passed. Later the rounds of the timer could no longer be counted.
const SECOND_MEASUREMENT_NS: core::ops::Range<u64> = 4_000_000_000..40_000_000_000;

/// The rate of the counter, and the clock that goes by it.
#[derive(Clone, Copy)]
struct Rate {
    frequency_hz: u64,
    clock: CounterClock,
    /// The sample from which a second measurement counts, until that is made.
    measured_from: Option<Sample>,
    /// What the counter shows when that is to be looked at.
    due_ticks: u64,
}

static RATE: SingleCore<Option<Rate>> = SingleCore::new(None);
static START: SingleCore<Option<u64>> = SingleCore::new(None);
/// A reading of the monotonic clock, and nanoseconds since 1970 at that moment.
static WALL_CLOCK: SingleCore<Option<(u64, u64)>> = SingleCore::new(None);

impl Rate {
    /// Finds the rate out; the clock starts at `start_ticks`.
    fn find(start_ticks: u64) -> Rate {
        let stated_by_host = kvm_clock::read().map(|Reading { tsc_hz, .. }| tsc_hz);
        let (frequency_hz, measured_from) = match stated_by_host.or_else(stated_hz) {
            Some(frequency_hz) => (frequency_hz, None),
            None => measure().map_or((FALLBACK_HZ, None), |(frequency_hz, sample)| {
                (frequency_hz, Some(sample))
            }),
        };
        let mut rate = Rate {
            frequency_hz,
            clock: CounterClock::new(start_ticks, 0, frequency_hz),
            measured_from: None,
            due_ticks: u64::MAX,
        };
        if let Some(sample) = measured_from {
            rate.measure_again_after(sample);
        }
        rate
    }

    fn measure_again_after(&mut self, sample: Sample) {
        let delay = scale(SECOND_MEASUREMENT_NS.start, self.frequency_hz, NS_PER_SECOND);
        self.measured_from = Some(sample);
        self.due_ticks = sample.time_stamp.saturating_add(delay);
    }

    /// Measures again, now that it is time to.
    #[cold]
    fn refine(&mut self, now_ticks: u64) {
        let Some(from) = self.measured_from else { return };
        let elapsed_ns = scale(
            now_ticks.saturating_sub(from.time_stamp),
            NS_PER_SECOND,
            self.frequency_hz,
        );
        let sample = Sample::take();
        if elapsed_ns >= SECOND_MEASUREMENT_NS.end {
            self.measure_again_after(sample);
            return;
        }
        let elapsed_ticks = sample.time_stamp.saturating_sub(from.time_stamp);
        let estimate = scale(elapsed_ticks, pit::FREQUENCY_HZ, self.frequency_hz);
        let timer_ticks = nearest_with_phase(estimate, sample.ticks_since(from));
        let frequency_hz = scale(elapsed_ticks, pit::FREQUENCY_HZ, timer_ticks).max(1);
        *self = Rate {
            frequency_hz,
            clock: CounterClock::new(now_ticks, self.clock.ns_at(now_ticks), frequency_hz),
            measured_from: None,
            due_ticks: u64::MAX,
        };
    }
}

/// Returns the number nearest to `estimate` that leaves `phase` when divided by the length of a round.
fn nearest_with_phase(estimate: u64, phase: u64) -> u64 {
    let ahead = (phase + pit::ROUND_TICKS - estimate % pit::ROUND_TICKS) % pit::ROUND_TICKS;
    let nearest = if ahead <= pit::ROUND_TICKS / 2 {
        estimate + ahead
    } else {
        (estimate + ahead).saturating_sub(pit::ROUND_TICKS)
    };
    nearest.max(1)
}

/// Measures the frequency for a short while; `None` if there is no timer.
fn measure() -> Option<(u64, Sample)> {
    let first = pit::start()?;
    let mut last = first;
    while last.ticks_since(first) < FIRST_MEASUREMENT_TICKS {
        last = Sample::take();
    }
    let ticks = last.time_stamp.saturating_sub(first.time_stamp);
    let frequency_hz = scale(ticks, pit::FREQUENCY_HZ, last.ticks_since(first));
    (frequency_hz != 0).then_some((frequency_hz, first))
}

/// Returns what CPUID states: crystal frequency times ratio.
fn stated_hz() -> Option<u64> {
    let leaf = cpu::cpuid(CPUID_TSC_RATIO);
    let product = u64::from(leaf.ecx) * u64::from(leaf.ebx);
    product
        .checked_div(u64::from(leaf.eax))
        .filter(|&frequency_hz| frequency_hz != 0)
}

fn with_rate<T>(read: impl FnOnce(&mut Rate) -> T) -> T {
    let start = *START.borrow_mut().get_or_insert_with(cpu::time_stamp);
    read(RATE.borrow_mut().get_or_insert_with(|| Rate::find(start)))
}

/// Returns nanoseconds since the first call, which needs no frequency and costs nothing.
pub fn monotonic_ns() -> u64 {
    let now = cpu::time_stamp();
    match &*RATE.borrow_mut() {
        Some(rate) if now < rate.due_ticks => return rate.clock.ns_at(now),
        _ => {}
    }
    monotonic_ns_of_a_new_rate(now)
}

/// Finds out the rate, or a better one.
#[cold]
fn monotonic_ns_of_a_new_rate(now: u64) -> u64 {
    if *START.borrow_mut().get_or_insert(now) == now {
        return 0;
    }
    with_rate(|rate| {
        if now >= rate.due_ticks {
            rate.refine(now);
        }
        rate.clock.ns_at(now)
    })
}

/// Returns nanoseconds since 1970. The date comes from the paravirtual clock, from the host's answer or, to the second, from the
/// real-time clock.
pub fn wall_clock_ns() -> u64 {
    let now_ns = monotonic_ns();
    let (then_ns, date_ns) = *WALL_CLOCK.borrow_mut().get_or_insert_with(|| {
        let (ticks, date_ns) = kvm_clock::read()
            .map(|Reading { wall_clock, .. }| wall_clock)
            .or_else(host_clock::read)
            .unwrap_or_else(|| {
                let date_ns = real_time_clock::read_seconds().unwrap_or(0) * NS_PER_SECOND;
                (cpu::time_stamp(), date_ns)
            });
        (with_rate(|rate| rate.clock.ns_at(ticks)), date_ns)
    });
    date_ns.saturating_add(now_ns).saturating_sub(then_ns)
}

/// Converts a duration.
pub fn ns_of_ticks(ticks: u64) -> u64 {
    scale(ticks, NS_PER_SECOND, with_rate(|rate| rate.frequency_hz))
}

/// Converts a duration.
pub fn ticks_of_ns(ns: u64) -> u64 {
    scale(ns, with_rate(|rate| rate.frequency_hz), NS_PER_SECOND)
}

/// Computes `value * numerator / denominator`, at most `u64::MAX`.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(value) * u128::from(numerator);
    u64::try_from(product / u128::from(denominator)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rounds_follows_from_the_estimate() {
        assert_eq!(nearest_with_phase(1_000_000, 1_000_010 % pit::ROUND_TICKS), 1_000_010);
        assert_eq!(nearest_with_phase(1_000_010, 1_000_000 % pit::ROUND_TICKS), 1_000_000);
        assert_eq!(nearest_with_phase(65_530, 4), 65_540);
        assert_eq!(nearest_with_phase(65_540, 65_530), 65_530);
    }
}
