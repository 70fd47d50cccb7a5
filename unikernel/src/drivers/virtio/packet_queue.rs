//! A virtqueue of packets whose buffers change hands: the driver gives a boxed buffer and gets it back with its used length.
//!
//! While the device has a buffer, nobody else does, which is what makes sharing it sound. Every packet is one descriptor, so this
//! queue needs neither chains nor the bookkeeping for them, which in `virtio-drivers` costs more than the rest of the driver: a
//! packet passes four times through here for each request that a server answers. The rings are shared with the device and hence
//! atomic; the device is told and tells by the flags of the rings, not by the event index, for a driver that looks at its queue
//! before each halt gains nothing from it. Reference: VirtIO 1.2, 2.7 (split virtqueues), in the layout that old devices want too.

use super::hal::device_address;
use crate::memory;
use abi::memory_map::PAGE_SIZE;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
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

/// Descriptor flag: the device writes the buffer.
const DEVICE_WRITES: u16 = 2;
/// Flag of the available ring: the device need not interrupt.
const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: the driver need not notify.
const NO_NOTIFICATION: u16 = 1;

/// What driver and device share. The used ring begins a page, as devices before VirtIO 1.0 expect.
#[repr(C)]
struct Rings {
    descriptors: [SharedDescriptor; QUEUE_LEN],
    available: AvailableRing,
    used: UsedRing,
}

#[repr(C, align(16))]
struct SharedDescriptor {
    address: AtomicU64,
    len_bytes: AtomicU32,
    flags: AtomicU16,
    next: AtomicU16,
}

#[repr(C)]
struct AvailableRing {
    flags: AtomicU16,
    index: AtomicU16,
    tokens: [AtomicU16; QUEUE_LEN],
}

#[repr(C, align(4096))]
struct UsedRing {
    flags: AtomicU16,
    index: AtomicU16,
    elements: [UsedElement; QUEUE_LEN],
}

#[repr(C)]
struct UsedElement {
    token: AtomicU32,
    len_bytes: AtomicU32,
}

/// A queue.
pub(super) struct PacketQueue {
    rings: &'static Rings,
    queue_index: u16,
    direction: Direction,
    /// The buffers that the device has, by token, which is the descriptor's number.
    buffers: Box<[Option<NonNull<[u8]>>; QUEUE_LEN]>,
    free_tokens: Vec<u16>,
    /// How many buffers were given and taken so far, modulo 65,536.
    given: u16,
    taken: u16,
    unnotified_count: usize,
}

impl PacketQueue {
    /// Sets up a queue of a device; `None` if the device or the memory does not allow it.
    pub(super) fn new(transport: &mut SomeTransport<'static>, queue_index: u16, direction: Direction) -> Option<Self> {
        if transport.queue_used(queue_index) || transport.max_queue_size(queue_index) < QUEUE_LEN as u32 {
            return None;
        }
        let (address, pointer) = memory::allocate_zeroed_frames(size_of::<Rings>() / PAGE_SIZE as usize)?;
        // SAFETY: the frames were just taken and are never freed, they have the size and more than the alignment of `Rings`, and
        // zeros are a valid value of its atomic integers, through which alone the device is met.
        let rings: &'static Rings = unsafe { pointer.cast::<Rings>().as_ref() };
        let part = |offset: usize| address.as_u64() + offset as u64;
        transport.queue_set(
            queue_index,
            QUEUE_LEN as u32,
            part(offset_of!(Rings, descriptors)),
            part(offset_of!(Rings, available)),
            part(offset_of!(Rings, used)),
        );
        rings.available.flags.store(NO_INTERRUPT, Ordering::Relaxed);
        Some(PacketQueue {
            rings,
            queue_index,
            direction,
            buffers: Box::new([None; QUEUE_LEN]),
            free_tokens: (0..QUEUE_LEN as u16).collect(),
            given: 0,
            taken: 0,
            unnotified_count: 0,
        })
    }

    /// Tells whether another buffer can be given.
    pub(super) fn has_room(&self) -> bool {
        !self.free_tokens.is_empty()
    }

    /// Returns how many buffers the device has not been told of.
    pub(super) fn unnotified_count(&self) -> usize {
        self.unnotified_count
    }

    /// Gives the first `len_bytes` bytes of a buffer to the device; gives it back if there is no room.
    #[inline(always)]
    pub(super) fn post(&mut self, buffer: Box<[u8]>, len_bytes: usize) -> Result<(), Box<[u8]>> {
        let (Some(address), Some(token)) = (device_address(&buffer), self.free_tokens.pop()) else {
            return Err(buffer);
        };
        let descriptor = &self.rings.descriptors[usize::from(token)];
        descriptor.address.store(address.as_u64(), Ordering::Relaxed);
        descriptor
            .len_bytes
            .store(len_bytes.min(buffer.len()) as u32, Ordering::Relaxed);
        let flags = match self.direction {
            Direction::Receive => DEVICE_WRITES,
            Direction::Transmit => 0,
        };
        descriptor.flags.store(flags, Ordering::Relaxed);
        self.buffers[usize::from(token)] = Some(NonNull::from(Box::leak(buffer)));
        self.rings.available.tokens[usize::from(self.given) % QUEUE_LEN].store(token, Ordering::Relaxed);
        self.given = self.given.wrapping_add(1);
        // What the device finds behind the index must be complete.
        self.rings.available.index.store(self.given, Ordering::Release);
        self.unnotified_count += 1;
        Ok(())
    }

    /// Takes the next buffer that the device is done with, and how many bytes it has written.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<(Box<[u8]>, usize)> {
        if self.is_unused() {
            return None;
        }
        let element = &self.rings.used.elements[usize::from(self.taken) % QUEUE_LEN];
        self.taken = self.taken.wrapping_add(1);
        let token = element.token.load(Ordering::Relaxed) as usize;
        // A device that names a buffer which it does not have is not believed.
        let buffer = self.buffers.get_mut(token)?.take()?;
        self.free_tokens.push(token as u16);
        // SAFETY: the pointer comes from a box that `post` took apart, and whose entry was just cleared, so nobody else makes a box
        // of it; the device has returned it and writes it no more.
        let buffer = unsafe { Box::from_raw(buffer.as_ptr()) };
        // The device may claim to have written more than there is room for.
        let len_bytes = (element.len_bytes.load(Ordering::Relaxed) as usize).min(buffer.len());
        Some((buffer, len_bytes))
    }

    /// Tells the device of what was given since the last time, unless it looks by itself.
    pub(super) fn notify(&mut self, transport: &mut SomeTransport<'static>) {
        if self.unnotified_count == 0 {
            return;
        }
        self.unnotified_count = 0;
        // The buffers must be visible before the device's wish is read.
        fence(Ordering::SeqCst);
        if self.rings.used.flags.load(Ordering::Relaxed) & NO_NOTIFICATION == 0 {
            transport.notify(self.queue_index);
        }
    }

    /// Asks for an interrupt when the device is done with the next buffer; false if it is done with one already.
    pub(super) fn arm_interrupt(&mut self) -> bool {
        self.rings.available.flags.store(0, Ordering::Relaxed);
        // The wish must be visible before the ring is looked at.
        fence(Ordering::SeqCst);
        self.is_unused()
    }

    /// Declines interrupts.
    pub(super) fn disarm_interrupt(&mut self) {
        self.rings.available.flags.store(NO_INTERRUPT, Ordering::Relaxed);
    }

    /// Tells whether the device is done with none of its buffers.
    fn is_unused(&self) -> bool {
        self.rings.used.index.load(Ordering::Acquire) == self.taken
    }
}
