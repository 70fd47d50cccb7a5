//! What the machine offers for mounting: shared folders and disks, each found by its tag, which is a disk's serial.
//!
//! Only functions that open files lead here, so an image without them has neither the file systems nor the drivers.

use super::virtio::block::VirtioBlock;
use super::virtio::ninep::VirtioNinep;
use crate::arch::tsc;
use crate::command_line::Mount;
use crate::fs::ext::{self, MountError, Volume};
use crate::fs::ninep::NinepFs;
use crate::fs::{FileSystem, NodeId};
use crate::memory;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A disk's blocks may take this part of the memory that is free when it is mounted.
const CACHE_MEMORY_SHARE: u64 = 8;

/// The devices that nothing has been mounted from yet.
pub struct Mountable {
    folders: Vec<VirtioNinep>,
    disks: Vec<VirtioBlock>,
}

impl Mountable {
    /// Finds the devices of the machine. One that cannot be set up is left out.
    pub fn find() -> Self {
        Mountable {
            folders: core::iter::from_fn(VirtioNinep::open_next).flatten().collect(),
            disks: core::iter::from_fn(VirtioBlock::open_next).flatten().collect(),
        }
    }

    /// Opens the device that `mount` names, and returns its file system and the directory to show.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn open(&mut self, mount: &Mount) -> Result<(Box<dyn FileSystem>, NodeId), &'static str> {
        if let Some(index) = self.disks.iter().position(|disk| disk.tag() == mount.tag) {
            let mut disk = self.disks.swap_remove(index);
            if mount.is_read_only {
                disk.set_read_only();
            }
            let cache_limit_bytes = memory::available_bytes() / CACHE_MEMORY_SHARE;
            let volume =
                Volume::mount(Box::new(disk), cache_limit_bytes, tsc::wall_clock_ns()).map_err(MountError::in_words)?;
            return Ok((Box::new(volume), ext::ROOT));
        }
        let index = self
            .folders
            .iter()
            .position(|folder| folder.tag() == mount.tag)
            .ok_or("the machine has no device with this tag")?;
        let system = NinepFs::connect(self.folders.swap_remove(index), mount.is_read_only)?;
        let root = system.root();
        Ok((Box::new(system), root))
    }
}
