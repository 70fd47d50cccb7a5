//! The directories that a program finds open: those of the image, then those of the host, then `/tmp` and `/dev`.
//!
//! They are opened when the program first asks for a directory or opens anything. So a program that never does has no file
//! system in its image, and no descriptor that it did not ask for.

use super::context::Context;
use super::descriptor_table::{Descriptor, DescriptorKind};
use super::errno::Errno;
use super::types::Fd;
use crate::command_line::Mount;
use crate::fs::device_fs::{self, DeviceFs};
use crate::fs::memory_fs::MemoryFs;
use crate::fs::{Node, NodeId};
use crate::platform::{OutputStream, Platform};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

#[cfg(not(feature = "kernel"))]
mod devices {
    //! Without a machine below there is nothing to mount; whoever embeds the crate mounts file systems in the context.

    use crate::command_line::Mount;
    use crate::fs::{FileSystem, NodeId};
    use alloc::boxed::Box;

    pub struct Mountable;

    impl Mountable {
        pub fn find() -> Self {
            Mountable
        }

        pub fn open(&mut self, _: &Mount) -> Result<(Box<dyn FileSystem>, NodeId), &'static str> {
            Err("there is no machine")
        }
    }
}
#[cfg(feature = "kernel")]
use crate::drivers::mounts as devices;

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
    mount_devices(context, &unopened.mounts)?;
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

/// Mounts what the command line names. What cannot be mounted is said once, and the program runs without it.
fn mount_devices(context: &mut Context, words: &[Vec<u8>]) -> Result<(), Errno> {
    if words.is_empty() {
        return Ok(());
    }
    let mut devices = devices::Mountable::find();
    for word in words {
        let mount = Mount::parse(word).ok_or("expected mount=TAG:GUEST or mount=TAG:GUEST:ro");
        match mount.and_then(|mount| Ok((devices.open(&mount)?, mount))) {
            Ok(((system, root), mount)) => context.mount(system, root, &mount.guest_path)?,
            Err(problem) => {
                let word = String::from_utf8_lossy(word);
                let message = format!("wasmetal: {word}: {problem}\n");
                context.platform.write(OutputStream::Stderr, message.as_bytes());
            }
        }
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
