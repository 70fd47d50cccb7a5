//! Recovery from loss: what of a connection's data in flight is sent again, and when (RFC 6675, RFC 8985, RFC 6298).
//!
//! smoltcp repeats one segment after three duplicate acknowledgements, and everything after a second without any; what a peer says
//! of the rest it does not read. But it has the bytes. So here selective acknowledgements are kept ([`Scoreboard`]), and the time
//! that a peer takes ([`RoundTrip`]). When something is lost, smoltcp is made to send everything again from the first byte that is
//! not acknowledged ([`rewind`](super::stack::Stack::rewind)), and of these frames only the missing parts reach the device
//! ([`parts_to_send`](Recovery::parts_to_send)).
//!
//! When the end of a flight is not acknowledged, its last segment is sent again after two round trips, and the answer tells what is
//! missing (a tail loss probe); then a timeout, doubled each time, repeats all that is not known to have arrived.
//!
//! Limits: a peer without selective acknowledgements gets smoltcp's repetition and the timeouts.

use super::round_trip::RoundTrip;
use super::scoreboard::{SEGMENT_LEN_BYTES, Scoreboard};
use super::sent_frame::SentSegment;
use core::ops::Range;
use smoltcp::time::Instant;
use smoltcp::wire::TcpSeqNumber;

/// What a connection knows of its data in flight.
#[derive(Debug)]
pub(super) struct Recovery {
    scoreboard: Scoreboard,
    round_trip: RoundTrip,
    /// Something was sent, so that the two sequence numbers mean something.
    has_begun: bool,
    /// The first sequence number that is not acknowledged.
    acknowledged: TcpSeqNumber,
    /// The end of what was ever sent.
    sent_end: TcpSeqNumber,
    /// When the peer gave the last sign, or data was sent again.
    waiting_since: Instant,
    has_probed: bool,
    /// Timeouts since the last sign.
    timeouts: u32,
    /// There was a sign that [`decide`](Self::decide) has not seen.
    has_news: bool,
    /// smoltcp is sending again.
    is_repeating: bool,
    /// The acknowledgement number and the window that were sent last.
    conveyed: Option<(TcpSeqNumber, u16)>,
}

impl Recovery {
    /// Of a connection that has sent nothing.
    pub fn new() -> Self {
        Recovery {
            scoreboard: Scoreboard::default(),
            round_trip: RoundTrip::default(),
            has_begun: false,
            acknowledged: TcpSeqNumber::default(),
            sent_end: TcpSeqNumber::default(),
            waiting_since: Instant::ZERO,
            has_probed: false,
            timeouts: 0,
            has_news: false,
            is_repeating: false,
            conveyed: None,
        }
    }

    /// Takes note of a segment that was sent.
    #[inline(always)]
    pub fn note_sent(&mut self, segment: &SentSegment, now: Instant) {
        self.conveyed = Some((segment.acknowledgment, segment.window));
        let Range { start, end } = segment.sequences();
        if start == end {
            return;
        }
        if !self.has_begun {
            self.has_begun = true;
            (self.acknowledged, self.sent_end) = (start, start);
        }
        if end > self.sent_end {
            if self.acknowledged == self.sent_end {
                self.waiting_since = now;
            }
            self.round_trip.note_sent(end, now);
            self.sent_end = end;
        } else {
            self.waiting_since = now;
            self.round_trip.note_repeated(start..end);
        }
    }

    /// Takes note of an acknowledgement that smoltcp has acted upon.
    #[inline(always)]
    pub fn note_acknowledgment(&mut self, number: TcpSeqNumber, now: Instant) {
        if number <= self.acknowledged || number > self.sent_end {
            return;
        }
        self.round_trip.note_arrived(self.acknowledged..number, now);
        self.acknowledged = number;
        self.scoreboard.acknowledge(number, now);
        self.note_sign(now);
    }

    /// Takes note of a block that is acknowledged selectively. Anyone may have made it up: at worst, data is repeated late.
    pub fn note_selective_acknowledgment(&mut self, block: Range<TcpSeqNumber>, now: Instant) {
        if self.scoreboard.select(self.acknowledged..self.sent_end, &block, now) {
            self.round_trip.note_arrived(block, now);
            self.note_sign(now);
        }
    }

    fn note_sign(&mut self, now: Instant) {
        self.waiting_since = now;
        self.has_probed = false;
        self.timeouts = 0;
        self.has_news = true;
    }

    /// Returns when data in flight is to be sent again if the peer gives no sign until then.
    #[inline(always)]
    pub fn deadline(&self) -> Option<Instant> {
        (self.acknowledged != self.sent_end).then(|| {
            let patience = if self.is_to_probe() {
                self.round_trip.probe_timeout()
            } else {
                self.round_trip.timeout(self.timeouts)
            };
            self.waiting_since + patience
        })
    }

    /// A single segment is not probed for, as its acknowledgement may be held back.
    fn is_to_probe(&self) -> bool {
        !self.has_probed && self.timeouts == 0 && self.sent_end - self.acknowledged > SEGMENT_LEN_BYTES
    }

    /// Decides what is to be sent again now.
    #[inline(always)]
    pub fn decide(&mut self, now: Instant) {
        if core::mem::take(&mut self.has_news) && !self.scoreboard.is_empty() {
            self.scoreboard.mark_lost(self.round_trip.bound(), now);
        }
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.give_up_waiting(now);
        }
    }

    fn give_up_waiting(&mut self, now: Instant) {
        let sent_at = self.waiting_since;
        self.waiting_since = now;
        let is_to_probe = self.is_to_probe();
        let has_end = self.scoreboard.extend(self.acknowledged..self.sent_end, sent_at);
        if is_to_probe {
            self.has_probed = true;
            if has_end {
                self.scoreboard.mark_last(now);
            } else {
                self.scoreboard.mark_lost(self.round_trip.bound(), now);
            }
        } else {
            self.timeouts += 1;
            self.scoreboard.mark_all(now);
        }
    }

    /// To be asked when smoltcp has sent all that it will: tells whether it is to be made to send again.
    pub fn begins_to_repeat(&mut self) -> bool {
        if self.is_repeating {
            self.scoreboard.unmark();
        }
        self.is_repeating = self.scoreboard.has_due();
        self.is_repeating
    }

    /// Returns itself if not all that smoltcp sends may be needed.
    #[inline(always)]
    pub fn filter(&self) -> Option<&Recovery> {
        (!self.scoreboard.is_empty()).then_some(self)
    }

    /// Returns those parts of a segment that the peer lacks or has never been sent.
    pub fn parts_to_send(&self, segment: &SentSegment) -> impl Iterator<Item = Range<TcpSeqNumber>> {
        let sequences = segment.sequences();
        let new = sequences.start.max(self.sent_end)..sequences.end;
        let due = self
            .scoreboard
            .due_in(sequences.start..sequences.end.min(self.sent_end));
        due.chain((new.start < new.end).then_some(new))
    }

    /// Tells whether the peer has yet to be told the acknowledgement number or the window of a segment.
    pub fn is_to_convey(&self, segment: &SentSegment) -> bool {
        self.conveyed != Some((segment.acknowledgment, segment.window))
    }

    /// Returns the acknowledgement number and the window that were sent last.
    pub fn conveyed(&self) -> Option<(TcpSeqNumber, u16)> {
        self.conveyed
    }

    /// Returns the end of what was ever sent.
    pub fn sent_end(&self) -> TcpSeqNumber {
        self.sent_end
    }
}
