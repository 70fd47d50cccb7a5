//! Recovery from the loss of several segments of one flight (RFC 6582).
//!
//! smoltcp repeats a segment after three duplicate acknowledgements, but then takes an acknowledgement of only a part of what was in
//! flight for a sign that all is well, and the next loss of that flight waits for the timeout of a second. Here such a partial
//! acknowledgement is noticed, and smoltcp is shown it three more times: so it repeats the next missing segment at once.
//!
//! Limits: one lost segment for each round trip, since smoltcp keeps no record of selective acknowledgements.

use smoltcp::wire::TcpSeqNumber;

/// So many duplicates make smoltcp repeat a segment.
pub(super) const DUPLICATES: usize = 3;

/// What a connection's acknowledgements have shown.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    acknowledged: Option<TcpSeqNumber>,
    duplicates: usize,
    /// The end of what was ever sent.
    sent_end: Option<TcpSeqNumber>,
    /// While recovering: the end of what had been sent when the loss was noticed.
    until: Option<TcpSeqNumber>,
}

impl Recovery {
    /// Takes note of the end of a segment that was sent.
    #[inline(always)]
    pub fn note_sent(&mut self, end: TcpSeqNumber) {
        if self.sent_end.is_none_or(|sent_end| end > sent_end) {
            self.sent_end = Some(end);
        }
    }

    /// Takes note of an acknowledgement, `is_bare` if it came alone. Tells whether it is a partial one, so that the segment that it
    /// asks for is missing too.
    #[inline(always)]
    pub fn note_acknowledgment(&mut self, number: TcpSeqNumber, is_bare: bool) -> bool {
        let Some(sent_end) = self.sent_end.filter(|&sent_end| number <= sent_end) else {
            return false;
        };
        match self.acknowledged {
            Some(acknowledged) if number < acknowledged => false,
            Some(acknowledged) if number == acknowledged => {
                self.duplicates += usize::from(is_bare);
                if self.duplicates == DUPLICATES && number < sent_end {
                    self.until = Some(sent_end);
                }
                false
            }
            _ => {
                self.acknowledged = Some(number);
                self.duplicates = 0;
                self.until = self.until.filter(|&until| number < until);
                is_bare && self.until.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_partial_between_three_duplicates_and_the_end_of_the_flight() {
        let mut recovery = Recovery::default();
        let number = TcpSeqNumber;
        recovery.note_sent(number(1000));
        assert!(!recovery.note_acknowledgment(number(100), true));
        for _ in 0..DUPLICATES {
            assert!(!recovery.note_acknowledgment(number(100), true));
        }
        // What is sent later does not belong to this flight.
        recovery.note_sent(number(1500));
        assert!(recovery.note_acknowledgment(number(200), true));
        assert!(!recovery.note_acknowledgment(number(300), false));
        assert!(recovery.note_acknowledgment(number(999), true));
        assert!(!recovery.note_acknowledgment(number(1000), true));
        assert!(!recovery.note_acknowledgment(number(1200), true));
    }

    #[test]
    fn numbers_that_were_never_sent_are_ignored() {
        let mut recovery = Recovery::default();
        assert!(!recovery.note_acknowledgment(TcpSeqNumber(5), true));
        recovery.note_sent(TcpSeqNumber(10));
        for _ in 0..=DUPLICATES {
            assert!(!recovery.note_acknowledgment(TcpSeqNumber(5), true));
        }
        assert!(!recovery.note_acknowledgment(TcpSeqNumber(11), true));
        assert!(recovery.note_acknowledgment(TcpSeqNumber(6), true));
    }
}
