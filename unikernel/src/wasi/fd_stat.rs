//! Attributes of descriptors and of open files: `fd_fdstat_*`, `fd_filestat_get`, `fd_filestat_set_times`.

use super::context::Context;
use super::descriptor_table::{Descriptor, DescriptorKind, SocketState};
use super::errno::Errno;
use super::types::{Fdstat, Filestat, Filetype, check_flags, fdflags, fstflags};
use super::{rights, types};
use crate::fs::{Device, Metadata, Node, NodeKind};
use crate::platform::{Installed, Platform};

/// Writes the attributes of a descriptor.
///
/// # Errors
/// `Errno::Badf`, `Errno::Fault`, `Errno::Inval`.
pub fn fd_fdstat_get(context: &mut Context, fd: u32, stat: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<types::Block<24>>(stat)?;
    let descriptor = context.descriptors.get(fd)?;
    let fdstat = describe(descriptor, &context.platform);
    context.memory.write(pointer, fdstat.to_bytes());
    Ok(())
}

fn describe(descriptor: &Descriptor, platform: &Installed) -> Fdstat {
    let filetype = match &descriptor.kind {
        &DescriptorKind::Device(device) => device_filetype(device, platform),
        DescriptorKind::File { .. } => Filetype::RegularFile,
        DescriptorKind::Directory { .. } => Filetype::Directory,
        DescriptorKind::Socket(socket) => socket_filetype(socket),
    };
    let (rights_base, rights_inheriting) = match &descriptor.kind {
        DescriptorKind::Directory { preopen: Some(_), .. } => (rights::PREOPEN_BASE, rights::PREOPEN_INHERITING),
        kind => {
            let all = match kind {
                DescriptorKind::Device(_) => rights::FD_READ | rights::FD_WRITE | rights::POLL_FD_READWRITE,
                DescriptorKind::Directory { .. } => rights::ALL & !rights::NOT_OF_DIRECTORIES,
                DescriptorKind::File { .. } => rights::ALL,
                DescriptorKind::Socket(_) => rights::SOCKET,
            };
            let reading = if descriptor.can_read {
                0
            } else {
                rights::FD_READ | rights::FD_READDIR
            };
            let writing = if descriptor.can_write { 0 } else { rights::FD_WRITE };
            let base = all & !reading & !writing;
            (base, base)
        }
    };
    Fdstat {
        filetype,
        flags: descriptor.flags,
        rights_base,
        rights_inheriting,
    }
}

fn socket_filetype(socket: &SocketState) -> Filetype {
    match socket {
        SocketState::Open { is_stream: false, .. } => Filetype::SocketDgram,
        SocketState::Open { .. } | SocketState::ToListen(_) => Filetype::SocketStream,
    }
}

/// Sets the flags of a descriptor.
///
/// # Errors
/// `Errno::Badf`, also for a directory; `Errno::Inval` for the flags that only opening can set.
pub fn fd_fdstat_set_flags(context: &mut Context, fd: u32, flags: u32) -> Result<(), Errno> {
    check_flags(flags, fdflags::ALL)?;
    let descriptor = context.descriptors.get_mut(fd)?;
    if matches!(descriptor.kind, DescriptorKind::Directory { .. }) {
        return Err(Errno::Badf);
    }
    let settable = fdflags::APPEND | fdflags::NONBLOCK;
    if flags & !settable != 0 {
        return Err(Errno::Inval);
    }
    descriptor.flags = descriptor.flags & !settable | flags;
    Ok(())
}

/// Refuses to narrow rights, as Wasmtime does.
///
/// # Errors
/// `Errno::Badf` for a stream, else `Errno::Notsup`.
pub fn fd_fdstat_set_rights(context: &mut Context, fd: u32, _base: u64, _inheriting: u64) -> Result<(), Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::Device(_) | DescriptorKind::Socket(_) => Err(Errno::Badf),
        _ => Err(Errno::Notsup),
    }
}

/// Writes the attributes of an open file.
///
/// # Errors
/// `Errno::Badf`, `Errno::Fault`, `Errno::Inval`.
pub fn fd_filestat_get(context: &mut Context, fd: u32, stat: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<types::Block<64>>(stat)?;
    let filestat = open_filestat(context, fd)?;
    context.memory.write(pointer, filestat.to_bytes());
    Ok(())
}

/// Returns the attributes of an open file.
///
/// # Errors
/// `Errno::Badf`, and what the file system reports.
pub fn open_filestat(context: &mut Context, fd: u32) -> Result<Filestat, Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::Device(device) => Ok(Filestat::without_file(device_filetype(device, &context.platform))),
        DescriptorKind::Socket(ref socket) => Ok(Filestat::without_file(socket_filetype(socket))),
        DescriptorKind::File { node, .. } | DescriptorKind::Directory { node, .. } => {
            let metadata = context.mounts.get(node.mount).metadata(node.id)?;
            Ok(filestat(node, &metadata))
        }
    }
}

/// Sets the times of an open file.
///
/// # Errors
/// `Errno::Badf`, `Errno::Inval` for contradictory flags, and what the file system reports.
pub fn fd_filestat_set_times(context: &mut Context, fd: u32, atim: u64, mtim: u64, flags: u32) -> Result<(), Errno> {
    let times = NewTimes::decode(atim, mtim, flags)?;
    let node = context.descriptors.get(fd)?.node().ok_or(Errno::Badf)?;
    times.apply(context, node)
}

/// The times that a call sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewTimes {
    accessed: NewTime,
    modified: NewTime,
}

#[derive(Clone, Copy, Debug)]
enum NewTime {
    Keep,
    Now,
    At(u64),
}

impl NewTimes {
    /// Decodes `fstflags`.
    ///
    /// # Errors
    /// `Errno::Inval` if one time is to be two things, or for unknown flags.
    pub(super) fn decode(atim: u64, mtim: u64, flags: u32) -> Result<Self, Errno> {
        check_flags(flags, fstflags::ALL)?;
        let decode = |time, set, now| match (flags & set != 0, flags & now != 0) {
            (true, true) => Err(Errno::Inval),
            (true, false) => Ok(NewTime::At(time)),
            (false, true) => Ok(NewTime::Now),
            (false, false) => Ok(NewTime::Keep),
        };
        Ok(NewTimes {
            accessed: decode(atim, fstflags::ATIM, fstflags::ATIM_NOW)?,
            modified: decode(mtim, fstflags::MTIM, fstflags::MTIM_NOW)?,
        })
    }

    /// Sets the times of a node.
    ///
    /// # Errors
    /// What the file system reports.
    pub(super) fn apply(self, context: &mut Context, node: Node) -> Result<(), Errno> {
        let now_ns = context.platform.wall_clock_ns();
        let resolve = |time| match time {
            NewTime::Keep => None,
            NewTime::Now => Some(now_ns),
            NewTime::At(time) => Some(time),
        };
        let (accessed, modified) = (resolve(self.accessed), resolve(self.modified));
        Ok(context
            .mounts
            .get(node.mount)
            .set_times(node.id, accessed, modified, now_ns)?)
    }
}

/// Converts a node's attributes.
pub(super) fn filestat(node: Node, metadata: &Metadata) -> Filestat {
    Filestat {
        dev: u64::from(node.mount) + 1,
        ino: inode_number(node),
        filetype: filetype(metadata.kind),
        nlink: metadata.links,
        size: metadata.length_bytes,
        atim: metadata.accessed_ns,
        mtim: metadata.modified_ns,
        ctim: metadata.changed_ns,
    }
}

/// Returns the number under which programs see a node: not 0, which some take for "none".
pub(super) const fn inode_number(node: Node) -> u64 {
    node.id.0.wrapping_add(1)
}

/// Converts a node's kind.
pub(super) const fn filetype(kind: NodeKind) -> Filetype {
    match kind {
        NodeKind::File => Filetype::RegularFile,
        NodeKind::Directory => Filetype::Directory,
        NodeKind::Symlink => Filetype::SymbolicLink,
        NodeKind::Device(_) => Filetype::CharacterDevice,
    }
}

/// A standard stream is a character device exactly if it is a terminal: this is how programs tell.
fn device_filetype(device: Device, platform: &Installed) -> Filetype {
    let fd = match device {
        Device::Null | Device::Zero | Device::Random => return Filetype::CharacterDevice,
        Device::Stdin => 0,
        Device::Stdout => 1,
        Device::Stderr => 2,
    };
    if platform.is_terminal(fd) {
        Filetype::CharacterDevice
    } else {
        Filetype::Unknown
    }
}
