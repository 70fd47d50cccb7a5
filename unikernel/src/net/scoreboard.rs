//! What a peer lacks of the data in flight, by its selective acknowledgements (RFC 2018, RFC 6675).
//!
//! The scoreboard is kept as its complement: the holes. A hole counts as lost when more than two segments above it have arrived,
//! when something that was sent again later has arrived before it, or when it was sent again and no answer has come within a round
//! trip, doubled each time, although others have: so the loss of a repetition is noticed without a timeout (RFC 8985 does this for
//! every segment).
//!
//! Limits: blocks beyond [`MAX_HOLES`] holes are ignored, as a peer may name any number of them. When data was sent first is not
//! kept; a hole counts as sent when its loss was noticed.

use alloc::vec::Vec;
use core::ops::Range;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

/// The length of a usual segment.
pub(super) const SEGMENT_LEN_BYTES: usize = 1460;
const MAX_HOLES: usize = 128;
const MAX_DOUBLINGS: u32 = 10;

#[derive(Clone, Copy, Debug)]
struct Hole {
    start: TcpSeqNumber,
    end: TcpSeqNumber,
    /// When it was last sent, or a later time.
    sent_at: Instant,
    /// How often it was sent again.
    repetitions: u32,
    /// It is to be sent again.
    is_due: bool,
}

impl Hole {
    fn new(start: TcpSeqNumber, end: TcpSeqNumber, sent_at: Instant) -> Self {
        Hole {
            start,
            end,
            sent_at,
            repetitions: 0,
            is_due: false,
        }
    }

    fn mark(&mut self, now: Instant) {
        (self.sent_at, self.is_due) = (now, true);
        self.repetitions += 1;
    }
}

/// The holes of a connection, in order. While there are any, the first one begins with the first byte not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Scoreboard {
    holes: Vec<Hole>,
    /// The end of the data of which the peer has spoken, while there are holes.
    end: TcpSeqNumber,
    /// When the last repetition that has arrived was sent.
    newest_arrival: Option<Instant>,
}

impl Scoreboard {
    /// Tells whether nothing is known to be missing.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.holes.is_empty()
    }

    /// Takes note that everything up to `number` has arrived.
    pub fn acknowledge(&mut self, number: TcpSeqNumber, now: Instant) {
        let Some(first) = self.holes.first() else {
            return;
        };
        self.fill(first.start, number);
        let next = self.holes.first().map_or(self.end, |hole| hole.start);
        if number < next {
            // The peer has thrown away what it had acknowledged selectively, as it may.
            self.insert(Hole::new(number, next, now));
        }
    }

    /// Takes note that `block` has arrived of what is in flight, but not its first byte. Tells whether that is news.
    pub fn select(&mut self, flight: Range<TcpSeqNumber>, block: &Range<TcpSeqNumber>, now: Instant) -> bool {
        let is_inside = flight.start < block.start && block.start < flight.end;
        if !is_inside || block.is_empty() || block.end > flight.end || self.holes.len() >= MAX_HOLES {
            return false;
        }
        let before = self.unknown_start(flight.start);
        if before < block.start && !self.insert(Hole::new(before, block.start, now)) {
            return false;
        }
        self.end = before.max(block.end);
        self.fill(block.start, block.end) || before < block.end
    }

    /// Makes a hole of all that is in flight beyond what the peer has spoken of. Tells whether there is any.
    pub fn extend(&mut self, flight: Range<TcpSeqNumber>, sent_at: Instant) -> bool {
        let start = self.unknown_start(flight.start);
        let extends = start < flight.end && self.insert(Hole::new(start, flight.end, sent_at));
        if extends {
            self.end = flight.end;
        }
        extends
    }

    fn unknown_start(&self, acknowledged: TcpSeqNumber) -> TcpSeqNumber {
        if self.is_empty() { acknowledged } else { self.end }
    }

    /// Finds what is lost, where an answer takes `round_trip` at most, and marks it to be sent again.
    pub fn mark_lost(&mut self, round_trip: Duration, now: Instant) {
        let (mut arrived_above, mut next) = (0, self.end);
        for hole in self.holes.iter_mut().rev() {
            arrived_above += next - hole.end;
            next = hole.start;
            let is_lost = match hole.repetitions {
                0 => arrived_above > 2 * SEGMENT_LEN_BYTES,
                count => hole.sent_at + round_trip * (1 << count.min(MAX_DOUBLINGS)) / 2 <= now,
            };
            if is_lost || Some(hole.sent_at) < self.newest_arrival {
                hole.mark(now);
            }
        }
    }

    /// Marks all holes to be sent again.
    pub fn mark_all(&mut self, now: Instant) {
        self.holes.iter_mut().for_each(|hole| hole.mark(now));
    }

    /// Marks the last segment of the last hole to be sent again.
    pub fn mark_last(&mut self, now: Instant) {
        let Some(&(mut last)) = self.holes.last() else {
            return;
        };
        last.start = last.start.max(last.end - SEGMENT_LEN_BYTES);
        self.fill(last.start, last.end);
        last.mark(now);
        self.insert(last);
    }

    /// Forgets what was to be sent again.
    pub fn unmark(&mut self) {
        self.holes.iter_mut().for_each(|hole| hole.is_due = false);
    }

    /// Tells whether something is to be sent again.
    pub fn has_due(&self) -> bool {
        self.holes.iter().any(|hole| hole.is_due)
    }

    /// Returns those parts of a range that are to be sent again.
    pub fn due_in(&self, range: Range<TcpSeqNumber>) -> impl Iterator<Item = Range<TcpSeqNumber>> {
        let due = self.holes.iter().filter(|hole| hole.is_due);
        let parts = due.map(move |hole| hole.start.max(range.start)..hole.end.min(range.end));
        parts.filter(|part| part.start < part.end)
    }

    /// Adds a hole, unless there is no memory for it.
    fn insert(&mut self, hole: Hole) -> bool {
        let has_room = self.holes.try_reserve(1).is_ok();
        if has_room {
            let place = self.holes.partition_point(|other| other.start < hole.start);
            self.holes.insert(place, hole);
        }
        has_room
    }

    /// Takes a range out of all holes. Tells whether one had a part of it.
    fn fill(&mut self, start: TcpSeqNumber, end: TcpSeqNumber) -> bool {
        let mut has_filled = false;
        let mut upper = None;
        self.holes.retain_mut(|hole| {
            if end <= hole.start || hole.end <= start {
                return true;
            }
            has_filled = true;
            if hole.repetitions > 0 {
                self.newest_arrival = self.newest_arrival.max(Some(hole.sent_at));
            }
            if end < hole.end {
                upper = Some(Hole { start: end, ..*hole });
            }
            hole.end = start;
            hole.start < hole.end
        });
        if let Some(upper) = upper {
            self.insert(upper);
        }
        has_filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const MSS: usize = SEGMENT_LEN_BYTES;
    const ROUND_TRIP: Duration = Duration::from_millis(10);

    /// Segments by number, across the wrap of sequence numbers.
    fn segments(range: Range<usize>) -> Range<TcpSeqNumber> {
        let first = TcpSeqNumber(i32::MAX - 3000);
        first + range.start * MSS..first + range.end * MSS
    }

    fn due(scoreboard: &Scoreboard) -> Vec<Range<TcpSeqNumber>> {
        scoreboard.due_in(segments(0..1000)).collect()
    }

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_hole_is_lost_once_three_segments_above_it_have_arrived() {
        let mut scoreboard = Scoreboard::default();
        assert!(scoreboard.select(segments(0..10), &segments(1..2), at(0)));
        assert!(!scoreboard.select(segments(0..10), &segments(1..2), at(0)));
        assert!(scoreboard.select(segments(0..10), &segments(3..4), at(0)));
        scoreboard.mark_lost(ROUND_TRIP, at(0));
        assert!(!scoreboard.has_due());
        assert!(scoreboard.select(segments(0..10), &segments(3..6), at(0)));
        scoreboard.mark_lost(ROUND_TRIP, at(0));
        assert_eq!(due(&scoreboard), [segments(0..1), segments(2..3)]);
        scoreboard.acknowledge(segments(2..3).start, at(1));
        assert_eq!(due(&scoreboard), [segments(2..3)]);
        scoreboard.acknowledge(segments(6..7).start, at(1));
        assert!(scoreboard.is_empty());
    }

    #[test]
    fn a_repetition_is_lost_when_a_later_one_has_arrived_or_after_a_round_trip() {
        let mut scoreboard = Scoreboard::default();
        scoreboard.select(segments(0..20), &segments(1..5), at(0));
        scoreboard.mark_lost(ROUND_TRIP, at(0));
        scoreboard.unmark();
        scoreboard.select(segments(0..20), &segments(6..10), at(2));
        scoreboard.mark_lost(ROUND_TRIP, at(2));
        assert_eq!(due(&scoreboard), [segments(5..6)]);
        scoreboard.unmark();
        scoreboard.select(segments(0..20), &segments(5..6), at(3));
        scoreboard.mark_lost(ROUND_TRIP, at(3));
        assert_eq!(due(&scoreboard), [segments(0..1)]);
        scoreboard.unmark();
        for (millis, is_due) in [(22, false), (23, true), (62, false), (63, true)] {
            scoreboard.mark_lost(ROUND_TRIP, at(millis));
            assert_eq!(scoreboard.has_due(), is_due, "{millis}");
            scoreboard.unmark();
        }
    }

    #[test]
    fn the_end_of_a_flight_is_repeated_and_its_answer_tells_the_rest() {
        let mut scoreboard = Scoreboard::default();
        assert!(scoreboard.extend(segments(0..5), at(0)));
        scoreboard.mark_last(at(10));
        assert_eq!(due(&scoreboard), [segments(4..5)]);
        scoreboard.unmark();
        scoreboard.select(segments(0..5), &segments(4..5), at(11));
        scoreboard.mark_lost(ROUND_TRIP, at(11));
        assert_eq!(due(&scoreboard), [segments(0..4)]);
        assert!(!scoreboard.extend(segments(0..5), at(12)));
    }

    #[test]
    fn what_a_peer_throws_away_is_a_hole_again() {
        let mut scoreboard = Scoreboard::default();
        scoreboard.select(segments(0..10), &segments(1..6), at(0));
        scoreboard.acknowledge(segments(3..4).start, at(1));
        scoreboard.mark_all(at(1));
        assert_eq!(due(&scoreboard), [segments(3..6)]);
    }

    proptest! {
        #[test]
        fn no_blocks_break_the_order_of_holes(blocks: Vec<(i32, i32, u8)>) {
            let mut scoreboard = Scoreboard::default();
            let mut flight = TcpSeqNumber(i32::MAX - 100)..TcpSeqNumber(i32::MAX - 100) + 300;
            for (start, end, action) in blocks {
                match action % 8 {
                    0 => {
                        flight.start = flight.start + (start as usize % 40).min(flight.end - flight.start);
                        scoreboard.acknowledge(flight.start, at(0));
                    }
                    1 => {
                        scoreboard.extend(flight.clone(), at(0));
                        scoreboard.mark_last(at(1));
                    }
                    2 => flight.end += end as usize % 40,
                    3 => {
                        scoreboard.select(flight.clone(), &(TcpSeqNumber(start)..TcpSeqNumber(end)), at(0));
                    }
                    _ => {
                        let block = flight.start + start as usize % 300..flight.start + end as usize % 300;
                        scoreboard.select(flight.clone(), &block, at(0));
                    }
                }
                scoreboard.mark_lost(ROUND_TRIP, at(2));
                let mut place = flight.start;
                for hole in &scoreboard.holes {
                    prop_assert!(place <= hole.start && hole.start < hole.end && hole.end <= flight.end);
                    place = hole.end;
                }
                prop_assert!(scoreboard.holes.first().is_none_or(|hole| hole.start == flight.start));
            }
        }
    }
}
