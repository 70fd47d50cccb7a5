//! A virtqueue for sending bytes, which owns its buffers.
//!
//! What is written is copied into a buffer and handed to the device at once. The device is notified only if it may be done with
//! everything it was notified of: while it works, it finds further buffers by itself, and one that does not look again is
//! notified by [`kick`](TransmitQueue::kick) before the CPU halts.

use super::KernelHal;
use crate::memory;
use abi::memory_map::PAGE_SIZE;
use alloc::boxed::Box;
use core::hint::spin_loop;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

/// Descriptors of the queue, each with a buffer of its own: one bit for each in a word.
pub(super) const QUEUE_LEN: usize = 32;

/// What the device has.
#[derive(Clone, Copy, Default)]
struct Pending {
    token: u16,
    len_bytes: usize,
}

/// A queue of buffers on their way to the device.
pub(super) struct TransmitQueue {
    queue: Box<VirtQueue<KernelHal, QUEUE_LEN>>,
    queue_index: u16,
    buffers: NonNull<u8>,
    buffer_len_bytes: usize,
    pending: [Pending; QUEUE_LEN],
    /// The buffers that the device has: a set of bits.
    pending_set: u32,
    /// How many buffers were added since the device was last notified.
    unnotified_count: u32,
    /// Whether the device has only given back what it was given. The kernel may also have died in the middle of adding a buffer.
    is_intact: bool,
}

impl TransmitQueue {
    /// Makes buffers of `buffer_len_bytes` for a queue of a device; `None` if memory does not suffice.
    pub(super) fn new(
        mut queue: Box<VirtQueue<KernelHal, QUEUE_LEN>>,
        queue_index: u16,
        buffer_len_bytes: usize,
    ) -> Option<Self> {
        let frame_count = (QUEUE_LEN * buffer_len_bytes).div_ceil(PAGE_SIZE as usize);
        let (_, buffers) = memory::allocate_frames(frame_count)?;
        // Whether a buffer is free is looked up when one is needed; nothing waits for that by interrupt.
        queue.set_dev_notify(false);
        Some(TransmitQueue {
            queue,
            queue_index,
            buffers,
            buffer_len_bytes,
            pending: [Pending::default(); QUEUE_LEN],
            pending_set: 0,
            unnotified_count: 0,
            is_intact: true,
        })
    }

    /// Sends all of `bytes`, waiting for buffers where the device is slow.
    pub(super) fn write(&mut self, transport: &mut SomeTransport<'static>, bytes: &[u8]) {
        for chunk in bytes.chunks(self.buffer_len_bytes) {
            self.reclaim();
            if self.pending_set == u32::MAX {
                self.notify(transport);
                while self.pending_set == u32::MAX {
                    if !self.is_intact {
                        return;
                    }
                    spin_loop();
                    self.reclaim();
                }
            }
            self.add(chunk);
        }
        // The device must be able to see the new buffers before it is asked whether it is done with the old ones.
        fence(Ordering::SeqCst);
        self.reclaim();
        if self.pending_set.count_ones() <= self.unnotified_count {
            self.notify(transport);
        }
    }

    /// Sees that the device takes everything, without waiting for it.
    pub(super) fn kick(&mut self, transport: &mut SomeTransport<'static>) {
        self.reclaim();
        if self.pending_set != 0 && self.unnotified_count > 0 {
            self.notify(transport);
        }
    }

    /// Waits until the device has taken everything that it can.
    pub(super) fn flush(&mut self, transport: &mut SomeTransport<'static>) {
        self.kick(transport);
        while self.pending_set != 0 && self.is_intact {
            spin_loop();
            self.reclaim();
        }
    }

    fn notify(&mut self, transport: &mut SomeTransport<'static>) {
        self.unnotified_count = 0;
        transport.notify(self.queue_index);
    }

    /// Copies `bytes` into a free buffer and gives it to the device. There is a free buffer, and `bytes` fit.
    fn add(&mut self, bytes: &[u8]) {
        let index = self.pending_set.trailing_ones() as usize;
        let mut buffer = self.buffer(index, bytes.len());
        // SAFETY: the buffer has room for `buffer_len_bytes`, and the device does not have it.
        let buffer = unsafe { buffer.as_mut() };
        buffer.copy_from_slice(bytes);
        // SAFETY: the buffer stays in place and untouched until `reclaim` has popped it, for its bit is set from here on.
        let token = unsafe { self.queue.add(&[buffer], &mut []) };
        let Ok(token) = token else {
            unreachable!("each buffer has a descriptor of its own");
        };
        self.pending[index] = Pending {
            token,
            len_bytes: bytes.len(),
        };
        self.pending_set |= 1 << index;
        self.unnotified_count += 1;
    }

    /// Takes back the buffers that the device is done with.
    fn reclaim(&mut self) {
        while let Some(token) = self.queue.peek_used() {
            let is_it = |index: &usize| self.pending_set & 1 << index != 0 && self.pending[*index].token == token;
            let Some(index) = (0..QUEUE_LEN).find(is_it) else {
                self.is_intact = false;
                return;
            };
            let buffer = self.buffer(index, self.pending[index].len_bytes);
            // SAFETY: the same buffer was added under this token, and the device is done with it.
            let popped = unsafe { self.queue.pop_used(token, &[buffer.as_ref()], &mut []) };
            if popped.is_err() {
                self.is_intact = false;
                return;
            }
            self.pending_set &= !(1 << index);
        }
    }

    fn buffer(&self, index: usize, len_bytes: usize) -> NonNull<[u8]> {
        // SAFETY: the index is below the number of buffers, so the address lies within their frames.
        let start = unsafe { self.buffers.add(index * self.buffer_len_bytes) };
        NonNull::slice_from_raw_parts(start, len_bytes)
    }
}
