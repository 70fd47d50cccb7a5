//! Receiving and sending: straight from and into linear memory, one buffer of a call after the other.

use super::address::{AddressForm, GuestAddress};
use super::{Timeout, block, is_stream, network, open_socket, socket};
use crate::net::{NetError, Network, SocketId};
use crate::wasi::context::{Context, Transfer};
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

/// `fd_read` and `fd_write` on a socket.
pub(super) const TRANSFER: Transfer = Transfer { read, write };

/// Receives into buffers that are checked.
fn read(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
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
    if !is_stream(context, fd)? {
        return receive_datagram(context, fd, socket, buffers, peek);
    }
    // Waiting for more than there is room for would never end; peeking cannot take what it has seen out of the way.
    let wants_all = flags & RECV_WAITALL != 0 && !peek;
    let mut taken = 0;
    let result = block(context, fd, socket, Timeout::Receive, |network, memory| {
        let (len_bytes, is_full) = receive_once(network, memory, socket, buffers, taken, peek)?;
        taken += len_bytes;
        if wants_all && !is_full && len_bytes > 0 {
            Err(NetError::WouldBlock)
        } else {
            Ok(())
        }
    });
    match result {
        Err(errno) if taken == 0 => Err(errno),
        _ => Ok(Reception {
            len_bytes: taken,
            truncated: false,
            from: None,
        }),
    }
}

/// Fills the buffers, from the given place in them on, with what there is of a stream, and tells whether they are full.
fn receive_once(
    network: &mut dyn Network,
    memory: &mut GuestMemory,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    start: u32,
    peek: bool,
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
        match network.receive(socket, memory.bytes_mut(area), peek) {
            Ok(received) => {
                total += received.len_bytes as u32;
                // What is peeked at does not go away, so the next buffer would get the same.
                if peek || received.len_bytes < area.count() as usize {
                    return Ok((total, false));
                }
            }
            Err(_) if total > 0 => return Ok((total, false)),
            Err(error) => return Err(error),
        }
    }
    Ok((total, true))
}

/// Receives a datagram into the first buffer that has room.
fn receive_datagram(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    peek: bool,
) -> Result<Reception, Errno> {
    let received = block(context, fd, socket, Timeout::Receive, |network, memory| {
        let buffer = buffers
            .iter()
            .map(|pointer| memory.read(pointer))
            .find(|buffer| buffer.buf_len > 0);
        let area = match buffer.map(|buffer| memory.slice::<u8>(buffer.buf, buffer.buf_len)) {
            Some(Ok(area)) => memory.bytes_mut(area),
            Some(Err(_)) => return Err(NetError::InvalidValue),
            None => &mut [],
        };
        network.receive(socket, area, peek)
    })?;
    Ok(Reception {
        len_bytes: received.len_bytes as u32,
        truncated: received.truncated,
        from: received.from,
    })
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

/// Sends buffers that are checked.
fn write(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
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
