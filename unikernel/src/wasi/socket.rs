//! Sockets: `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown`.
//!
//! No descriptor is a socket yet, so each call says so.

use super::context::Context;
use super::errno::Errno;
use super::types::{Fd, Iovec};

fn refuse(context: &Context, fd: Fd) -> Result<(), Errno> {
    context.descriptors.get(fd)?;
    Err(Errno::Notsock)
}

/// Accepts a connection.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`.
pub fn sock_accept(context: &mut Context, fd: u32, _flags: u32, new_fd: u32) -> Result<(), Errno> {
    context.memory.pointer::<u32>(new_fd)?;
    refuse(context, fd)
}

/// Receives a message.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`.
pub fn sock_recv(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    _flags: u32,
    len_bytes: u32,
    out_flags: u32,
) -> Result<(), Errno> {
    context.memory.slice::<Iovec>(buffers, buffer_count)?;
    context.memory.pointer::<u32>(len_bytes)?;
    context.memory.pointer::<u16>(out_flags)?;
    refuse(context, fd)
}

/// Sends a message.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`.
pub fn sock_send(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    _flags: u32,
    len_bytes: u32,
) -> Result<(), Errno> {
    context.memory.slice::<Iovec>(buffers, buffer_count)?;
    context.memory.pointer::<u32>(len_bytes)?;
    refuse(context, fd)
}

/// Shuts a connection down.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`.
pub fn sock_shutdown(context: &mut Context, fd: u32, _how: u32) -> Result<(), Errno> {
    refuse(context, fd)
}
