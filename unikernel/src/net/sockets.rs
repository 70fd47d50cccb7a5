//! The program's sockets by number, and the choice between stream and datagram for each operation.

use super::backlog::Backlog;
use super::device::EthernetDevice;
use super::options::{SocketOption, SocketOptions};
use super::stack::Stack;
use super::udp::DatagramSocket;
use super::{Direction, Family, Idle, LookupId, NetError, Network, Ready, Received, SocketId, SocketKind};
use crate::headroom;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use smoltcp::wire::{IpAddress, IpEndpoint};

/// The most sockets of a program.
pub(super) const MAX_SOCKETS: usize = 4096;

/// What a stream socket is.
pub(super) enum Role {
    /// Neither connected nor listening yet.
    Fresh,
    /// A listener with its connections.
    Listener(Box<Backlog>),
    /// A connection, by number.
    Connection(u32),
}

/// A TCP socket of the program.
pub(super) struct StreamSocket {
    /// The address family.
    pub family: Family,
    /// The options.
    pub options: SocketOptions,
    /// Where it is bound.
    pub bound: Option<SocketAddr>,
    /// What it is.
    pub role: Role,
}

impl StreamSocket {
    /// Returns the number of its connection.
    #[inline(always)]
    pub fn connection(&self) -> Result<u32, NetError> {
        match self.role {
            Role::Connection(number) => Ok(number),
            _ => Err(NetError::NotConnected),
        }
    }
}

/// A socket of the program.
pub(super) enum ProgramSocket {
    /// TCP.
    Stream(StreamSocket),
    /// UDP.
    Datagram(Box<DatagramSocket>),
}

/// What is known of a socket for those who ask for many and find most of them idle.
#[derive(Clone, Copy, Default)]
struct Activity {
    /// It was found without anything to receive, and nothing has happened to it since.
    is_idle: bool,
    /// It is listed as woken.
    is_woken: bool,
}

/// The table of sockets.
#[derive(Default)]
pub(super) struct ProgramSockets {
    slots: Vec<Option<ProgramSocket>>,
    free: Vec<u32>,
    /// By number: whether the socket is idle and whether it is among those woken.
    activities: Vec<Activity>,
    /// Sockets that were idle until something happened to them. There is room for all.
    woken: Vec<SocketId>,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, Vec<u32>>,
    /// Datagram sockets by port.
    pub datagram_ports: BTreeMap<u16, Vec<u32>>,
}

impl ProgramSockets {
    /// Adds a socket.
    pub fn add(&mut self, socket: ProgramSocket) -> Result<SocketId, NetError> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.slots.len() < MAX_SOCKETS => {
                let spare_len = self.slots.len() + 1 - self.woken.len();
                if !headroom::reserve_item(&mut self.slots)
                    || !headroom::reserve_item(&mut self.activities)
                    || self.woken.try_reserve(spare_len).is_err()
                {
                    return Err(NetError::OutOfMemory);
                }
                self.slots.push(None);
                self.activities.push(Activity::default());
                self.slots.len() as u32 - 1
            }
            None => return Err(NetError::TooManySockets),
        };
        self.slots[id as usize] = Some(socket);
        Ok(SocketId(id))
    }

    /// Takes note that a socket has nothing to receive.
    #[inline(always)]
    pub fn rest(&mut self, id: SocketId) {
        if let Some(activity) = self.activities.get_mut(id.0 as usize) {
            activity.is_idle = true;
        }
    }

    /// Takes note that something has happened to a socket.
    #[inline(always)]
    pub fn wake(&mut self, id: SocketId) {
        if let Some(activity) = self.activities.get_mut(id.0 as usize)
            && activity.is_idle
        {
            activity.is_idle = false;
            if !activity.is_woken {
                activity.is_woken = true;
                self.woken.push(id);
            }
        }
    }

    /// Tells whether a socket is known to have nothing to receive.
    #[inline(always)]
    pub fn is_idle(&self, id: SocketId) -> bool {
        self.activities
            .get(id.0 as usize)
            .is_some_and(|activity| activity.is_idle)
    }

    /// Removes a socket.
    pub fn remove(&mut self, id: SocketId) -> Option<ProgramSocket> {
        let socket = self.slots.get_mut(id.0 as usize)?.take()?;
        self.wake(id);
        self.free.push(id.0);
        Some(socket)
    }

    /// Returns a socket.
    #[inline(always)]
    pub fn get(&mut self, id: SocketId) -> Result<&mut ProgramSocket, NetError> {
        self.slots
            .get_mut(id.0 as usize)
            .and_then(Option::as_mut)
            .ok_or(NetError::BadSocket)
    }

    /// Returns a stream socket.
    pub fn stream(&mut self, id: SocketId) -> Result<&mut StreamSocket, NetError> {
        match self.get(id)? {
            ProgramSocket::Stream(socket) => Ok(socket),
            ProgramSocket::Datagram(_) => Err(NetError::NotSupported),
        }
    }

    /// Returns a datagram socket.
    pub fn datagram(&mut self, id: SocketId) -> Result<&mut DatagramSocket, NetError> {
        match self.get(id)? {
            ProgramSocket::Datagram(socket) => Ok(socket),
            ProgramSocket::Stream(_) => Err(NetError::NotSupported),
        }
    }

    /// Returns where a datagram socket is bound.
    pub fn bound_datagram(&self, id: u32) -> Option<SocketAddr> {
        match self.slots.get(id as usize)? {
            Some(ProgramSocket::Datagram(socket)) => socket.bound,
            _ => None,
        }
    }

    /// Returns the numbers of all sockets.
    pub fn ids(&self) -> Vec<SocketId> {
        let is_open = |(id, slot): (usize, &Option<ProgramSocket>)| slot.as_ref().map(|_| SocketId(id as u32));
        self.slots.iter().enumerate().filter_map(is_open).collect()
    }

    /// Returns the backlog of a listener.
    pub fn backlog(&mut self, listener: u32) -> Option<&mut Backlog> {
        match self.stream(SocketId(listener)) {
            Ok(StreamSocket {
                role: Role::Listener(backlog),
                ..
            }) => Some(backlog),
            _ => None,
        }
    }

    /// Finds the listener for a local end: one bound to the address goes before one bound to all addresses.
    pub fn find_listener(&mut self, local: IpEndpoint) -> Option<u32> {
        let candidates = self.listeners.get(&local.port)?;
        let local = IpAddr::from(local.addr);
        let mut found = None;
        for &id in candidates {
            let Some(Some(ProgramSocket::Stream(StreamSocket { bound: Some(bound), .. }))) =
                self.slots.get(id as usize)
            else {
                continue;
            };
            if bound.ip() == local {
                return Some(id);
            }
            if bound.ip().is_unspecified() && bound.is_ipv4() == local.is_ipv4() {
                found = Some(id);
            }
        }
        found
    }

    /// Tells whether two sockets of one kind cannot both have such local addresses.
    pub fn conflicts(&mut self, kind: SocketKind, address: SocketAddr, except: SocketId) -> bool {
        self.slots.iter().enumerate().any(|(id, slot)| {
            let bound = match (slot, kind) {
                (Some(ProgramSocket::Stream(socket)), SocketKind::Stream) => match socket.role {
                    Role::Connection(_) => None,
                    _ => socket.bound,
                },
                (Some(ProgramSocket::Datagram(socket)), SocketKind::Datagram) => socket.bound,
                _ => None,
            };
            id as u32 != except.0 && bound.is_some_and(|bound| overlap(bound, address))
        })
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && (any || one.ip() == other.ip())
}

/// Returns the address that stands for all of a family.
pub fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Checks that an address belongs to a family.
pub(super) fn check_family(family: Family, address: IpAddr) -> Result<(), NetError> {
    if address.is_ipv4() == (family == Family::Ipv4) {
        Ok(())
    } else {
        Err(NetError::AddressFamily)
    }
}

impl<D: EthernetDevice> Stack<D> {
    /// Checks that a local address may be bound and chooses a port if none is given.
    pub(super) fn choose_local(
        &mut self,
        id: SocketId,
        kind: SocketKind,
        address: SocketAddr,
    ) -> Result<SocketAddr, NetError> {
        if !address.ip().is_unspecified() && !self.interface.has_ip_addr(IpAddress::from(address.ip())) {
            return Err(NetError::AddressNotAvailable);
        }
        if address.port() != 0 {
            return if self.sockets.conflicts(kind, address, id) {
                Err(NetError::AddressInUse)
            } else {
                Ok(address)
            };
        }
        for _ in 0..PORT_ATTEMPTS {
            let candidate = SocketAddr::new(address.ip(), self.random_port());
            if !self.sockets.conflicts(kind, candidate, id) {
                return Ok(candidate);
            }
        }
        Err(NetError::AddressInUse)
    }

    pub(super) fn random_port(&mut self) -> u16 {
        const FIRST: u64 = 32768;
        const COUNT: u64 = 28232;
        (FIRST + (self.next_random() >> 16) % COUNT) as u16
    }
}

/// How many random ports are tried.
pub(super) const PORT_ATTEMPTS: usize = 64;

impl<D: EthernetDevice> Network for Stack<D> {
    fn poll(&mut self, now_ns: u64) {
        self.poll_now(now_ns);
    }

    fn prepare_wait(&mut self, now_ns: u64) -> Idle {
        self.idle(now_ns)
    }

    fn configured(&mut self, now_ns: u64) -> Result<bool, NetError> {
        self.check_configured(now_ns)
    }

    fn open(&mut self, family: Family, kind: SocketKind) -> Result<SocketId, NetError> {
        let socket = match kind {
            SocketKind::Stream => ProgramSocket::Stream(StreamSocket {
                family,
                options: SocketOptions::new(true),
                bound: None,
                role: Role::Fresh,
            }),
            SocketKind::Datagram => ProgramSocket::Datagram(Box::new(DatagramSocket::new(family))),
        };
        self.sockets.add(socket)
    }

    fn close(&mut self, socket: SocketId) {
        match self.sockets.remove(socket) {
            Some(ProgramSocket::Stream(stream)) => self.close_stream(socket, stream),
            Some(ProgramSocket::Datagram(datagram)) => self.close_datagram(socket, *datagram),
            None => {}
        }
    }

    fn bind(&mut self, socket: SocketId, address: SocketAddr) -> Result<(), NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.bind_stream(socket, address),
            ProgramSocket::Datagram(_) => self.bind_datagram(socket, address),
        }
    }

    fn listen(&mut self, socket: SocketId, backlog: u32) -> Result<(), NetError> {
        self.listen_stream(socket, backlog)
    }

    fn accept(&mut self, socket: SocketId) -> Result<SocketId, NetError> {
        self.accept_stream(socket)
    }

    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> Result<(), NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.connect_stream(socket, address),
            ProgramSocket::Datagram(_) => self.connect_datagram(socket, address),
        }
    }

    fn is_connecting(&mut self, socket: SocketId) -> bool {
        self.is_connecting_stream(socket)
    }

    fn receive(&mut self, socket: SocketId, buffer: &mut [u8], peek: bool) -> Result<Received, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(stream) => {
                let number = stream.connection()?;
                self.receive_stream(number, buffer, peek)
            }
            ProgramSocket::Datagram(datagram) => datagram.receive(buffer, peek),
        }
    }

    fn send(&mut self, socket: SocketId, bytes: &[u8], to: Option<SocketAddr>) -> Result<usize, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(stream) => {
                let number = stream.connection()?;
                self.send_stream(number, &[bytes])
            }
            ProgramSocket::Datagram(_) => self.send_datagram(socket, bytes, to),
        }
    }

    fn send_pieces(&mut self, socket: SocketId, pieces: &[&[u8]]) -> Result<usize, NetError> {
        let number = self.sockets.stream(socket)?.connection()?;
        self.send_stream(number, pieces)
    }

    fn shutdown(&mut self, socket: SocketId, receive: bool, send: bool) -> Result<(), NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.shutdown_stream(socket, receive, send),
            ProgramSocket::Datagram(datagram) => datagram.peer.map(|_| ()).ok_or(NetError::NotConnected),
        }
    }

    fn local_address(&mut self, socket: SocketId) -> Result<SocketAddr, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.local_address_stream(socket),
            ProgramSocket::Datagram(datagram) => Ok(datagram.local_address()),
        }
    }

    fn peer_address(&mut self, socket: SocketId) -> Result<SocketAddr, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.peer_address_stream(socket),
            ProgramSocket::Datagram(datagram) => datagram.peer.ok_or(NetError::NotConnected),
        }
    }

    fn options(&mut self, socket: SocketId) -> Result<SocketOptions, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.options_stream(socket),
            ProgramSocket::Datagram(datagram) => Ok(datagram.options),
        }
    }

    fn set_option(&mut self, socket: SocketId, option: SocketOption) -> Result<(), NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(stream) => stream.options.apply(option),
            ProgramSocket::Datagram(datagram) => datagram.options.apply(option),
        }
        // Fewer bytes may be enough from now on.
        self.sockets.wake(socket);
        if let SocketOption::KeepAlive(on) = option {
            self.set_keep_alive(socket, on);
        }
        Ok(())
    }

    fn take_error(&mut self, socket: SocketId) -> Result<Option<NetError>, NetError> {
        match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.take_error_stream(socket),
            ProgramSocket::Datagram(_) => Ok(None),
        }
    }

    fn readiness(&mut self, socket: SocketId, direction: Direction) -> Result<Option<Ready>, NetError> {
        if direction == Direction::Receive && self.sockets.is_idle(socket) {
            return Ok(None);
        }
        let ready = match self.sockets.get(socket)? {
            ProgramSocket::Stream(_) => self.stream_readiness(socket, direction)?,
            ProgramSocket::Datagram(datagram) => datagram.readiness(direction),
        };
        if direction == Direction::Receive && ready.is_none() {
            self.sockets.rest(socket);
        }
        Ok(ready)
    }

    fn take_woken(&mut self, tell: &mut dyn FnMut(SocketId)) {
        for id in self.sockets.woken.drain(..) {
            self.sockets.activities[id.0 as usize].is_woken = false;
            tell(id);
        }
    }

    fn start_lookup(&mut self, name: &str, family: Family, now_ns: u64) -> Result<LookupId, NetError> {
        self.begin_lookup(name, family, now_ns)
    }

    fn finish_lookup(&mut self, lookup: LookupId, now_ns: u64) -> Result<Vec<IpAddr>, NetError> {
        self.end_lookup(lookup, now_ns)
    }

    fn close_all(&mut self) {
        for socket in self.sockets.ids() {
            self.close(socket);
        }
    }

    fn is_drained(&self) -> bool {
        self.is_egress_empty() && self.connections.iter().all(|(_, connection)| connection.is_drained())
    }
}
