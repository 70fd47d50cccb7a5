//! Connections in TIME-WAIT that nobody holds: a record instead of a socket with its buffers.
//!
//! A server that closes first leaves every connection in this state for a while; at thousands of connections a second, sockets
//! would be the memory of the machine. What remains to do is small: acknowledge a repeated FIN, and let a new connection with a
//! higher sequence number take the four-tuple over (RFC 9293 §3.6.1, RFC 6191). A reset is ignored (RFC 1337).

use super::four_tuple::{FourTuple, HashKey};
use super::frame::Segment;
use crate::headroom;
use alloc::collections::VecDeque;
use hashbrown::HashMap;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::TcpSeqNumber;

/// How long a record is kept: as long as smoltcp keeps a socket.
const DURATION: Duration = Duration::from_secs(10);
/// The most records; the oldest gives way.
const MAX_RECORDS: usize = 16384;

/// What is left of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Our next sequence number.
    pub sequence: TcpSeqNumber,
    /// The peer's next sequence number.
    pub acknowledgment: TcpSeqNumber,
}

/// What to do with a segment for a four-tuple in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Ignore,
    /// Acknowledge again.
    Acknowledge(Record),
    /// A new connection: the record is gone.
    Reopen,
}

/// The records.
pub(super) struct TimeWait {
    records: HashMap<FourTuple, Record, HashKey>,
    /// In the order of expiry, since all are kept equally long.
    expiries: VecDeque<(Instant, FourTuple)>,
}

impl TimeWait {
    /// No records.
    pub fn new(key: HashKey) -> Self {
        TimeWait {
            records: HashMap::with_hasher(key),
            expiries: VecDeque::new(),
        }
    }

    /// Returns the number of records.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a record, or does not if memory is short: then the peer gets a reset, which ends the connection as well.
    pub fn insert(&mut self, tuple: FourTuple, record: Record, now: Instant) {
        self.expire(now);
        if self.expiries.len() >= MAX_RECORDS
            && let Some((_, oldest)) = self.expiries.pop_front()
        {
            self.records.remove(&oldest);
        }
        if headroom::reserve_entry(&mut self.records) && self.expiries.try_reserve(1).is_ok() {
            self.records.insert(tuple, record);
            self.expiries.push_back((now + DURATION, tuple));
        }
    }

    /// Tells whether a four-tuple is in TIME-WAIT.
    pub fn contains(&mut self, tuple: &FourTuple, now: Instant) -> bool {
        self.expire(now);
        self.records.contains_key(tuple)
    }

    /// Decides about a segment; `None` if its four-tuple is not in TIME-WAIT.
    pub fn judge(&mut self, segment: &Segment, now: Instant) -> Option<Verdict> {
        if self.records.is_empty() {
            return None;
        }
        self.expire(now);
        let record = *self.records.get(&segment.tuple)?;
        Some(if segment.rst {
            Verdict::Ignore
        } else if segment.is_request && segment.sequence > record.acknowledgment {
            self.records.remove(&segment.tuple);
            Verdict::Reopen
        } else if segment.sequence_len > 0 {
            Verdict::Acknowledge(record)
        } else {
            Verdict::Ignore
        })
    }

    /// Drops the records that have been kept long enough.
    pub fn expire(&mut self, now: Instant) {
        while let Some(&(expiry, tuple)) = self.expiries.front()
            && expiry <= now
        {
            self.expiries.pop_front();
            self.records.remove(&tuple);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{IpAddress, IpEndpoint};

    fn tuple(port: u16) -> FourTuple {
        FourTuple {
            local: IpEndpoint::new(IpAddress::v4(10, 0, 0, 2), 80),
            remote: IpEndpoint::new(IpAddress::v4(10, 0, 0, 1), port),
        }
    }

    fn segment(port: u16, sequence: i32) -> Segment<'static> {
        Segment {
            tuple: tuple(port),
            is_request: false,
            rst: false,
            fin: false,
            sequence: TcpSeqNumber(sequence),
            sequence_len: 1,
            acknowledgment: None,
            window: 1000,
            options: &[],
        }
    }

    const RECORD: Record = Record {
        sequence: TcpSeqNumber(5000),
        acknowledgment: TcpSeqNumber(900),
    };

    #[test]
    fn a_repeated_fin_is_acknowledged_until_the_record_expires() {
        let mut records = TimeWait::new(HashKey::new(1));
        records.insert(tuple(1), RECORD, Instant::ZERO);
        let fin = Segment {
            fin: true,
            ..segment(1, 899)
        };
        assert_eq!(
            records.judge(&fin, Instant::from_secs(9)),
            Some(Verdict::Acknowledge(RECORD))
        );
        assert_eq!(records.judge(&fin, Instant::from_secs(10)), None);
        assert_eq!(records.len(), 0);
    }

    #[test]
    fn a_new_request_takes_over_and_an_old_one_does_not() {
        let mut records = TimeWait::new(HashKey::new(1));
        records.insert(tuple(1), RECORD, Instant::ZERO);
        let old = Segment {
            is_request: true,
            ..segment(1, 899)
        };
        assert_eq!(records.judge(&old, Instant::ZERO), Some(Verdict::Acknowledge(RECORD)));
        let new = Segment {
            is_request: true,
            ..segment(1, 901)
        };
        assert_eq!(records.judge(&new, Instant::ZERO), Some(Verdict::Reopen));
        assert_eq!(records.judge(&new, Instant::ZERO), None);
    }

    #[test]
    fn a_reset_does_not_end_the_wait() {
        let mut records = TimeWait::new(HashKey::new(1));
        records.insert(tuple(1), RECORD, Instant::ZERO);
        let reset = Segment {
            rst: true,
            ..segment(1, 900)
        };
        assert_eq!(records.judge(&reset, Instant::ZERO), Some(Verdict::Ignore));
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn the_number_of_records_is_bounded() {
        let mut records = TimeWait::new(HashKey::new(1));
        for port in 0..MAX_RECORDS as u16 + 10 {
            records.insert(tuple(port), RECORD, Instant::ZERO);
        }
        assert_eq!(records.len(), MAX_RECORDS);
    }
}
