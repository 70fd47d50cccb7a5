//! The virtio 9p transport: a [`Channel`] to the server in the virtual machine monitor.
//!
//! One request is on its way at a time, in buffers of the client; a message is one descriptor for the device to read and one for it
//! to write. The wait for the reply spins shortly, then halts. Reference: Linux' `virtio_9p.h` (a feature, and a tag in the
//! configuration space).
//!
//! A server that does not answer within [`REPLY_LIMIT_NS`] is given up: each call of the program ends with an error from then on. Its
//! buffers stay with it, for it may write to them yet. The limit is far above what any answer takes, an `fsync` on a slow disk
//! included, since an error is worse for the program than a wait.

use super::{Device, DeviceType, KernelHal};
use crate::arch::{apic, tsc};
use crate::fs::Error;
use crate::fs::ninep::Channel;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

const FEATURE_MOUNT_TAG: u64 = 1 << 0;
const FEATURE_VERSION_1: u64 = 1 << 32;

const REQUEST_QUEUE: u16 = 0;
/// One request needs two descriptors.
const QUEUE_LEN: usize = 2;
/// How often the queue is looked at before the CPU halts: about as long as a halt costs.
const SPIN_COUNT: u32 = 2_000;
/// How long a reply is waited for.
const REPLY_LIMIT_NS: u64 = 60_000_000_000;

/// The driver of one shared folder.
pub struct VirtioNinep {
    transport: SomeTransport<'static>,
    queue: Box<VirtQueue<KernelHal, QUEUE_LEN>>,
    has_interrupt: bool,
    /// The server did not answer in time.
    is_given_up: bool,
    tag: Vec<u8>,
}

impl VirtioNinep {
    /// Starts the driver on the next device that nobody has taken.
    ///
    /// # Errors
    /// What is missing, in words. `None`: there is no further device.
    pub fn open_next() -> Option<Result<Self, &'static str>> {
        let device = super::take(DeviceType::_9P)?;
        Some(Self::start(device).ok_or("a shared folder's device cannot be set up"))
    }

    fn start(device: Device) -> Option<Self> {
        let Device {
            mut transport,
            has_interrupt,
        } = device;
        super::negotiate(&mut transport, FEATURE_MOUNT_TAG | FEATURE_VERSION_1);
        let tag = read_tag(&transport)?;
        let mut queue = Box::new(VirtQueue::new(&mut transport, REQUEST_QUEUE, false, false).ok()?);
        queue.set_dev_notify(false);
        transport.finish_init();
        Some(VirtioNinep {
            transport,
            queue,
            has_interrupt,
            is_given_up: false,
            tag,
        })
    }

    /// Returns the name that the machine gives the folder.
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// Waits for the reply and tells whether it has come.
    fn wait(&mut self) -> bool {
        for _ in 0..SPIN_COUNT {
            if self.queue.can_pop() {
                return true;
            }
            spin_loop();
        }
        let deadline_ns = tsc::monotonic_ns().saturating_add(REPLY_LIMIT_NS);
        if self.has_interrupt {
            self.queue.set_dev_notify(true);
            super::enable_new();
            // The device must see the wish before it is asked whether it is done.
            fence(Ordering::SeqCst);
        }
        while !self.queue.can_pop() && tsc::monotonic_ns() < deadline_ns {
            if self.has_interrupt {
                apic::wake_by(deadline_ns);
                super::halt();
            } else {
                spin_loop();
            }
        }
        self.queue.set_dev_notify(false);
        self.queue.can_pop()
    }
}

impl Channel for VirtioNinep {
    fn exchange(&mut self, request: &[u8], reply: &mut [u8]) -> Result<usize, Error> {
        if self.is_given_up {
            return Err(Error::Io);
        }
        // SAFETY: both buffers stay in place, and nobody else touches them, until `pop_used` below. If that is never reached, they
        // belong to the device for ever: they are never freed, and of a server that is given up no reply is read.
        let token = unsafe { self.queue.add(&[request], &mut [reply]) }.map_err(|_| Error::Io)?;
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            self.transport.notify(REQUEST_QUEUE);
        }
        if !self.wait() {
            self.is_given_up = true;
            crate::log::error!("the server of a shared folder does not answer any more");
            return Err(Error::Io);
        }
        // SAFETY: these are the buffers that were added under the token, and the device is done with them.
        let len_bytes = unsafe { self.queue.pop_used(token, &[request], &mut [reply]) }.map_err(|_| Error::Io)?;
        Ok(len_bytes as usize)
    }
}

fn read_tag(transport: &SomeTransport<'static>) -> Option<Vec<u8>> {
    const TAG_OFFSET: usize = 2;
    let len_bytes = usize::from(transport.read_config_space::<u16>(0).ok()?);
    (TAG_OFFSET..TAG_OFFSET + len_bytes)
        .map(|offset| transport.read_config_space::<u8>(offset).ok())
        .collect()
}
