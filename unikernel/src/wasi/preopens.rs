//! The directories that a program finds open: those of the image, then `/tmp` and `/dev`.
//!
//! They are opened when the program first asks for a directory or opens anything. So a program that never does has no file
//! system in its image, and no descriptor that it did not ask for.

use super::context::Context;
use super::descriptor_table::{Descriptor, DescriptorKind};
use super::errno::Errno;
use super::types::Fd;
use crate::fs::device_fs::{self, DeviceFs};
use crate::fs::memory_fs::MemoryFs;
use crate::fs::{Node, NodeId};
use alloc::boxed::Box;

/// Opens the directories, unless that has happened. Directories of these paths that are open already stay what they are.
///
/// # Errors
/// If there is no memory for them.
pub fn open_all(context: &mut Context) -> Result<(), Errno> {
    let Some(unopened) = context.unopened.take() else {
        return Ok(());
    };
    let now_ns = context.platform.wall_clock_ns();
    let mut files = MemoryFs::new(unopened.baked_tree, unopened.memory_limit_bytes);
    let tmp = files.add_root(now_ns);
    let mount = context.mounts.add(Box::new(files));
    for preopen in unopened.baked_tree.preopens() {
        let id = NodeId(u64::from(preopen.node));
        context.add_preopen(Node { mount, id }, preopen.guest_path)?;
    }
    if let (Ok(id), false) = (tmp, is_open(context, b"/tmp")) {
        context.add_preopen(Node { mount, id }, b"/tmp")?;
    }
    if !is_open(context, b"/dev") {
        let mount = context.mounts.add(Box::new(DeviceFs::new(now_ns)));
        let id = device_fs::ROOT;
        context.add_preopen(Node { mount, id }, b"/dev")?;
    }
    Ok(())
}

/// Adds a descriptor that the program has opened, behind the directories.
///
/// # Errors
/// If there is no memory for it.
pub fn insert(context: &mut Context, descriptor: Descriptor) -> Result<Fd, Errno> {
    open_all(context)?;
    context.descriptors.insert(descriptor)
}

fn is_open(context: &Context, guest_path: &[u8]) -> bool {
    context.descriptors.iter().any(|descriptor| {
        matches!(&descriptor.kind, DescriptorKind::Directory { preopen: Some(path), .. } if **path == *guest_path)
    })
}
