//! Changes by path: `path_create_directory`, `path_remove_directory`, `path_unlink_file`, `path_link`, `path_symlink`,
//! `path_rename`.
//!
//! A symbolic link at the end of such a path is never followed: the entry itself is made, moved or removed. What a trailing
//! slash or a last component of `.` or `..` means follows Linux.

use super::context::Context;
use super::errno::Errno;
use super::path_open::{resolve, resolve_second};
use super::types::{LOOKUP_SYMLINK_FOLLOW, check_flags};
use crate::fs::path::{FinalSymlink, Resolved};
use crate::fs::{Found, NewNode, NodeKind};
use crate::platform::Platform;

/// Makes a directory.
///
/// # Errors
/// Those of `mkdir` on Linux.
pub fn path_create_directory(context: &mut Context, fd: u32, path: u32, path_len: u32) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    let (mount, resolved) = resolve(context, fd, path, FinalSymlink::Entry)?;
    let name = free_name(&resolved)?;
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    system.create(resolved.directory, name, NewNode::Directory, now_ns)?;
    Ok(())
}

/// Removes an empty directory.
///
/// # Errors
/// Those of `rmdir` on Linux.
pub fn path_remove_directory(context: &mut Context, fd: u32, path: u32, path_len: u32) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    let (mount, resolved) = resolve(context, fd, path, FinalSymlink::Entry)?;
    let found = resolved.existing()?;
    let name = resolved.name.as_deref().ok_or(Errno::Inval)?;
    if found.kind != NodeKind::Directory {
        return Err(Errno::Notdir);
    }
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    Ok(system.remove_directory(resolved.directory, name, now_ns)?)
}

/// Removes a name of a file or symbolic link.
///
/// # Errors
/// Those of `unlink` on Linux.
pub fn path_unlink_file(context: &mut Context, fd: u32, path: u32, path_len: u32) -> Result<(), Errno> {
    let path = context.memory.slice::<u8>(path, path_len)?;
    let (mount, resolved) = resolve(context, fd, path, FinalSymlink::Entry)?;
    let found = resolved.existing()?;
    let name = resolved.name.as_deref().ok_or(Errno::Isdir)?;
    if found.kind == NodeKind::Directory {
        return Err(Errno::Isdir);
    }
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    Ok(system.unlink(resolved.directory, name, now_ns)?)
}

/// Gives a file another name. A symbolic link is not followed; asking for that is refused, as Wasmtime does.
///
/// # Errors
/// Those of `link` on Linux; `Errno::Inval` for the flag to follow links.
#[allow(clippy::too_many_arguments, reason = "the specification's parameters")]
pub fn path_link(
    context: &mut Context,
    old_fd: u32,
    old_flags: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Result<(), Errno> {
    let old_path = context.memory.slice::<u8>(old_path, old_path_len)?;
    let new_path = context.memory.slice::<u8>(new_path, new_path_len)?;
    check_flags(old_flags, LOOKUP_SYMLINK_FOLLOW)?;
    if old_flags & LOOKUP_SYMLINK_FOLLOW != 0 {
        return Err(Errno::Inval);
    }
    let (old_mount, old) = resolve(context, old_fd, old_path, FinalSymlink::Keep)?;
    let source = old.existing()?;
    let (mount, new) = resolve_second(context, new_fd, new_path, FinalSymlink::Entry)?;
    let name = free_name(&new)?;
    if new.trailing_slash {
        return Err(Errno::Noent);
    }
    if source.kind == NodeKind::Directory {
        return Err(Errno::Perm);
    }
    if mount != old_mount {
        return Err(Errno::Xdev);
    }
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    Ok(system.link(source.id, new.directory, name, now_ns)?)
}

/// Makes a symbolic link at `new_path` whose target is `old_path`. An absolute target could only lead out of the directory and is
/// refused.
///
/// # Errors
/// Those of `symlink` on Linux; `Errno::Perm` for an absolute target.
pub fn path_symlink(
    context: &mut Context,
    old_path: u32,
    old_path_len: u32,
    fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Result<(), Errno> {
    let target = context.memory.slice::<u8>(old_path, old_path_len)?;
    let new_path = context.memory.slice::<u8>(new_path, new_path_len)?;
    let (mount, new) = resolve(context, fd, new_path, FinalSymlink::Entry)?;
    let target = context.memory.bytes(target);
    match target.first() {
        None => return Err(Errno::Noent),
        Some(b'/') => return Err(Errno::Perm),
        Some(_) if target.contains(&0) => return Err(Errno::Inval),
        Some(_) => {}
    }
    let name = free_name(&new)?;
    if new.trailing_slash {
        return Err(Errno::Noent);
    }
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    system.create(new.directory, name, NewNode::Symlink(target), now_ns)?;
    Ok(())
}

/// Moves a file or directory, replacing what is at the new path where POSIX's `rename` does.
///
/// # Errors
/// Those of `rename` on Linux.
pub fn path_rename(
    context: &mut Context,
    fd: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Result<(), Errno> {
    let old_path = context.memory.slice::<u8>(old_path, old_path_len)?;
    let new_path = context.memory.slice::<u8>(new_path, new_path_len)?;
    let (old_mount, old) = resolve(context, fd, old_path, FinalSymlink::Entry)?;
    let (mount, new) = resolve_second(context, new_fd, new_path, FinalSymlink::Entry)?;
    let (Some(old_name), Some(new_name)) = (old.name.as_deref(), new.name.as_deref()) else {
        return Err(Errno::Busy);
    };
    let source: Found = old.existing()?;
    if new.trailing_slash && source.kind != NodeKind::Directory {
        return Err(Errno::Notdir);
    }
    if mount != old_mount {
        return Err(Errno::Xdev);
    }
    let now_ns = context.platform.wall_clock_ns();
    let system = context.mounts.get(mount);
    Ok(system.rename((old.directory, old_name), (new.directory, new_name), now_ns)?)
}

/// Returns the name for a new entry.
fn free_name(resolved: &Resolved) -> Result<&[u8], Errno> {
    match (&resolved.found, resolved.name.as_deref()) {
        (None, Some(name)) => Ok(name),
        _ => Err(Errno::Exist),
    }
}
