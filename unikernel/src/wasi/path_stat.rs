//! Attributes by path: `path_filestat_get`, `path_filestat_set_times`, `path_readlink`.

use super::context::Context;
use super::errno::Errno;
use super::fd_stat::{NewTimes, filestat};
use super::guest_memory::GuestSlice;
use super::path_open::{final_symlink, resolve};
use super::types::{Block, Fd, Filestat};
use crate::fs::path::FinalSymlink;
use crate::fs::{Node, NodeKind};
use alloc::vec::Vec;

/// Writes the attributes of the file at `path`.
///
/// # Errors
/// Those of `stat` on Linux; `Errno::Perm` if the path leaves the directory.
pub fn path_filestat_get(
    context: &mut Context,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    stat: u32,
) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<Block<64>>(stat)?;
    let path = context.memory.slice::<u8>(path, path_len)?;
    let filestat = path_filestat(context, fd, flags, path)?;
    context.memory.write(pointer, filestat.to_bytes());
    Ok(())
}

/// Returns the attributes of the file at `path`.
///
/// # Errors
/// As [`path_filestat_get`].
pub fn path_filestat(context: &mut Context, fd: Fd, flags: u32, path: GuestSlice<u8>) -> Result<Filestat, Errno> {
    let (mount, resolved) = resolve(context, fd, path, final_symlink(flags)?)?;
    let id = resolved.existing()?.id;
    let metadata = context.mounts.get(mount).metadata(id)?;
    Ok(filestat(Node { mount, id }, &metadata))
}

/// Sets the times of the file at `path`.
///
/// # Errors
/// Those of `utimensat` on Linux; `Errno::Inval` for contradictory flags.
#[allow(clippy::too_many_arguments, reason = "the specification's parameters")]
pub fn path_filestat_set_times(
    context: &mut Context,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    let times = NewTimes::decode(atim, mtim, fst_flags)?;
    let (mount, resolved) = resolve(context, fd, path, final_symlink(flags)?)?;
    let id = resolved.existing()?.id;
    times.apply(context, Node { mount, id })
}

/// Writes the target of the symbolic link at `path`, cut off at the buffer's end, and its length in the buffer.
///
/// # Errors
/// `Errno::Inval` if it is not a symbolic link; else those of `readlink` on Linux.
pub fn path_readlink(
    context: &mut Context,
    fd: u32,
    path: u32,
    path_len: u32,
    buf: u32,
    buf_len: u32,
    used: u32,
) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    context.memory.slice::<u8>(buf, buf_len)?;
    let used = context.memory.pointer::<u32>(used)?;
    let (mount, resolved) = resolve(context, fd, path, FinalSymlink::Keep)?;
    let found = resolved.existing()?;
    if found.kind != NodeKind::Symlink {
        return Err(Errno::Inval);
    }
    let mut target = Vec::new();
    context.mounts.get(mount).read_link(found.id, &mut target)?;
    target.truncate(buf_len as usize);
    let len_bytes = target.len() as u32;
    let slice = context.memory.slice(buf, len_bytes)?;
    context.memory.bytes_mut(slice).copy_from_slice(&target);
    context.memory.write(used, len_bytes);
    Ok(())
}
