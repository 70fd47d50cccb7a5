//! Receiving and sending: straight from and into linear memory, one buffer of a call after the other.

use super::address::{AddressForm, GuestAddress};
use super::{Timeout, block, network, open_socket, repeat, socket_and_kind};
use crate::net::{NetError, Network, SocketId};
use crate::wasi::context::{Context, Transfer};
use crate::wasi::errno::Errno;
use crate::wasi::fd_io::{check_buffers, check_buffers_here};
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
    let buffers = check_buffers_here(&context.memory, buffers, buffer_count)?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    let out_flags = context.memory.pointer::<u16>(out_flags)?;
    let socket = socket_and_kind(context, fd)?;
    let reception = receive(context, fd, socket, buffers, flags)?;
    context.memory.write_here(len_bytes, reception.len_bytes);
    context
        .memory
        .write_here(out_flags, if reception.truncated { DATA_TRUNCATED } else { 0 });
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
    let socket = socket_and_kind(context, fd)?;
    let reception = receive(context, fd, socket, buffers, flags)?;
    let from = match reception.from {
        Some(from) => Some(from),
        None => network(context)?.peer_address(socket.0).ok(),
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

#[inline(always)]
fn receive(
    context: &mut Context,
    fd: Fd,
    (socket, is_stream): (SocketId, bool),
    buffers: GuestSlice<Iovec>,
    flags: u32,
) -> Result<Reception, Errno> {
    if flags & !(RECV_PEEK | RECV_WAITALL) != 0 {
        return Err(Errno::Inval);
    }
    let peek = flags & RECV_PEEK != 0;
    if !is_stream {
        return receive_datagram(context, fd, socket, buffers, peek);
    }
    let Some(network) = context.network.as_deref_mut() else {
        return Err(Errno::Netdown);
    };
    let mut len_bytes = 0;
    // Peeking cannot take what it has seen out of the way of what it waits for.
    let wants_all = flags & RECV_WAITALL != 0 && !peek;
    match receive_once(network, &mut context.memory, socket, buffers, &mut len_bytes, peek) {
        Ok(end) if end.is_enough(wants_all) => {
            if end.is_last() {
                context.interests.rest_again(fd, socket);
            }
        }
        Ok(_) | Err(NetError::WouldBlock) => {
            len_bytes = receive_rest(context, fd, socket, buffers, len_bytes, peek, wants_all)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Reception {
        len_bytes,
        truncated: false,
        from: None,
    })
}

/// Waits for what a stream did not have at once. Apart from [`receive`], because most calls are served at once.
#[cold]
#[inline(never)]
fn receive_rest(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    mut taken: u32,
    peek: bool,
    wants_all: bool,
) -> Result<u32, Errno> {
    let attempt = |network: &mut dyn Network, memory: &mut GuestMemory| {
        let end = receive_once(network, memory, socket, buffers, &mut taken, peek)?;
        end.is_enough(wants_all).then_some(()).ok_or(NetError::WouldBlock)
    };
    match repeat(context, fd, socket, Timeout::Receive, NetError::WouldBlock, attempt) {
        Err(errno) if taken == 0 => Err(errno),
        _ => Ok(taken),
    }
}

/// Why a stream gave no more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The buffers are full.
    Full {
        /// There is nothing more for now, besides.
        is_last: bool,
    },
    /// The stream has ended.
    Stream,
    /// There is nothing more for now ([`Received::is_last`](crate::net::Received::is_last)).
    Last,
    /// Anything else.
    Other,
}

impl End {
    /// Tells whether a call that may want all its buffers filled is done.
    fn is_enough(self, wants_all: bool) -> bool {
        !wants_all || matches!(self, End::Full { .. } | End::Stream)
    }

    /// Tells whether there is nothing more for now.
    fn is_last(self) -> bool {
        matches!(self, End::Last | End::Full { is_last: true })
    }
}

/// Fills the buffers, from the place `taken` in them on, with what there is of a stream; moves the place, and tells what ended that.
#[inline(always)]
fn receive_once(
    network: &mut dyn Network,
    memory: &mut GuestMemory,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    taken: &mut u32,
    peek: bool,
) -> Result<End, NetError> {
    let start = *taken;
    let mut skip = start;
    let mut is_last = false;
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
        if is_last {
            return Ok(End::Last);
        }
        match network.receive(socket, memory.bytes_mut(area), peek) {
            Ok(received) => {
                *taken += received.len_bytes as u32;
                if received.len_bytes == 0 {
                    return Ok(End::Stream);
                }
                is_last = received.is_last;
                // What is peeked at does not go away, so the next buffer would get the same.
                if peek || received.len_bytes < area.count() as usize {
                    return Ok(if is_last { End::Last } else { End::Other });
                }
            }
            Err(_) if *taken > start => return Ok(End::Other),
            Err(error) => return Err(error),
        }
    }
    Ok(End::Full { is_last })
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
    let buffers = check_buffers_here(&context.memory, buffers, buffer_count)?;
    let len_bytes = context.memory.pointer::<u32>(len_bytes)?;
    if flags != 0 {
        return Err(Errno::Inval);
    }
    let socket = socket_and_kind(context, fd)?;
    let sent = send(context, fd, socket, buffers, None)?;
    context.memory.write_here(len_bytes, sent);
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
    let socket = socket_and_kind(context, fd)?;
    let sent = send(context, fd, socket, buffers, Some(to))?;
    context.memory.write(len_bytes, sent);
    Ok(())
}

/// Sends buffers that are checked.
fn write(context: &mut Context, fd: Fd, buffers: GuestSlice<Iovec>) -> Result<u32, Errno> {
    let socket = open_socket(context, fd)?;
    send(context, fd, socket, buffers, None)
}

#[inline(always)]
fn send(
    context: &mut Context,
    fd: Fd,
    (socket, is_stream): (SocketId, bool),
    buffers: GuestSlice<Iovec>,
    to: Option<SocketAddr>,
) -> Result<u32, Errno> {
    if !is_stream {
        return send_datagram(context, fd, socket, buffers, to);
    }
    let Some(network) = context.network.as_deref_mut() else {
        return Err(Errno::Netdown);
    };
    let mut sent = 0;
    match send_once(network, &context.memory, socket, buffers, &mut sent) {
        Ok(()) => Ok(sent),
        Err(NetError::WouldBlock) => send_rest(context, fd, socket, buffers, sent),
        Err(_) if sent > 0 => Ok(sent),
        Err(error) => Err(error.into()),
    }
}

/// Sends what there was no room for at once: as on Linux, a blocking send takes everything and a non-blocking one what fits.
#[cold]
#[inline(never)]
fn send_rest(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    mut sent: u32,
) -> Result<u32, Errno> {
    let attempt =
        |network: &mut dyn Network, memory: &mut GuestMemory| send_once(network, memory, socket, buffers, &mut sent);
    match repeat(context, fd, socket, Timeout::Send, NetError::WouldBlock, attempt) {
        Err(errno) if sent == 0 => Err(errno),
        _ => Ok(sent),
    }
}

/// Sends what fits of the buffers from the place `sent` in them on, and moves the place.
///
/// # Errors
/// `NetError::WouldBlock` unless that is all.
#[inline(always)]
fn send_once(
    network: &mut dyn Network,
    memory: &GuestMemory,
    socket: SocketId,
    buffers: GuestSlice<Iovec>,
    sent: &mut u32,
) -> Result<(), NetError> {
    let mut skip = *sent;
    let mut index = 0;
    while index < buffers.count() {
        // A head and a body leave together.
        let mut pieces: [&[u8]; 2] = [&[], &[]];
        let mut offered = 0;
        for piece in &mut pieces {
            if index < buffers.count() {
                let buffer = memory.read(buffers.get(index));
                index += 1;
                let skipped = skip.min(buffer.buf_len);
                skip -= skipped;
                let Ok(area) = memory.slice::<u8>(buffer.buf + skipped, buffer.buf_len - skipped) else {
                    return Err(NetError::InvalidValue);
                };
                *piece = memory.bytes(area);
                offered += piece.len();
            }
        }
        if offered > 0 {
            let taken = network.send_pieces(socket, &pieces)?;
            *sent += taken as u32;
            if taken < offered {
                return Err(NetError::WouldBlock);
            }
        }
    }
    Ok(())
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
