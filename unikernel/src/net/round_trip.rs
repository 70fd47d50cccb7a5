//! How long a connection's peer takes to acknowledge, and what follows from it for timers (RFC 6298, RFC 8985 §7.2).
//!
//! One segment at a time is measured, from when it is sent until it is acknowledged or selectively acknowledged, unless it is
//! repeated meanwhile (Karn's algorithm). As on Linux, a timeout is at least 200 ms longer than a round trip, instead of a second
//! in all: peers hold acknowledgements back for less than that.

use core::ops::Range;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// The least that a timeout allows for variation.
const MIN_TIMEOUT_MARGIN: Duration = Duration::from_millis(200);
/// The least time after which the end of a flight is probed.
const MIN_PROBE_TIMEOUT: Duration = Duration::from_millis(10);

/// The estimator of a connection.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// The last sequence number of the segment that is measured, and when it was sent.
    timed: Option<(TcpSeqNumber, Instant)>,
    estimate: Option<Estimate>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    /// Takes note of a segment sent for the first time.
    #[inline(always)]
    pub fn note_sent(&mut self, end: TcpSeqNumber, now: Instant) {
        if self.timed.is_none() {
            self.timed = Some((end - 1, now));
        }
    }

    /// Takes note that data was sent again.
    pub fn note_repeated(&mut self, range: Range<TcpSeqNumber>) {
        self.timed.take_if(|(last, _)| range.contains(last));
    }

    /// Takes note that data has arrived.
    #[inline(always)]
    pub fn note_arrived(&mut self, range: Range<TcpSeqNumber>, now: Instant) {
        if let Some((last, sent_at)) = self.timed
            && range.contains(&last)
        {
            self.timed = None;
            self.sample(now - sent_at);
        }
    }

    fn sample(&mut self, round_trip: Duration) {
        let estimate = match self.estimate {
            None => Estimate {
                smoothed: round_trip,
                variation: round_trip / 2,
            },
            Some(Estimate { smoothed, variation }) => {
                let deviation = smoothed.max(round_trip) - smoothed.min(round_trip);
                Estimate {
                    smoothed: (smoothed * 7 + round_trip) / 8,
                    variation: (variation * 3 + deviation) / 4,
                }
            }
        };
        self.estimate = Some(estimate);
    }

    /// Returns the time within which nearly every acknowledgement comes.
    pub fn bound(&self) -> Duration {
        self.estimate
            .map_or(INITIAL_TIMEOUT, |Estimate { smoothed, variation }| {
                smoothed + variation * 4
            })
    }

    /// Returns the time after which everything counts as lost, when that has happened so many times in a row already.
    #[inline(always)]
    pub fn timeout(&self, timeouts: u32) -> Duration {
        let timeout = self
            .estimate
            .map_or(INITIAL_TIMEOUT, |Estimate { smoothed, variation }| {
                smoothed + (variation * 4).max(MIN_TIMEOUT_MARGIN)
            });
        (timeout * (1 << timeouts.min(16))).min(MAX_TIMEOUT)
    }

    /// Returns the time after which the end of a flight is probed.
    #[inline(always)]
    pub fn probe_timeout(&self) -> Duration {
        self.estimate
            .map_or(INITIAL_TIMEOUT, |Estimate { smoothed, .. }| smoothed * 2)
            .max(self.bound())
            .max(MIN_PROBE_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_round_trip_and_doubles() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.timeout(0), INITIAL_TIMEOUT);
        for number in 0..100 {
            let now = Instant::from_secs(number);
            let start = TcpSeqNumber(number * 10);
            round_trip.note_sent(start + 10, now);
            round_trip.note_arrived(start..start + 10, now + Duration::from_millis(30));
        }
        assert!((230..232).contains(&round_trip.timeout(0).total_millis()));
        assert!((460..464).contains(&round_trip.timeout(1).total_millis()));
        assert_eq!(round_trip.timeout(100), MAX_TIMEOUT);
        assert!((60..62).contains(&round_trip.probe_timeout().total_millis()));
    }

    #[test]
    fn a_repeated_segment_is_not_measured() {
        let mut round_trip = RoundTrip::default();
        let (start, end) = (TcpSeqNumber(i32::MAX - 5), TcpSeqNumber(i32::MAX - 5) + 10);
        round_trip.note_sent(end, Instant::ZERO);
        round_trip.note_repeated(start..end);
        round_trip.note_arrived(start..end, Instant::from_secs(5));
        assert_eq!(round_trip.timeout(0), INITIAL_TIMEOUT);
        round_trip.note_sent(end + 10, Instant::ZERO);
        round_trip.note_repeated(start..end);
        round_trip.note_arrived(end..end + 10, Instant::from_secs(5));
        assert!(round_trip.timeout(0) > INITIAL_TIMEOUT);
    }
}
