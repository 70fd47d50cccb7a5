//! The connections that a listener holds for the program.
//!
//! Half-open connections and complete ones are limited separately. When there are too many half-open ones, the oldest gives way:
//! during a flood of requests from addresses that never answer, a real peer still completes its handshake while the flood's
//! entries age out. Complete ones are never given up; while they fill the backlog, further requests are ignored and the peers
//! try again.
//!
//! Limits: no SYN cookies. A flood that fills the half-open part within a round trip makes good peers' handshakes fail, too.

use alloc::collections::VecDeque;

/// The least number of half-open connections, however small the backlog is.
const MIN_HALF_OPEN: usize = 128;
/// The most of either kind.
const MAX_BACKLOG: usize = 4096;

/// A connection by number and serial, so that a slot used again is not mistaken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Number in the table.
    pub id: u32,
    /// Serial of the connection.
    pub serial: u64,
}

/// A listener's connections.
#[derive(Debug)]
pub(super) struct Backlog {
    limit: usize,
    half_open: VecDeque<Entry>,
    half_open_count: usize,
    complete: VecDeque<Entry>,
}

impl Backlog {
    /// A backlog of at most `limit` complete connections (at least one).
    pub fn new(limit: u32) -> Self {
        Backlog {
            limit: (limit as usize).clamp(1, MAX_BACKLOG),
            half_open: VecDeque::new(),
            half_open_count: 0,
            complete: VecDeque::new(),
        }
    }

    /// Changes the limit, as a second `listen` does.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = (limit as usize).clamp(1, MAX_BACKLOG);
    }

    /// Tells whether a further request may be answered.
    pub fn has_room(&self) -> bool {
        self.complete.len() < self.limit
    }

    /// Tells whether a further half-open connection needs the oldest one to go.
    pub fn is_half_open_full(&self) -> bool {
        self.half_open_count >= self.limit.max(MIN_HALF_OPEN)
    }

    /// Adds a half-open connection.
    pub fn push_half_open(&mut self, entry: Entry) {
        self.half_open.push_back(entry);
        self.half_open_count += 1;
    }

    /// Takes the oldest entry that was half-open once: `is_half_open` tells whether it still is.
    pub fn pop_oldest_half_open(&mut self, is_half_open: impl Fn(Entry) -> bool) -> Option<Entry> {
        while let Some(entry) = self.half_open.pop_front() {
            if is_half_open(entry) {
                self.half_open_count -= 1;
                return Some(entry);
            }
        }
        None
    }

    /// Notes that a half-open connection is gone.
    pub fn forget_half_open(&mut self) {
        self.half_open_count = self.half_open_count.saturating_sub(1);
        if self.half_open_count == 0 {
            self.half_open.clear();
        }
    }

    /// Drops entries of connections that are no longer half-open once they outnumber those that are.
    pub fn compact(&mut self, is_half_open: impl Fn(Entry) -> bool) {
        if self.half_open.len() > 2 * self.half_open_count + MIN_HALF_OPEN {
            self.half_open.retain(|&entry| is_half_open(entry));
        }
    }

    /// Makes a half-open connection a complete one.
    pub fn complete(&mut self, entry: Entry) {
        self.forget_half_open();
        self.complete.push_back(entry);
    }

    /// Takes the next complete connection.
    pub fn accept(&mut self) -> Option<Entry> {
        self.complete.pop_front()
    }

    /// Returns the number of complete connections.
    pub fn complete_len(&self) -> usize {
        self.complete.len()
    }

    /// Takes all entries, when the listener is closed.
    pub fn drain(&mut self) -> impl Iterator<Item = Entry> {
        self.half_open_count = 0;
        self.half_open.drain(..).chain(self.complete.drain(..))
    }
}
