//! A FIN that smoltcp has stopped repeating.
//!
//! After three duplicate acknowledgements smoltcp 0.14 stops its retransmission timer for a fast retransmission, which finds
//! nothing to send if only the FIN is outstanding; then the FIN is never sent again. So the last segment with a FIN is kept, and
//! repeated here, less and less often, for as long as smoltcp has no timer although the FIN is not acknowledged.

use super::bare_segment::BareSegment;
use super::device::EthernetDevice;
use super::exchange::transmit;
use super::stack::Stack;
use alloc::boxed::Box;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// A segment with a FIN, as smoltcp made it.
#[derive(Debug)]
pub(super) struct SentFin {
    segment: Box<BareSegment>,
    interval: Duration,
    repeat_at: Option<Instant>,
}

impl SentFin {
    /// Keeps a segment that was just sent.
    pub fn new(segment: Box<BareSegment>) -> Self {
        SentFin {
            segment,
            interval: FIRST_INTERVAL,
            repeat_at: None,
        }
    }
}

impl<D: EthernetDevice> Stack<D> {
    /// Repeats the FIN of a connection for which smoltcp has no timer, or sees to it that this is done.
    pub(super) fn repeat_fin(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let is_outstanding = matches!(
            connection.socket().state(),
            tcp::State::FinWait1 | tcp::State::Closing | tcp::State::LastAck
        );
        let Some(fin) = connection.fin.as_mut().filter(|_| is_outstanding) else {
            return;
        };
        let repeat_at = *fin.repeat_at.get_or_insert(self.now + fin.interval);
        if repeat_at <= self.now {
            if let Some((acknowledgment, window)) = connection.recovery.conveyed() {
                // A peer ignores a segment whose acknowledgement number it has seen surpassed.
                fin.segment.update(acknowledgment, window);
            }
            transmit(&mut self.device, &fin.segment.emit());
            fin.interval = (fin.interval * 2).min(MAX_INTERVAL);
            fin.repeat_at = Some(self.now + fin.interval);
        }
        let due = fin.repeat_at.unwrap_or(repeat_at);
        self.timers.schedule(&mut connection.alarm, id, due);
    }
}
