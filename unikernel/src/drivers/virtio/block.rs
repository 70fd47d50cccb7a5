//! Virtio disks, over the driver of the crate `virtio-drivers`.
//!
//! A request is waited for by looking at the queue: a program that reads or writes its disk has nothing else to do. Reference:
//! VirtIO 1.2, 5.2. Limits: one request at a time.

use super::{DeviceType, KernelHal};
use crate::fs::block_device::{BlockDevice, DeviceError};
use alloc::vec::Vec;
use virtio_drivers::device::blk::VirtIOBlk;
use virtio_drivers::transport::SomeTransport;

/// Length of a disk's serial, which is its tag, in bytes.
const SERIAL_LEN_BYTES: usize = 20;

/// The driver of one disk.
pub struct VirtioBlock {
    disk: VirtIOBlk<KernelHal, SomeTransport<'static>>,
    tag: Vec<u8>,
    is_read_only: bool,
}

impl VirtioBlock {
    /// Starts the driver on the next disk that nobody has taken; `None` if there is no further one.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn open_next() -> Option<Result<Self, &'static str>> {
        let device = super::take(DeviceType::Block)?;
        let started = VirtIOBlk::new(device.transport).and_then(|mut disk| {
            let mut serial = [0; SERIAL_LEN_BYTES];
            let len_bytes = disk.device_id(&mut serial)?;
            Ok(VirtioBlock {
                is_read_only: disk.readonly(),
                tag: serial[..len_bytes].to_vec(),
                disk,
            })
        });
        Some(started.map_err(|_| "a disk cannot be set up"))
    }

    /// Returns the name that the machine gives the disk.
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// Refuses to write from now on.
    pub fn set_read_only(&mut self) {
        self.is_read_only = true;
    }
}

impl BlockDevice for VirtioBlock {
    fn sector_count(&self) -> u64 {
        self.disk.capacity()
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.disk
            .read_blocks(first_sector as usize, buffer)
            .map_err(|_| DeviceError)
    }

    fn write(&mut self, first_sector: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.disk
            .write_blocks(first_sector as usize, bytes)
            .map_err(|_| DeviceError)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.disk.flush().map_err(|_| DeviceError)
    }
}
