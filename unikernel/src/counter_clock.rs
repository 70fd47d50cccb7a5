//! A counter of the CPU as a clock: nanoseconds from ticks by one multiplication, with neither a division nor a lock.
//!
//! Read first: [`CounterClock`]. Limits: the rate is kept to 32 bits after the point, which is a nanosecond in two seconds at worst
//! for a counter of 1 GHz or more.

const NS_PER_SECOND: u64 = 1_000_000_000;
const FRACTION_BITS: u32 = 32;

/// A clock that goes by a counter from a moment on.
#[derive(Clone, Copy, Debug)]
pub struct CounterClock {
    from_ticks: u64,
    from_ns: u64,
    /// Nanoseconds per tick, in units of 2^-32.
    rate: u64,
}

impl CounterClock {
    /// Makes a clock that shows `from_ns` when the counter, which counts `frequency_hz` ticks a second, shows `from_ticks`.
    pub fn new(from_ticks: u64, from_ns: u64, frequency_hz: u64) -> Self {
        let rate = (u128::from(NS_PER_SECOND) << FRACTION_BITS) / u128::from(frequency_hz.max(1));
        CounterClock {
            from_ticks,
            from_ns,
            rate: u64::try_from(rate).unwrap_or(u64::MAX),
        }
    }

    /// Returns the time at which the counter shows `ticks`; before its beginning the clock stands.
    #[inline]
    pub fn ns_at(&self, ticks: u64) -> u64 {
        let elapsed = ticks.saturating_sub(self.from_ticks);
        let elapsed_ns = (u128::from(elapsed) * u128::from(self.rate)) >> FRACTION_BITS;
        self.from_ns.saturating_add(elapsed_ns as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_ticks_is_a_day_to_a_fraction_of_a_millisecond() {
        const DAY_SECONDS: u64 = 86_400;
        for frequency_hz in [1_000_000, 1_000_000_000, 2_596_144_000, 5_999_999_999] {
            let clock = CounterClock::new(1_000, 7, frequency_hz);
            let ns = clock.ns_at(1_000 + DAY_SECONDS * frequency_hz);
            let error_ns = ns.abs_diff(7 + DAY_SECONDS * NS_PER_SECOND);
            assert!(error_ns < 130_000, "{frequency_hz} Hz: {error_ns} ns off");
            assert_eq!(clock.ns_at(0), 7);
        }
    }

    #[test]
    fn extreme_counters_do_not_panic() {
        assert_eq!(CounterClock::new(0, 0, 0).ns_at(0), 0);
        CounterClock::new(0, u64::MAX, 1).ns_at(u64::MAX);
    }
}
