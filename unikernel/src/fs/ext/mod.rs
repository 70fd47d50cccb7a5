//! A file system on a disk that outlives the program: Linux's `ext3`, with its journal.
//!
//! Why this format: programs expect symbolic and hard links, names of 255 bytes and times to the nanosecond, which FAT does not
//! have; and after a crash at any moment everything synced must be there, which takes a journal or much care. With this one,
//! each operation is a transaction, Linux mounts the disk, and `e2fsck` and `debugfs` read it. Why not a crate: those that write
//! ext4 or FAT do not order their writes, or trust what is on the disk, and `ext4-view` only reads.
//!
//! ```text
//! file_system ─▶ directory, file ─▶ block_map ─▶ inode, allocate ─▶ volume (transactions) ─▶ journal ─▶ cache ─▶ BlockDevice
//! ```
//!
//! Read in this order: [`volume`], [`journal`], [`cache`], then upwards. Nothing on the disk is trusted: each number is checked
//! where it is read, each loop is bounded by the size of the disk, and contradictions are [`Error::Io`](crate::fs::Error::Io).
//! Limits: block maps, no extents; blocks of up to 4 KiB; no checksums; directories are searched from the start.

mod allocate;
mod block_map;
mod cache;
mod directory;
mod file;
mod file_system;
pub mod format;
mod geometry;
mod inode;
mod journal;
mod layout;
mod recovery;
#[cfg(test)]
mod tests;
mod volume;

pub use volume::{MountError, Volume};

use super::NodeId;

/// The root directory of every volume.
pub const ROOT: NodeId = NodeId(layout::inode::ROOT as u64);
