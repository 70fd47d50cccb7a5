//! What the machine offers for mounting: shared folders, each found by its tag.
//!
//! Only functions that open files lead here, so an image without them has neither the file system nor the driver.

use super::virtio::ninep::VirtioNinep;
use crate::command_line::Mount;
use crate::fs::ninep::NinepFs;
use crate::fs::{FileSystem, NodeId};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The devices that nothing has been mounted from yet.
pub struct Mountable {
    folders: Vec<VirtioNinep>,
}

impl Mountable {
    /// Finds the devices of the machine. One that cannot be set up is left out.
    pub fn find() -> Self {
        Mountable {
            folders: core::iter::from_fn(VirtioNinep::open_next).flatten().collect(),
        }
    }

    /// Opens the device that `mount` names, and returns its file system and the directory to show.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn open(&mut self, mount: &Mount) -> Result<(Box<dyn FileSystem>, NodeId), &'static str> {
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
