//! A virtqueue of packets whose buffers change hands: the driver gives a boxed buffer and gets it back with its used length.
//!
//! While the device has a buffer, nobody else does, which is what makes sharing it sound. Interrupts are asked for by the flag in
//! the available ring, not by the event index: `virtio-drivers` compares event indices without regard to their wrap-around, and a
//! driver that looks at its queue before each halt gains nothing from them.

use super::KernelHal;
use alloc::boxed::Box;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

/// Descriptors of a queue. Each packet takes one.
pub(super) const QUEUE_LEN: usize = 256;

/// Which way the packets of a queue go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The device writes the buffers.
    Receive,
    /// The device reads the buffers.
    Transmit,
}

/// A queue.
pub(super) struct PacketQueue {
    queue: Box<VirtQueue<KernelHal, QUEUE_LEN>>,
    queue_index: u16,
    direction: Direction,
    /// The buffers that the device has, by token.
    buffers: Box<[Option<Posted>]>,
    posted_count: usize,
    unnotified_count: usize,
}

struct Posted {
    buffer: Box<[u8]>,
    len_bytes: usize,
}

impl PacketQueue {
    /// Sets up a queue of a device; `None` if the device or the memory does not allow it.
    pub(super) fn new(transport: &mut SomeTransport<'static>, queue_index: u16, direction: Direction) -> Option<Self> {
        let mut queue = Box::new(VirtQueue::new(transport, queue_index, false, false).ok()?);
        queue.set_dev_notify(false);
        Some(PacketQueue {
            queue,
            queue_index,
            direction,
            buffers: (0..QUEUE_LEN).map(|_| None).collect(),
            posted_count: 0,
            unnotified_count: 0,
        })
    }

    /// Tells whether another buffer can be given.
    pub(super) fn has_room(&self) -> bool {
        self.posted_count < QUEUE_LEN
    }

    /// Returns how many buffers the device has not been told of.
    pub(super) fn unnotified_count(&self) -> usize {
        self.unnotified_count
    }

    /// Gives the first `len_bytes` bytes of a buffer to the device; gives it back if there is no room.
    pub(super) fn post(&mut self, mut buffer: Box<[u8]>, len_bytes: usize) -> Result<(), Box<[u8]>> {
        let len_bytes = len_bytes.min(buffer.len());
        let area = &mut buffer[..len_bytes];
        // SAFETY: the box stays in `buffers`, where nobody touches its contents, until `take` has popped it under this token.
        let token = unsafe {
            match self.direction {
                Direction::Receive => self.queue.add(&[], &mut [area]),
                Direction::Transmit => self.queue.add(&[area], &mut []),
            }
        };
        let Ok(token) = token else {
            return Err(buffer);
        };
        self.buffers[usize::from(token)] = Some(Posted { buffer, len_bytes });
        self.posted_count += 1;
        self.unnotified_count += 1;
        Ok(())
    }

    /// Takes the next buffer that the device is done with, and how many bytes it has written.
    pub(super) fn take(&mut self) -> Option<(Box<[u8]>, usize)> {
        let token = self.queue.peek_used()?;
        let mut posted = self.buffers.get_mut(usize::from(token))?.take()?;
        let area = &mut posted.buffer[..posted.len_bytes];
        // SAFETY: this is the buffer and the length that were added under the token, and the device is done with it.
        let popped = unsafe {
            match self.direction {
                Direction::Receive => self.queue.pop_used(token, &[], &mut [area]),
                Direction::Transmit => self.queue.pop_used(token, &[area], &mut []),
            }
        };
        self.posted_count -= 1;
        // The device may claim to have written more than there is room for.
        let len_bytes = popped.map_or(0, |len_bytes| len_bytes as usize).min(posted.len_bytes);
        Some((posted.buffer, len_bytes))
    }

    /// Tells the device of what was given since the last time, unless it looks by itself.
    pub(super) fn notify(&mut self, transport: &mut SomeTransport<'static>) {
        if self.unnotified_count == 0 {
            return;
        }
        self.unnotified_count = 0;
        // The buffers must be visible before the device's wish is read.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            transport.notify(self.queue_index);
        }
    }

    /// Asks for an interrupt when the device is done with the next buffer; false if it is done with one already.
    pub(super) fn arm_interrupt(&mut self) -> bool {
        self.queue.set_dev_notify(true);
        fence(Ordering::SeqCst);
        !self.queue.can_pop()
    }

    /// Declines interrupts.
    pub(super) fn disarm_interrupt(&mut self) {
        self.queue.set_dev_notify(false);
    }
}
