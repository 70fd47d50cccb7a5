//! Deadlines of many connections: a heap in which an entry may be stale.
//!
//! A connection's deadline moves with nearly every packet, mostly later. Moving a heap entry each time would cost a logarithm per
//! packet, so an entry is only added when the deadline becomes earlier than the entry which the connection already has; an entry
//! that comes up early is simply entered again with the deadline that holds by then. The connection remembers the time of its
//! live entry ([`Alarm`]); any other entry of it is stale and dropped when it comes up.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use smoltcp::time::Instant;

/// What one connection remembers: the time of its live entry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm(Option<Instant>);

impl Alarm {
    /// Tells whether the connection comes up until `time`, whatever else it schedules.
    pub fn is_within(self, time: Instant) -> bool {
        self.0.is_some_and(|entry| entry <= time)
    }
}

/// The heap.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
}

impl Timers {
    /// Makes sure that `id` comes up at `deadline` or before.
    pub fn schedule(&mut self, alarm: &mut Alarm, id: u32, deadline: Instant) {
        if alarm.0.is_none_or(|entry| deadline < entry) {
            alarm.0 = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// Takes the next entry that is due. The caller shows it to [`is_live`](Self::is_live) with the alarm of its connection.
    pub fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        match self.heap.peek() {
            Some(&Reverse(entry)) if entry.0 <= now => {
                self.heap.pop();
                Some(entry)
            }
            _ => None,
        }
    }

    /// Tells whether an entry that came up is the live one, and if so clears the alarm.
    pub fn is_live(alarm: &mut Alarm, time: Instant) -> bool {
        let live = alarm.0 == Some(time);
        if live {
            alarm.0 = None;
        }
        live
    }

    /// Returns the time at which the next entry comes up.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_deadline_keeps_the_entry_and_an_earlier_one_replaces_it() {
        let mut timers = Timers::default();
        let mut alarm = Alarm::default();
        timers.schedule(&mut alarm, 7, Instant::from_millis(20));
        timers.schedule(&mut alarm, 7, Instant::from_millis(30));
        assert_eq!(timers.heap.len(), 1);
        timers.schedule(&mut alarm, 7, Instant::from_millis(10));
        assert_eq!(timers.next(), Some(Instant::from_millis(10)));

        let now = Instant::from_millis(25);
        let (time, id) = timers.pop_due(now).unwrap();
        assert_eq!(id, 7);
        assert!(Timers::is_live(&mut alarm, time));
        let (stale, _) = timers.pop_due(now).unwrap();
        assert!(!Timers::is_live(&mut alarm, stale));
        assert_eq!(timers.pop_due(now), None);
    }
}
