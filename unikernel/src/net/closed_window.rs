//! A peer that has no room for data, and may have some again without our hearing of it (RFC 9293 §3.8.6.1).
//!
//! smoltcp probes a closed window only if it closes while there is data to send, and after as long as its retransmission timeout,
//! which repetitions have doubled up to a minute. So the probes are sent here: an empty segment that the peer has to answer.

use super::bare_segment::BareSegment;
use super::connection::Connection;
use super::device::EthernetDevice;
use super::exchange::transmit;
use super::frame::Segment;
use super::stack::Stack;
use alloc::boxed::Box;
use smoltcp::time::{Duration, Instant};

const FIRST_INTERVAL: Duration = Duration::from_millis(200);
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// What is needed to probe a closed window.
#[derive(Debug)]
pub(super) struct ClosedWindow {
    probe: Box<BareSegment>,
    interval: Duration,
    probe_at: Instant,
}

impl Connection {
    /// Takes note of the window in a segment that has arrived.
    #[inline(always)]
    pub fn note_window(&mut self, segment: &Segment, bytes: &[u8], now: Instant) {
        if segment.window > 0 {
            self.closed_window = None;
        } else if self.closed_window.is_none() {
            self.close_window(segment, bytes, now);
        }
    }

    fn close_window(&mut self, segment: &Segment, bytes: &[u8], now: Instant) {
        let answer = segment.acknowledgment.zip(BareSegment::from_frame(bytes));
        self.closed_window = answer.map(|(number, received)| ClosedWindow {
            probe: Box::new(received.into_answer(number - 1, segment.sequence + segment.sequence_len)),
            interval: FIRST_INTERVAL,
            probe_at: now + FIRST_INTERVAL,
        });
    }
}

impl<D: EthernetDevice> Stack<D> {
    /// Probes the peer's window if it is closed and there is data to send, or sees to it that this is done.
    pub(super) fn probe_window(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let has_data = connection.socket().send_queue() > 0;
        let Some(closed) = connection.closed_window.as_mut().filter(|_| has_data) else {
            return;
        };
        if closed.probe_at <= self.now {
            if let Some((acknowledgment, window)) = connection.recovery.conveyed() {
                closed.probe.update(acknowledgment, window);
            }
            transmit(&mut self.device, &closed.probe.emit());
            closed.interval = (closed.interval * 2).min(MAX_INTERVAL);
            closed.probe_at = self.now + closed.interval;
        }
        self.timers.schedule(&mut connection.alarm, id, closed.probe_at);
    }
}
