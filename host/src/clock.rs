//! The monotonic clock of a Linux process, read as the kernel reads its own: from the CPU's counter.
//!
//! Asking Linux costs several times what the rest of `clock_time_get` does, even where no system call is needed. So Linux is asked
//! at first, and whenever the clock is twice as old as at the last time; in between the counter goes on at the rate that follows.
//! Read first: [`MonotonicClock`]. Limits: where the counter's rate is not said to be constant, it is always Linux that is asked.

use std::arch::x86_64::{__cpuid, _rdtsc};
use std::time::{Duration, Instant};
use unikernel::counter_clock::CounterClock;

/// The first rate follows from so long a time.
const FIRST_MEASUREMENT: Duration = Duration::from_millis(1);

/// A clock that shows 0 when it is made and never goes back.
#[derive(Debug)]
pub(crate) struct MonotonicClock {
    start: Instant,
    start_ticks: u64,
    has_constant_rate: bool,
    /// What the counter shows when Linux is to be asked again, and the clock until then.
    counting: Option<(u64, CounterClock)>,
}

impl MonotonicClock {
    pub(crate) fn start() -> MonotonicClock {
        MonotonicClock {
            start: Instant::now(),
            start_ticks: time_stamp(),
            has_constant_rate: has_constant_rate(),
            counting: None,
        }
    }

    /// Returns nanoseconds since the start.
    pub(crate) fn now_ns(&mut self) -> u64 {
        let ticks = time_stamp();
        match &self.counting {
            Some((due_ticks, clock)) if ticks < *due_ticks => clock.ns_at(ticks),
            _ => self.ask(),
        }
    }

    #[cold]
    fn ask(&mut self) -> u64 {
        let elapsed = self.start.elapsed();
        let ticks = time_stamp();
        let ns = elapsed.as_nanos() as u64;
        if !self.has_constant_rate || elapsed < FIRST_MEASUREMENT {
            return ns;
        }
        // Where the counter was ahead, the clock stays ahead.
        let shown_ns = self.counting.map_or(ns, |(_, clock)| clock.ns_at(ticks).max(ns));
        let elapsed_ticks = ticks.saturating_sub(self.start_ticks);
        let frequency_hz = u128::from(elapsed_ticks) * 1_000_000_000 / u128::from(ns);
        let clock = CounterClock::new(ticks, shown_ns, u64::try_from(frequency_hz).unwrap_or(u64::MAX));
        self.counting = Some((ticks.saturating_add(elapsed_ticks), clock));
        shown_ns
    }
}

fn time_stamp() -> u64 {
    // SAFETY: every x86-64 CPU has the instruction, and Linux lets processes use it.
    unsafe { _rdtsc() }
}

/// Tells whether the CPU says that its counter counts at one rate, whatever else it does.
fn has_constant_rate() -> bool {
    const EXTENDED_MAXIMUM: u32 = 0x8000_0000;
    const POWER_MANAGEMENT: u32 = 0x8000_0007;
    const INVARIANT_COUNTER: u32 = 1 << 8;
    __cpuid(EXTENDED_MAXIMUM).eax >= POWER_MANAGEMENT && __cpuid(POWER_MANAGEMENT).edx & INVARIANT_COUNTER != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_keeps_the_time_of_linux() {
        let mut clock = MonotonicClock::start();
        let start = Instant::now();
        let mut last_ns = 0;
        while start.elapsed() < Duration::from_millis(50) {
            let now_ns = clock.now_ns();
            assert!(now_ns >= last_ns, "{now_ns} after {last_ns}");
            last_ns = now_ns;
        }
        let before_ns = start.elapsed().as_nanos() as u64;
        let now_ns = clock.now_ns();
        // The counter's error is a millionth; the process may have been interrupted at any of the readings.
        assert!(now_ns + 1_000_000 > before_ns, "{now_ns} at {before_ns}");
        assert!(now_ns < before_ns + 1_000_000_000, "{now_ns} at {before_ns}");
    }
}
