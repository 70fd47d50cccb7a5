//! Sockets: WasmEdge's extension in both its forms, and preview 1's own four functions.
//!
//! ```text
//! mod       sock_open, sock_bind, sock_listen, sock_accept, sock_connect, sock_shutdown, local and peer addresses
//! transfer  sock_recv, sock_recv_from, sock_send, sock_send_to, and fd_read and fd_write on a socket
//! options   sock_getsockopt, sock_setsockopt      lookup  sock_getaddrinfo      address  addresses in linear memory
//! attach    the network comes into being when the first socket does
//! ```
//!
//! The network itself never blocks: [`block`] repeats an attempt, sleeping in between, for sockets that are not in non-blocking
//! mode. Read first: [`block`], [`attach`].

pub mod address;
pub mod attach;
pub mod lookup;
pub mod options;
pub mod transfer;

pub use lookup::sock_getaddrinfo;
pub use options::{sock_getsockopt, sock_setsockopt};
pub use transfer::{sock_recv, sock_recv_from_v1, sock_recv_from_v2, sock_send, sock_send_to};

use super::context::Context;
use super::descriptor_table::{Descriptor, DescriptorKind, SocketState};
use super::errno::Errno;
use super::guest_memory::GuestMemory;
use super::preopens;
use super::types::{Fd, check_flags, fdflags};
use crate::net::{Family, NetError, Network, SocketId, SocketKind, SocketOptions};
use crate::platform::Platform;
use address::{AddressForm, GuestAddress};
use core::net::SocketAddr;

/// Opens a socket: `family` is 1 for IPv4 and 2 for IPv6, `kind` 1 for datagrams and 2 for streams.
///
/// # Errors
/// `Errno::Afnosupport`, `Errno::Prototype`, `Errno::Netdown` without a network, `Errno::Mfile`, `Errno::Fault`.
pub fn sock_open(context: &mut Context, family: u32, kind: u32, fd: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<u32>(fd)?;
    let family = match family {
        1 => Family::Ipv4,
        2 => Family::Ipv6,
        _ => return Err(Errno::Afnosupport),
    };
    let kind = match kind {
        1 => SocketKind::Datagram,
        2 => SocketKind::Stream,
        _ => return Err(Errno::Prototype),
    };
    context.descriptors.reserve()?;
    let socket = attach::network(context)?.open(family, kind)?;
    let fd = insert(context, socket, 0)?;
    context.memory.write(pointer, fd);
    Ok(())
}

/// Binds a socket to a local address.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`, `Errno::Inval` if it is bound, `Errno::Addrinuse`, `Errno::Addrnotavail`.
pub fn sock_bind(context: &mut Context, fd: u32, address: u32, port: u32) -> Result<(), Errno> {
    let socket = socket(context, fd)?;
    let address = GuestAddress::check(&context.memory, address)?.read(&context.memory, port)?;
    Ok(network(context)?.bind(socket, address)?)
}

/// Makes a socket accept connections.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Inval`.
pub fn sock_listen(context: &mut Context, fd: u32, backlog: u32) -> Result<(), Errno> {
    let socket = socket(context, fd)?;
    Ok(network(context)?.listen(socket, backlog)?)
}

/// Accepts a connection; `flags` are the `fdflags` of the new descriptor.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`, `Errno::Inval` if it does not listen, `Errno::Again`.
pub fn sock_accept(context: &mut Context, fd: u32, flags: u32, new_fd: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<u32>(new_fd)?;
    check_flags(flags, fdflags::ALL)?;
    let listener = socket(context, fd)?;
    context.descriptors.reserve()?;
    let accepted = block(context, fd, listener, Timeout::Receive, |network, _| {
        network.accept(listener)
    })?;
    let fd = insert(context, accepted, flags & fdflags::NONBLOCK)?;
    context.memory.write(pointer, fd);
    Ok(())
}

/// As [`sock_accept`] without flags.
///
/// # Errors
/// As `sock_accept`.
pub fn sock_accept_v1(context: &mut Context, fd: u32, new_fd: u32) -> Result<(), Errno> {
    sock_accept(context, fd, 0, new_fd)
}

/// Connects a socket.
///
/// # Errors
/// `Errno::Inprogress` at once if the socket is non-blocking, later `Errno::Already` and `Errno::Isconn`;
/// `Errno::Connrefused`, `Errno::Timedout`, `Errno::Hostunreach`; `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`.
pub fn sock_connect(context: &mut Context, fd: u32, address: u32, port: u32) -> Result<(), Errno> {
    let socket = socket(context, fd)?;
    let address = GuestAddress::check(&context.memory, address)?.read(&context.memory, port)?;
    let network = network(context)?;
    if network.options(socket)?.is_stream && network.peer_address(socket).is_ok() {
        return Err(Errno::Isconn);
    }
    let was_connecting = network.is_connecting(socket);
    let result = block(context, fd, socket, Timeout::Send, |network, _| {
        network.connect(socket, address)
    });
    match result {
        Err(Errno::Inprogress) if was_connecting => Err(Errno::Already),
        result => result,
    }
}

/// Shuts a connection down: bit 0 of `how` is receiving, bit 1 sending.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Notconn`, `Errno::Inval`.
pub fn sock_shutdown(context: &mut Context, fd: u32, how: u32) -> Result<(), Errno> {
    let socket = socket(context, fd)?;
    if how == 0 || how > 3 {
        return Err(Errno::Inval);
    }
    Ok(network(context)?.shutdown(socket, how & 1 != 0, how & 2 != 0)?)
}

/// Writes the local address, its kind (4 or 6) and its port.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`, `Errno::Inval` if the buffer is too small.
pub fn sock_getlocaladdr_v1(context: &mut Context, fd: u32, address: u32, kind: u32, port: u32) -> Result<(), Errno> {
    write_address(context, fd, address, Some(kind), port, |network, socket| {
        network.local_address(socket)
    })
}

/// As [`sock_getlocaladdr_v1`], with the family in the buffer.
///
/// # Errors
/// As `sock_getlocaladdr_v1`.
pub fn sock_getlocaladdr_v2(context: &mut Context, fd: u32, address: u32, port: u32) -> Result<(), Errno> {
    write_address(context, fd, address, None, port, |network, socket| {
        network.local_address(socket)
    })
}

/// Writes the peer's address, its kind (4 or 6) and its port.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Notconn`, `Errno::Fault`, `Errno::Inval` if the buffer is too small.
pub fn sock_getpeeraddr_v1(context: &mut Context, fd: u32, address: u32, kind: u32, port: u32) -> Result<(), Errno> {
    write_address(context, fd, address, Some(kind), port, |network, socket| {
        network.peer_address(socket)
    })
}

/// As [`sock_getpeeraddr_v1`], with the family in the buffer.
///
/// # Errors
/// As `sock_getpeeraddr_v1`.
pub fn sock_getpeeraddr_v2(context: &mut Context, fd: u32, address: u32, port: u32) -> Result<(), Errno> {
    write_address(context, fd, address, None, port, |network, socket| {
        network.peer_address(socket)
    })
}

fn write_address(
    context: &mut Context,
    fd: Fd,
    address: u32,
    kind: Option<u32>,
    port: u32,
    get: impl FnOnce(&mut dyn Network, SocketId) -> Result<SocketAddr, NetError>,
) -> Result<(), Errno> {
    let socket = socket(context, fd)?;
    let buffer = GuestAddress::check(&context.memory, address)?;
    let kind = kind.map(|kind| context.memory.pointer::<u32>(kind)).transpose()?;
    let port = context.memory.pointer::<u32>(port)?;
    let found = get(network(context)?, socket)?;
    let form = if kind.is_some() {
        AddressForm::Bare
    } else {
        AddressForm::WithFamily
    };
    buffer.write(&mut context.memory, found.ip(), form)?;
    if let Some(kind) = kind {
        context.memory.write(kind, if found.is_ipv4() { 4 } else { 6 });
    }
    context.memory.write(port, u32::from(found.port()));
    Ok(())
}

/// Returns the socket that a descriptor stands for; one that is to listen from the start begins to.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`; what opening a listener reports.
#[inline(always)]
pub(super) fn socket(context: &mut Context, fd: Fd) -> Result<SocketId, Errno> {
    socket_and_kind(context, fd).map(|(socket, _)| socket)
}

/// As [`socket`]; also tells whether it carries a stream, not datagrams.
///
/// # Errors
/// As `socket`.
#[inline(always)]
pub(super) fn socket_and_kind(context: &mut Context, fd: Fd) -> Result<(SocketId, bool), Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::Socket(SocketState::Open { socket, is_stream }) => Ok((socket, is_stream)),
        DescriptorKind::Socket(SocketState::ToListen(index)) => begin_to_listen(context, fd, index),
        _ => Err(Errno::Notsock),
    }
}

fn begin_to_listen(context: &mut Context, fd: Fd, index: usize) -> Result<(SocketId, bool), Errno> {
    let socket = attach::listen(context, index)?;
    context.descriptors.get_mut(fd)?.kind = DescriptorKind::Socket(SocketState::Open {
        socket,
        is_stream: true,
    });
    Ok((socket, true))
}

/// As [`socket_and_kind`], of a descriptor that has a socket already. Leads to no part of the network: `fd_read` and its like may
/// call it.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`; `Errno::Notconn` if it is yet to listen.
pub(super) fn open_socket(context: &Context, fd: Fd) -> Result<(SocketId, bool), Errno> {
    match context.descriptors.get(fd)?.kind {
        DescriptorKind::Socket(SocketState::Open { socket, is_stream }) => Ok((socket, is_stream)),
        DescriptorKind::Socket(SocketState::ToListen(_)) => Err(Errno::Notconn),
        _ => Err(Errno::Notsock),
    }
}

/// Returns the network that an open socket belongs to.
///
/// # Errors
/// `Errno::Netdown` if there is none, hence no open socket.
pub(super) fn network(context: &mut Context) -> Result<&mut dyn Network, Errno> {
    match context.network.as_deref_mut() {
        Some(network) => Ok(network),
        None => Err(Errno::Netdown),
    }
}

fn insert(context: &mut Context, socket: SocketId, flags: u32) -> Result<Fd, Errno> {
    let is_stream = network(context)?.options(socket).is_ok_and(|options| options.is_stream);
    let descriptor = Descriptor {
        kind: DescriptorKind::Socket(SocketState::Open { socket, is_stream }),
        can_read: true,
        can_write: true,
        flags,
    };
    preopens::insert(context, descriptor)
}

/// Which of a socket's options limits how long a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// `SO_RCVTIMEO`.
    Receive,
    /// `SO_SNDTIMEO`.
    Send,
}

impl Timeout {
    fn of(self, options: &SocketOptions) -> Option<u64> {
        match self {
            Timeout::Receive => options.receive_timeout_ns,
            Timeout::Send => options.send_timeout_ns,
        }
    }
}

/// Repeats an attempt until it does something else than to be waiting. A non-blocking descriptor gets one more attempt after the
/// network has had a chance to do something; so a program that only ever tries, and never waits, is served too.
///
/// # Errors
/// `Errno::Again` (or what stands for it) if the descriptor is non-blocking or the timeout has passed; what the attempt reports.
pub(super) fn block<T>(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    timeout: Timeout,
    mut attempt: impl FnMut(&mut dyn Network, &mut GuestMemory) -> Result<T, NetError>,
) -> Result<T, Errno> {
    let Some(network) = context.network.as_deref_mut() else {
        return Err(Errno::Netdown);
    };
    match attempt(network, &mut context.memory) {
        Err(waiting @ (NetError::WouldBlock | NetError::InProgress)) => {
            repeat(context, fd, socket, timeout, waiting, attempt)
        }
        result => Ok(result?),
    }
}

/// As [`block`], after an attempt that was `waiting`.
///
/// # Errors
/// As `block`.
pub(super) fn repeat<T>(
    context: &mut Context,
    fd: Fd,
    socket: SocketId,
    timeout: Timeout,
    mut waiting: NetError,
    mut attempt: impl FnMut(&mut dyn Network, &mut GuestMemory) -> Result<T, NetError>,
) -> Result<T, Errno> {
    let mut deadline_ns = None;
    let mut has_polled = false;
    loop {
        let Some(network) = context.network.as_deref_mut() else {
            return Err(Errno::Netdown);
        };
        let now_ns = context.platform.monotonic_ns();
        if context.descriptors.get(fd)?.is_nonblocking() {
            if has_polled || waiting == NetError::InProgress {
                return Err(waiting.into());
            }
            network.poll(now_ns);
            has_polled = true;
        } else {
            let deadline_ns = match deadline_ns {
                Some(deadline_ns) => deadline_ns,
                None => {
                    let timeout_ns = timeout.of(&network.options(socket)?);
                    *deadline_ns.insert(timeout_ns.map(|timeout_ns| now_ns.saturating_add(timeout_ns)))
                }
            };
            if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= now_ns) {
                return Err(Errno::Again);
            }
            context.wait(deadline_ns);
        }
        let Some(network) = context.network.as_deref_mut() else {
            return Err(Errno::Netdown);
        };
        waiting = match attempt(network, &mut context.memory) {
            Err(waiting @ (NetError::WouldBlock | NetError::InProgress)) => waiting,
            result => return Ok(result?),
        };
    }
}

impl From<NetError> for Errno {
    fn from(error: NetError) -> Errno {
        match error {
            NetError::WouldBlock => Errno::Again,
            NetError::InProgress => Errno::Inprogress,
            NetError::BadSocket => Errno::Badf,
            NetError::InvalidState | NetError::InvalidValue => Errno::Inval,
            NetError::NotSupported => Errno::Notsup,
            NetError::AddressFamily => Errno::Afnosupport,
            NetError::AddressInUse => Errno::Addrinuse,
            NetError::AddressNotAvailable => Errno::Addrnotavail,
            NetError::AlreadyConnected => Errno::Isconn,
            NetError::NotConnected => Errno::Notconn,
            NetError::DestinationRequired => Errno::Destaddrreq,
            NetError::ConnectionRefused => Errno::Connrefused,
            NetError::ConnectionReset => Errno::Connreset,
            NetError::BrokenPipe => Errno::Pipe,
            NetError::TimedOut => Errno::Timedout,
            NetError::HostUnreachable => Errno::Hostunreach,
            NetError::NetworkDown => Errno::Netdown,
            NetError::BroadcastNotAllowed => Errno::Acces,
            NetError::MessageTooLong => Errno::Msgsize,
            NetError::TooManySockets => Errno::Mfile,
            NetError::OutOfMemory => Errno::Nobufs,
            NetError::NameNotFound => Errno::Ainoname,
            NetError::NameServerFailure => Errno::Aiagain,
        }
    }
}
