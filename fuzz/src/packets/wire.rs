//! A hub between the victim, its friend and the attacker: what the device border looks like from outside.
//!
//! Frames of the victim reach the friend whatever their destination, so that an attacker who poisons the victim's neighbour
//! cache, which it can on any network without protection, does not cut the friend off.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use unikernel::net::{EthernetDevice, Offloads, ReceivedFrame, TransmitBuffer, TransmitOffload};

/// Frames that a side may have waiting; what comes then is lost.
const QUEUE_LEN: usize = 256;

/// The two stacks on the hub.
pub const VICTIM: usize = 0;
/// The stack whose connection must not suffer.
pub const FRIEND: usize = 1;

/// What both stacks share.
#[derive(Debug, Default)]
pub struct Hub {
    waiting: [VecDeque<ReceivedFrame>; 2],
    /// Frames that the victim has sent since they were last taken.
    pub sent_by_victim: Vec<Vec<u8>>,
}

impl Hub {
    /// Puts a frame before a side. `checksum_valid`: the device vouches for the checksum, `start`: where it puts the frame.
    pub fn deliver(&mut self, side: usize, bytes: &[u8], checksum_valid: bool, start: usize) {
        if self.waiting[side].len() == QUEUE_LEN {
            return;
        }
        let buffer = [&vec![0xa5; start], bytes].concat();
        self.waiting[side].push_back(ReceivedFrame {
            len_bytes: bytes.len(),
            start,
            buffer: buffer.into(),
            checksum_valid,
        });
    }
}

/// One side's card.
#[derive(Debug)]
pub struct Card {
    /// Which side it is.
    pub side: usize,
    /// The hub it is on.
    pub hub: Rc<RefCell<Hub>>,
}

fn mac_address(side: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0, if side == VICTIM { 2 } else { 1 }]
}

impl EthernetDevice for Card {
    fn mac_address(&self) -> [u8; 6] {
        mac_address(self.side)
    }

    fn max_frame_len_bytes(&self) -> usize {
        1514
    }

    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    fn receive(&mut self) -> Option<ReceivedFrame> {
        self.hub.borrow_mut().waiting[self.side].pop_front()
    }

    fn recycle(&mut self, _: ReceivedFrame) {}

    fn can_transmit(&mut self) -> bool {
        true
    }

    fn transmit_buffer(&mut self, len_bytes: usize) -> Option<TransmitBuffer> {
        Some(TransmitBuffer {
            buffer: vec![0; len_bytes].into(),
            start: 0,
            len_bytes,
        })
    }

    fn transmit(&mut self, mut buffer: TransmitBuffer, _: TransmitOffload) {
        let mut hub = self.hub.borrow_mut();
        let other = 1 - self.side;
        let mut bytes = buffer.bytes_mut().to_vec();
        if self.side == VICTIM {
            hub.sent_by_victim.push(bytes.clone());
        }
        if bytes[0] & 1 == 0 {
            bytes[..6].copy_from_slice(&mac_address(other));
        }
        hub.deliver(other, &bytes, false, 0);
    }

    fn flush(&mut self) {}

    fn arm_interrupt(&mut self) -> bool {
        self.hub.borrow().waiting[self.side].is_empty()
    }

    fn disarm_interrupt(&mut self) {}
}
