//! Files: what a file system is, the ones in memory, and how a path leads to a file.
//!
//! ```text
//! wasi ── path ──▶ FileSystem (trait) ◀── memory_fs: writable tree in memory, over the image's baked tree
//!                                     ◀── device_fs: /dev
//!                                     ◀── ninep: a folder of the host
//!                                     ◀── ext: a disk, over block_device
//!                                     ◀── others, mounted by whoever drives the device
//! ```
//!
//! Read in this order: [`node`] (the trait and its vocabulary), [`path`] (resolution, the border of a preopen), [`memory_fs`].
//! Nothing here knows WASI: errors are [`Error`], names are bytes. Every operation can fail, and none panics: memory is reserved
//! before it is used, and a file system out of memory says [`Error::NoSpace`].

pub mod block_device;
pub mod device_fs;
mod error;
pub mod ext;
pub mod memory_fs;
pub mod ninep;
pub mod node;
mod number_map;
pub mod path;

pub use error::Error;
pub use node::{Access, Device, DirectoryEntry, FileSystem, Found, Metadata, NewNode, Node, NodeId, NodeKind};

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The file systems of a program.
#[derive(Default)]
pub struct Mounts {
    systems: Vec<Box<dyn FileSystem>>,
}

impl Mounts {
    /// Makes an empty set.
    pub const fn new() -> Self {
        Mounts { systems: Vec::new() }
    }

    /// Adds a file system and returns its number.
    pub fn add(&mut self, system: Box<dyn FileSystem>) -> u32 {
        self.systems.push(system);
        (self.systems.len() - 1) as u32
    }

    /// Ends the use of all of them.
    pub fn finish(&mut self) {
        self.systems.iter_mut().for_each(|system| system.finish());
    }

    /// Returns the file system of that number.
    ///
    /// # Panics
    /// If [`add`](Self::add) did not return that number.
    pub fn get(&mut self, mount: u32) -> &mut dyn FileSystem {
        &mut *self.systems[mount as usize]
    }
}
