//! Descriptor input and output: `fd_read`, `fd_write`, `fd_pread`, `fd_pwrite`, `fd_seek`, `fd_tell`.
//!
//! Each function checks its guest pointers first and only then acts, so a fault never leaves a half-done effect. Buffers are
//! used where they lie: nothing is copied on the way to or from a file or stream. Read first: [`fd_write`]. Limits: the lengths
//! of one call's buffers add up to less than 4 GiB.

use super::context::{Context, Transfer};
use super::descriptor_table::DescriptorKind;
use super::errno::Errno;
use super::guest_memory::{GuestMemory, GuestPtr, GuestSlice};
use super::types::{Fd, Iovec, Whence, fdflags};
use crate::fs::memory_fs::content::MAX_FILE_BYTES;
use crate::fs::node::WriteAt;
use crate::fs::{Device, Mounts, Node};
use crate::platform::{OutputStream, Platform, StdinRead};

/// Reads from `fd` into `buffers` and writes the number of bytes, which is 0 at the end.
///
/// # Errors
/// `Errno::Badf` if `fd` is not open for reading; `Errno::Fault` if a buffer leaves linear memory.
pub fn fd_read(context: &mut Context, fd: u32, buffers: u32, buffer_count: u32, nread: u32) -> Result<(), Errno> {
    let (buffers, nread) = check_transfer(&context.memory, buffers, buffer_count, nread)?;
    let descriptor = context.descriptors.get_mut(fd)?;
    if !descriptor.can_read {
        return Err(Errno::Badf);
    }
    let is_nonblocking = descriptor.is_nonblocking();
    let count = match descriptor.kind {
        DescriptorKind::Device(device) => read_device(context, device, is_nonblocking, buffers)?,
        _ => (transfer_of(context, fd)?.read)(context, fd, buffers)?,
    };
    context.memory.write(nread, count);
    Ok(())
}

/// Reads from `fd` at `offset`; the descriptor's own offset stays.
///
/// # Errors
/// As [`fd_read`]; `Errno::Spipe` for a stream, `Errno::Inval` for an impossible offset.
pub fn fd_pread(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    offset: u64,
    nread: u32,
) -> Result<(), Errno> {
    let (buffers, nread) = check_transfer(&context.memory, buffers, buffer_count, nread)?;
    let descriptor = context.descriptors.get(fd)?;
    let node = seekable_file(&descriptor.kind)?;
    if !descriptor.can_read {
        return Err(Errno::Badf);
    }
    check_offset(offset)?;
    let count = read_file(&mut context.mounts, &mut context.memory, node, offset, buffers)?;
    context.memory.write(nread, count);
    Ok(())
}

/// Writes `buffers` to `fd` and writes the number of bytes taken, which may be fewer than asked.
///
/// # Errors
/// `Errno::Badf` if `fd` is not open for writing; `Errno::Fault` if a buffer leaves linear memory.
pub fn fd_write(context: &mut Context, fd: u32, buffers: u32, buffer_count: u32, nwritten: u32) -> Result<(), Errno> {
    let (buffers, nwritten) = check_transfer(&context.memory, buffers, buffer_count, nwritten)?;
    let descriptor = context.descriptors.get_mut(fd)?;
    if !descriptor.can_write {
        return Err(Errno::Badf);
    }
    let count = match descriptor.kind {
        DescriptorKind::Device(device) => write_device(context, device, buffers)?,
        _ => (transfer_of(context, fd)?.write)(context, fd, buffers)?,
    };
    context.memory.write(nwritten, count);
    Ok(())
}

fn transfer_of(context: &Context, fd: Fd) -> Result<Transfer, Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::File { .. } => context.files.ok_or(Errno::Badf),
        // A socket that is yet to listen does not need a network to be there.
        DescriptorKind::Socket(_) => context.sockets.ok_or(Errno::Notconn),
        DescriptorKind::Device(_) | DescriptorKind::Directory { .. } => Err(Errno::Badf),
    }
}

/// `fd_read` and `fd_write` on a file.
pub(super) const FILE_TRANSFER: Transfer = Transfer {
    read: read_at_offset,
    write: write_at_offset,
};

fn read_at_offset(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let DescriptorKind::File { node, offset } = &mut context.descriptors.get_mut(fd)?.kind else {
        return Err(Errno::Badf);
    };
    let count = read_file(&mut context.mounts, &mut context.memory, *node, *offset, buffers)?;
    *offset += u64::from(count);
    Ok(count)
}

fn write_at_offset(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let descriptor = context.descriptors.get_mut(fd)?;
    let (flags, appends) = (descriptor.flags, descriptor.appends());
    let DescriptorKind::File { node, offset } = &mut descriptor.kind else {
        return Err(Errno::Badf);
    };
    let at = if appends {
        WriteAt::End
    } else {
        WriteAt::Offset(*offset)
    };
    let now_ns = context.platform.wall_clock_ns();
    let written = write_file(&mut context.mounts, &context.memory, *node, at, buffers, now_ns)?;
    *offset = written.end.unwrap_or(*offset);
    let node = *node;
    synchronise(&mut context.mounts, node, flags)?;
    Ok(written.count)
}

/// Writes `buffers` to `fd` at `offset`; the descriptor's own offset stays. As on Linux, a descriptor in append mode writes at
/// the end all the same.
///
/// # Errors
/// As [`fd_write`]; `Errno::Spipe` for a stream, `Errno::Inval` for an impossible offset.
pub fn fd_pwrite(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    offset: u64,
    nwritten: u32,
) -> Result<(), Errno> {
    let (buffers, nwritten) = check_transfer(&context.memory, buffers, buffer_count, nwritten)?;
    let descriptor = context.descriptors.get(fd)?;
    let node = seekable_file(&descriptor.kind)?;
    if !descriptor.can_write {
        return Err(Errno::Badf);
    }
    check_offset(offset)?;
    let at = if descriptor.appends() {
        WriteAt::End
    } else {
        WriteAt::Offset(offset)
    };
    let flags = descriptor.flags;
    let now_ns = context.platform.wall_clock_ns();
    let written = write_file(&mut context.mounts, &context.memory, node, at, buffers, now_ns)?;
    synchronise(&mut context.mounts, node, flags)?;
    context.memory.write(nwritten, written.count);
    Ok(())
}

/// Moves the offset of `fd` and writes the new one.
///
/// # Errors
/// `Errno::Spipe` for a stream, `Errno::Inval` for an impossible offset.
pub fn fd_seek(context: &mut Context, fd: u32, delta: u64, whence: u32, new_offset: u32) -> Result<(), Errno> {
    seek(context, fd, delta, Whence::from_number(whence)?, new_offset)
}

/// As [`fd_seek`], with the number of `whence` decoded: the versions of WASI number it differently.
///
/// # Errors
/// As `fd_seek`.
pub fn seek(context: &mut Context, fd: u32, delta: u64, whence: Whence, new_offset: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<u64>(new_offset)?;
    let descriptor = context.descriptors.get_mut(fd)?;
    seekable_file(&descriptor.kind)?;
    let DescriptorKind::File { node, offset } = &mut descriptor.kind else {
        return Err(Errno::Badf);
    };
    let start = match whence {
        Whence::Set => 0,
        Whence::Cur => *offset,
        Whence::End => context.mounts.get(node.mount).metadata(node.id)?.length_bytes,
    };
    let target = start.checked_add_signed(delta.cast_signed()).ok_or(Errno::Inval)?;
    check_offset(target)?;
    *offset = target;
    context.memory.write(pointer, target);
    Ok(())
}

/// Writes the offset of `fd`.
///
/// # Errors
/// `Errno::Spipe` for a stream.
pub fn fd_tell(context: &mut Context, fd: u32, offset: u32) -> Result<(), Errno> {
    seek(context, fd, 0, Whence::Cur, offset)
}

fn check_transfer(
    memory: &GuestMemory,
    buffers: u32,
    buffer_count: u32,
    result: u32,
) -> Result<(GuestSlice<Iovec>, GuestPtr<u32>), Errno> {
    let buffers = check_buffers(memory, buffers, buffer_count)?;
    Ok((buffers, memory.pointer(result)?))
}

/// Checks a list of buffers: each lies in linear memory, and their lengths add up to a `u32`.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub(super) fn check_buffers(memory: &GuestMemory, buffers: u32, count: u32) -> Result<GuestSlice<Iovec>, Errno> {
    check_buffers_here(memory, buffers, count)
}

/// As [`check_buffers`], without a call: for functions that are called often.
#[inline(always)]
pub(super) fn check_buffers_here(memory: &GuestMemory, buffers: u32, count: u32) -> Result<GuestSlice<Iovec>, Errno> {
    let buffers = memory.slice::<Iovec>(buffers, count)?;
    let mut total = 0;
    for pointer in buffers.iter() {
        let buffer = memory.read(pointer);
        memory.slice::<u8>(buffer.buf, buffer.buf_len)?;
        total += u64::from(buffer.buf_len);
    }
    if total > u64::from(u32::MAX) {
        return Err(Errno::Inval);
    }
    Ok(buffers)
}

fn check_offset(offset: u64) -> Result<(), Errno> {
    if offset > MAX_FILE_BYTES {
        return Err(Errno::Inval);
    }
    Ok(())
}

fn seekable_file(kind: &DescriptorKind) -> Result<Node, Errno> {
    match kind {
        DescriptorKind::File { node, .. } => Ok(*node),
        DescriptorKind::Device(_) | DescriptorKind::Socket(_) => Err(Errno::Spipe),
        DescriptorKind::Directory { .. } => Err(Errno::Badf),
    }
}

fn read_file(
    mounts: &mut Mounts,
    memory: &mut GuestMemory,
    node: Node,
    offset: u64,
    buffers: GuestSlice<Iovec>,
) -> Result<u32, Errno> {
    let system = mounts.get(node.mount);
    let mut total = 0;
    for pointer in buffers.iter() {
        let buffer = memory.read(pointer);
        let slice = memory.slice::<u8>(buffer.buf, buffer.buf_len)?;
        match system.read(node.id, offset + u64::from(total), memory.bytes_mut(slice)) {
            Ok(count) => total += count as u32,
            Err(error) if total == 0 => return Err(error.into()),
            Err(_) => break,
        }
        if u64::from(total) < u64::from(buffer.buf_len) {
            break;
        }
    }
    Ok(total)
}

struct Written {
    count: u32,
    /// The offset after the last byte, if there was one.
    end: Option<u64>,
}

fn write_file(
    mounts: &mut Mounts,
    memory: &GuestMemory,
    node: Node,
    mut at: WriteAt,
    buffers: GuestSlice<Iovec>,
    now_ns: u64,
) -> Result<Written, Errno> {
    let system = mounts.get(node.mount);
    let mut written = Written { count: 0, end: None };
    for pointer in buffers.iter() {
        let buffer = memory.read(pointer);
        if buffer.buf_len == 0 {
            continue;
        }
        let bytes = memory.bytes(memory.slice(buffer.buf, buffer.buf_len)?);
        match system.write(node.id, at, bytes, now_ns) {
            Ok((count, end)) => {
                written.count += count as u32;
                written.end = Some(end);
                at = WriteAt::Offset(end);
                if count < bytes.len() {
                    break;
                }
            }
            Err(error) if written.count == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    Ok(written)
}

fn synchronise(mounts: &mut Mounts, node: Node, flags: u32) -> Result<(), Errno> {
    if flags & (fdflags::SYNC | fdflags::DSYNC) != 0 {
        mounts.get(node.mount).sync(node.id, flags & fdflags::SYNC == 0)?;
    }
    Ok(())
}

fn read_device(
    context: &mut Context,
    device: Device,
    is_nonblocking: bool,
    buffers: GuestSlice<Iovec>,
) -> Result<u32, Errno> {
    let mut total = 0;
    for pointer in buffers.iter() {
        let buffer = context.memory.read(pointer);
        if buffer.buf_len == 0 {
            continue;
        }
        let slice = context.memory.slice::<u8>(buffer.buf, buffer.buf_len)?;
        match device {
            Device::Null => return Ok(0),
            Device::Zero => context.memory.bytes_mut(slice).fill(0),
            Device::Random => context
                .random
                .fill(&mut context.platform, context.memory.bytes_mut(slice)),
            Device::Stdin => return read_stdin(context, is_nonblocking, slice),
            Device::Stdout | Device::Stderr => return Err(Errno::Badf),
        }
        total += buffer.buf_len;
    }
    Ok(total)
}

/// Reads what has arrived, waiting for the first byte.
fn read_stdin(context: &mut Context, is_nonblocking: bool, slice: GuestSlice<u8>) -> Result<u32, Errno> {
    loop {
        match context.platform.read_stdin(context.memory.bytes_mut(slice)) {
            StdinRead::Bytes(count) => return Ok(count as u32),
            StdinRead::End => return Ok(0),
            StdinRead::Pending if is_nonblocking => return Err(Errno::Again),
            StdinRead::Pending => context.wait(None),
        }
    }
}

fn write_device(context: &mut Context, device: Device, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let stream = match device {
        Device::Null | Device::Zero | Device::Random => None,
        Device::Stdout => Some(OutputStream::Stdout),
        Device::Stderr => Some(OutputStream::Stderr),
        Device::Stdin => return Err(Errno::Badf),
    };
    let mut total = 0;
    for pointer in buffers.iter() {
        let buffer = context.memory.read(pointer);
        let slice = context.memory.slice(buffer.buf, buffer.buf_len)?;
        if let Some(stream) = stream
            && buffer.buf_len > 0
        {
            context.platform.write(stream, context.memory.bytes(slice));
        }
        total += buffer.buf_len;
    }
    Ok(total)
}
