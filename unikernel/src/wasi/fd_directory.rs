//! Open directories: `fd_readdir`, `fd_prestat_get`, `fd_prestat_dir_name`.

use super::context::Context;
use super::descriptor_table::DescriptorKind;
use super::errno::Errno;
use super::fd_stat::{filetype, inode_number};
use super::preopens;
use super::types::{Fd, Filetype};
use crate::fs::Node;
use core::ops::ControlFlow;

/// Length of an entry without its name in bytes.
const DIRENT_LEN_BYTES: usize = 24;

/// `.` and `..` come first; their cookies precede the positions of the file system's entries.
const DOT_ENTRIES: [&[u8]; 2] = [b".", b".."];

/// Fills `buf` with entries of a directory, from the one after `cookie` on, and writes the number of bytes. The last entry may be
/// cut off; a buffer that is not filled says that the directory has no more entries.
///
/// # Errors
/// `Errno::Badf` for anything but a directory, `Errno::Fault`.
pub fn fd_readdir(context: &mut Context, fd: u32, buf: u32, buf_len: u32, cookie: u64, used: u32) -> Result<(), Errno> {
    let buffer = context.memory.slice::<u8>(buf, buf_len)?;
    let used = context.memory.pointer::<u32>(used)?;
    preopens::open_all(context)?;
    let node = context.descriptors.directory(fd)?;
    let mut listing = Listing {
        buffer: context.memory.bytes_mut(buffer),
        used: 0,
    };
    let result = list(context.mounts.get(node.mount), node, cookie, &mut listing);
    let count = listing.used as u32;
    result?;
    context.memory.write(used, count);
    Ok(())
}

fn list(
    system: &mut dyn crate::fs::FileSystem,
    node: Node,
    cookie: u64,
    listing: &mut Listing<'_>,
) -> Result<(), Errno> {
    let dots = DOT_ENTRIES.len() as u64;
    for (name, next) in DOT_ENTRIES.into_iter().zip(1u64..).skip(cookie.min(dots) as usize) {
        if listing
            .add(next, inode_number(node), Filetype::Directory, name)
            .is_break()
        {
            return Ok(());
        }
    }
    let mount = node.mount;
    system.read_directory(node.id, cookie.saturating_sub(dots), &mut |entry| {
        let number = inode_number(Node { mount, id: entry.id });
        listing.add(entry.next_position + dots, number, filetype(entry.kind), entry.name)
    })?;
    Ok(())
}

/// Entries being written.
struct Listing<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl Listing<'_> {
    fn add(&mut self, next: u64, inode_number: u64, filetype: Filetype, name: &[u8]) -> ControlFlow<()> {
        let mut dirent = [0; DIRENT_LEN_BYTES];
        dirent[0..8].copy_from_slice(&next.to_le_bytes());
        dirent[8..16].copy_from_slice(&inode_number.to_le_bytes());
        dirent[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
        dirent[20] = filetype as u8;
        self.push(&dirent);
        self.push(name);
        if self.used == self.buffer.len() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = &mut self.buffer[self.used..];
        let len_bytes = bytes.len().min(room.len());
        room[..len_bytes].copy_from_slice(&bytes[..len_bytes]);
        self.used += len_bytes;
    }
}

/// Writes what a descriptor was before the program started: a directory, and the length of its path.
///
/// # Errors
/// `Errno::Badf` if it was not open then.
pub fn fd_prestat_get(context: &mut Context, fd: u32, prestat: u32) -> Result<(), Errno> {
    // The tag (0: a directory) takes 4 bytes with its padding, the length 4; alignment 4.
    let fields = context.memory.slice::<u32>(prestat, 2)?;
    preopens::open_all(context)?;
    let len_bytes = preopen_path(context, fd)?.ok_or(Errno::Badf)?.len() as u32;
    for (pointer, value) in fields.iter().zip([0, len_bytes]) {
        context.memory.write(pointer, value);
    }
    Ok(())
}

/// Writes the path of a directory that was open before the program started.
///
/// # Errors
/// `Errno::Badf` if the descriptor is not open, `Errno::Notdir` if it was not open then, `Errno::Nametoolong` if the path is
/// longer than the buffer.
pub fn fd_prestat_dir_name(context: &mut Context, fd: u32, path: u32, path_len: u32) -> Result<(), Errno> {
    context.memory.slice::<u8>(path, path_len)?;
    preopens::open_all(context)?;
    let name = match &context.descriptors.get(fd)?.kind {
        DescriptorKind::Directory {
            preopen: Some(name), ..
        } => name,
        _ => return Err(Errno::Notdir),
    };
    if name.len() > path_len as usize {
        return Err(Errno::Nametoolong);
    }
    let slice = context.memory.slice(path, name.len() as u32)?;
    context.memory.bytes_mut(slice).copy_from_slice(name);
    Ok(())
}

fn preopen_path(context: &Context, fd: Fd) -> Result<Option<&[u8]>, Errno> {
    match &context.descriptors.get(fd)?.kind {
        DescriptorKind::Directory { preopen, .. } => Ok(preopen.as_deref()),
        _ => Ok(None),
    }
}
