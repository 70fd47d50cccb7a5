//! Operations on an open file or descriptor as a whole: `fd_close`, `fd_renumber`, `fd_sync`, `fd_datasync`, `fd_advise`,
//! `fd_allocate`, `fd_filestat_set_size`.

use super::context::Context;
use super::descriptor_table::DescriptorKind;
use super::errno::Errno;
use super::types::Fd;
use crate::fs::Node;
use crate::platform::Platform;

/// The number of the last kind of advice.
const LAST_ADVICE: u32 = 5;

/// Closes a descriptor.
///
/// # Errors
/// `Errno::Badf`.
pub fn fd_close(context: &mut Context, fd: u32) -> Result<(), Errno> {
    let closed = context.descriptors.remove(fd)?;
    context.release(&closed);
    Ok(())
}

/// Gives the descriptor `from` the number `to`, whose descriptor is closed.
///
/// # Errors
/// `Errno::Badf` unless both are open.
pub fn fd_renumber(context: &mut Context, from: u32, to: u32) -> Result<(), Errno> {
    if let Some(closed) = context.descriptors.renumber(from, to)? {
        context.release(&closed);
        context.interests.forget();
    }
    Ok(())
}

/// Makes a file's data and attributes durable.
///
/// # Errors
/// `Errno::Badf`, and what the file system reports.
pub fn fd_sync(context: &mut Context, fd: u32) -> Result<(), Errno> {
    sync(context, fd, false)
}

/// Makes a file's data durable.
///
/// # Errors
/// `Errno::Badf`, and what the file system reports.
pub fn fd_datasync(context: &mut Context, fd: u32) -> Result<(), Errno> {
    sync(context, fd, true)
}

fn sync(context: &mut Context, fd: Fd, data_only: bool) -> Result<(), Errno> {
    let node = context.descriptors.get(fd)?.node().ok_or(Errno::Badf)?;
    Ok(context.mounts.get(node.mount).sync(node.id, data_only)?)
}

/// Takes note of how a file will be used; there is nothing to prepare.
///
/// # Errors
/// `Errno::Badf` for anything but a file, `Errno::Inval` for unknown advice or an impossible range.
pub fn fd_advise(context: &mut Context, fd: u32, offset: u64, len_bytes: u64, advice: u32) -> Result<(), Errno> {
    if advice > LAST_ADVICE {
        return Err(Errno::Inval);
    }
    file(context, fd)?;
    if offset > i64::MAX as u64 || len_bytes > i64::MAX as u64 {
        return Err(Errno::Inval);
    }
    Ok(())
}

/// Refuses to reserve space, as Wasmtime does; programs then write zeros themselves.
///
/// # Errors
/// `Errno::Badf` for anything but a file, else `Errno::Notsup`.
pub fn fd_allocate(context: &mut Context, fd: u32, _offset: u64, _len_bytes: u64) -> Result<(), Errno> {
    file(context, fd)?;
    Err(Errno::Notsup)
}

/// Cuts a file or extends it with zeros.
///
/// # Errors
/// `Errno::Badf` for anything but a file, `Errno::Inval` if it is not open for writing.
pub fn fd_filestat_set_size(context: &mut Context, fd: u32, size: u64) -> Result<(), Errno> {
    let node = file(context, fd)?;
    if !context.descriptors.get(fd)?.can_write {
        return Err(Errno::Inval);
    }
    let now_ns = context.platform.wall_clock_ns();
    Ok(context.mounts.get(node.mount).set_length(node.id, size, now_ns)?)
}

fn file(context: &Context, fd: Fd) -> Result<Node, Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::File { node, .. } => Ok(node),
        _ => Err(Errno::Badf),
    }
}
