//! Receiving and sending: straight from and into linear memory, one buffer of a call after the other.

use super::address::{AddressForm, GuestAddress};
use super::{Timeout, block, is_stream, network, open_socket, socket};
use crate::net::{NetError, Network, SocketId};
use crate::wasi::context::Context;
use crate::wasi::errno::Errno;
use crate::wasi::fd_io::check_buffers;
use crate::wasi::guest_memory::{GuestMemory, GuestSlice};
use crate::wasi::types::{Fd, Iovec};
use core::net::SocketAddr;

/// `riflags`: the data stays.
const RECV_PEEK: u32 = 1;
/// `riflags`: wait until the buffers are full.
const RECV_WAITALL: u32 = 2;
/// `roflags`: the rest of a datagram is lost.
const DATA_TRUNCATED: u16 = 1;

struct Reception {
    len_bytes: u32,
    truncated: bool,
    from: Option<SocketAddr>,
}

/// Receives a message.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Notconn`, `Errno::Again`, `Errno::Connreset`, `Errno::Fault`, `Errno::Inval`.
pub fn sock_recv(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    flags: u32,
    len_bytes: u32,
    out_flags: u32,
) -> Result<(), Errno> {
    let buffers = check_buffers(&context.memory, buffers, buffer_count)?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    let out_flags = context.memory.pointer::<u16>(out_flags)?;
    let socket = socket(context, fd)?;
    let reception = receive(context, fd, socket, buffers, flags)?;
    context.memory.write(len_bytes, reception.len_bytes);
    context
        .memory
        .write(out_flags, if reception.truncated { DATA_TRUNCATED } else { 0 });
    Ok(())
}

/// Receives a message and its sender's address, without the port.
///
/// # Errors
/// As [`sock_recv`].
#[expect(clippy::too_many_arguments, reason = "the parameters are WasmEdge's")]
pub fn sock_recv_from_v1(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    address: u32,
    flags: u32,
    len_bytes: u32,
    out_flags: u32,
) -> Result<(), Errno> {
    receive_from(
        context,
        fd,
        buffers,
        buffer_count,
        [address, flags, len_bytes, out_flags],
        None,
    )
}

/// Receives a message, its sender's address and port.
///
/// # Errors
/// As [`sock_recv`].
#[expect(clippy::too_many_arguments, reason = "the parameters are WasmEdge's")]
pub fn sock_recv_from_v2(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    address: u32,
    flags: u32,
    port: u32,
    len_bytes: u32,
    out_flags: u32,
) -> Result<(), Errno> {
    receive_from(
        context,
        fd,
        buffers,
        buffer_count,
        [address, flags, len_bytes, out_flags],
        Some(port),
    )
}

fn receive_from(
    context: &mut Context,
    fd: Fd,
    buffers: u32,
    buffer_count: u32,
    [address, flags, len_bytes, out_flags]: [u32; 4],
    port: Option<u32>,
) -> Result<(), Errno> {
    let buffers = check_buffers(&context.memory, buffers, buffer_count)?;
    let address = GuestAddress::check(&context.memory, address)?;
    let port = port.map(|port| context.memory.pointer::<u32>(port)).transpose()?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    let out_flags = context.memory.pointer::<u16>(out_flags)?;
    let socket = socket(context, fd)?;
    let reception = receive(context, fd, socket, buffers, flags)?;
    let from = match reception.from {
        Some(from) => Some(from),
        None => network(context)?.peer_address(socket).ok(),
    };
    if let Some(from) = from {
        let form = if port.is_some() {
            AddressForm::WithFamily
        } else {
            AddressForm::Bare
        };
        address.write(&mut context.memory, from.ip(), form)?;
        if let Some(port) = port {
            context.memory.write(port, u32::from(from.port()));
        }
    }
    context.memory.write(len_bytes, reception.len_bytes);
    context
        .memory
        .write(out_flags, if reception.truncated { DATA_TRUNCATED } else { 0 });
    Ok(())
}

/// Receives into buffers that are checked: `fd_read` on a socket.
///
/// # Errors
/// As [`sock_recv`].
pub fn read(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let socket = open_socket(context, fd)?;
    receive(context, fd, socket, buffers, 0).map(|reception| reception.len_bytes)
}

fn receive(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    flags: u32,
) -> Result<Reception, Errno> {
    if flags & !(RECV_PEEK | RECV_WAITALL) != 0 {
        return Err(Errno::Inval);
    }
    let peek = flags & RECV_PEEK != 0;
    // Waiting for more than there is room for would never end; peeking cannot take what it has seen out of the way.
    let wants_all = flags & RECV_WAITALL != 0 && !peek && is_stream(context, fd)?;
    let mut start = 0;
    block(context, fd, socket, Timeout::Receive, |network, memory| {
        let result = receive_once(network, memory, socket, buffers, start, peek);
        match result {
            Ok(reception) if wants_all && reception.len_bytes > 0 => {
                start += reception.len_bytes;
                let is_full = start == total_len_bytes(memory, buffers);
                if is_full {
                    Ok(Reception {
                        len_bytes: start,
                        ..reception
                    })
                } else {
                    Err(NetError::WouldBlock)
                }
            }
            Ok(reception) => Ok(Reception {
                len_bytes: start + reception.len_bytes,
                ..reception
            }),
            Err(error) if start > 0 && error != NetError::WouldBlock => Ok(Reception {
                len_bytes: start,
                truncated: false,
                from: None,
            }),
            Err(error) => Err(error),
        }
    })
    .or_else(|errno| match errno {
        Errno::Again if start > 0 => Ok(Reception {
            len_bytes: start,
            truncated: false,
            from: None,
        }),
        errno => Err(errno),
    })
}

fn total_len_bytes(memory: &GuestMemory, buffers: GuestSlice<Iovec>) -> u32 {
    buffers.iter().map(|pointer| memory.read(pointer).buf_len).sum()
}

/// Fills the buffers, from the given place in them on, with what is there.
fn receive_once(
    network: &mut dyn Network,
    memory: &mut GuestMemory,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    start: u32,
    peek: bool,
) -> Result<Reception, NetError> {
    let mut total = Reception {
        len_bytes: 0,
        truncated: false,
        from: None,
    };
    let mut skip = start;
    for (index, pointer) in buffers.iter().enumerate() {
        let buffer = memory.read(pointer);
        let skipped = skip.min(buffer.buf_len);
        skip -= skipped;
        let is_last = index + 1 == buffers.count() as usize;
        let Ok(area) = memory.slice::<u8>(buffer.buf + skipped, buffer.buf_len - skipped) else {
            return Err(NetError::InvalidValue);
        };
        if area.count() == 0 && !is_last {
            continue;
        }
        match network.receive(socket, memory.bytes_mut(area), peek) {
            Ok(received) => {
                total.len_bytes += received.len_bytes as u32;
                total.truncated |= received.truncated;
                total.from = received.from.or(total.from);
                // A datagram goes into one buffer; a stream's next bytes may be there already.
                if received.from.is_some() || peek || received.len_bytes < area.count() as usize {
                    break;
                }
            }
            Err(_) if total.len_bytes > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Sends a message.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Notconn`, `Errno::Again`, `Errno::Pipe`, `Errno::Connreset`, `Errno::Fault`.
pub fn sock_send(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    flags: u32,
    len_bytes: u32,
) -> Result<(), Errno> {
    let buffers = check_buffers(&context.memory, buffers, buffer_count)?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    if flags != 0 {
        return Err(Errno::Inval);
    }
    let socket = socket(context, fd)?;
    let sent = send(context, fd, socket, buffers, None)?;
    context.memory.write(len_bytes, sent);
    Ok(())
}

/// Sends a message to an address.
///
/// # Errors
/// As [`sock_send`]; `Errno::Msgsize`, `Errno::Afnosupport`, `Errno::Inval`.
#[expect(clippy::too_many_arguments, reason = "the parameters are WasmEdge's")]
pub fn sock_send_to(
    context: &mut Context,
    fd: u32,
    buffers: u32,
    buffer_count: u32,
    address: u32,
    port: u32,
    flags: u32,
    len_bytes: u32,
) -> Result<(), Errno> {
    let buffers = check_buffers(&context.memory, buffers, buffer_count)?;
    let to = GuestAddress::check(&context.memory, address)?.read(&context.memory, port)?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    if flags != 0 {
        return Err(Errno::Inval);
    }
    let socket = socket(context, fd)?;
    let sent = send(context, fd, socket, buffers, Some(to))?;
    context.memory.write(len_bytes, sent);
    Ok(())
}

/// Sends buffers that are checked: `fd_write` on a socket.
///
/// # Errors
/// As [`sock_send`].
pub fn write(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let socket = open_socket(context, fd)?;
    send(context, fd, socket, buffers, None)
}

fn send(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    to: Option<SocketAddr>,
) -> Result<u32, Errno> {
    if !is_stream(context, fd)? {
        return send_datagram(context, fd, socket, buffers, to);
    }
    // As on Linux, a blocking send takes everything and a non-blocking one what fits.
    let mut sent = 0;
    let result = block(context, fd, socket, Timeout::Send, |network, memory| {
        let (taken, is_all) = send_once(network, memory, socket, buffers, sent)?;
        sent += taken;
        if is_all { Ok(()) } else { Err(NetError::WouldBlock) }
    });
    match result {
        Err(errno) if sent == 0 => Err(errno),
        _ => Ok(sent),
    }
}

/// Sends what fits of the buffers from the given place in them on, and tells whether that is all.
fn send_once(
    network: &mut dyn Network,
    memory: &GuestMemory,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    start: u32,
) -> Result<(u32, bool), NetError> {
    let mut total = 0;
    let mut skip = start;
    for pointer in buffers.iter() {
        let buffer = memory.read(pointer);
        let skipped = skip.min(buffer.buf_len);
        skip -= skipped;
        let Ok(area) = memory.slice::<u8>(buffer.buf + skipped, buffer.buf_len - skipped) else {
            return Err(NetError::InvalidValue);
        };
        if area.count() == 0 {
            continue;
        }
        match network.send(socket, memory.bytes(area), None) {
            Ok(taken) => {
                total += taken as u32;
                if taken < area.count() as usize {
                    return Ok((total, false));
                }
            }
            Err(_) if total > 0 => return Ok((total, false)),
            Err(error) => return Err(error),
        }
    }
    Ok((total, true))
}

/// Sends all buffers as one datagram.
fn send_datagram(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    to: Option<SocketAddr>,
) -> Result<u32, Errno> {
    const MAX_DATAGRAM_BYTES: usize = 65507;
    let mut gathered = alloc::vec::Vec::new();
    if buffers.count() != 1 {
        for pointer in buffers.iter() {
            let buffer = context.memory.read(pointer);
            let bytes = context.memory.bytes(context.memory.slice(buffer.buf, buffer.buf_len)?);
            if gathered.len() + bytes.len() > MAX_DATAGRAM_BYTES {
                return Err(Errno::Msgsize);
            }
            gathered.extend_from_slice(bytes);
        }
    }
    let sent = block(context, fd, socket, Timeout::Send, |network, memory| {
        if buffers.count() != 1 {
            return network.send(socket, &gathered, to);
        }
        let buffer = memory.read(buffers.get(0));
        match memory.slice::<u8>(buffer.buf, buffer.buf_len) {
            Ok(area) => network.send(socket, memory.bytes(area), to),
            Err(_) => Err(NetError::InvalidValue),
        }
    })?;
    Ok(sent as u32)
}
