//! Datagram sockets: each one a smoltcp socket set with a single socket, found by its local port.
//!
//! Limits: a datagram to a neighbour that never answers holds up those behind it until it is given up.

use super::connection;
use super::device::EthernetDevice;
use super::exchange::{Exchange, Sent};
use super::options::SocketOptions;
use super::sockets::{check_family, unspecified};
use super::stack::Stack;
use super::{Direction, Family, NetError, Ready, Received, SocketId, SocketKind};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::udp;
use smoltcp::wire::{IpAddress, IpCidr, IpEndpoint, IpListenEndpoint};

const QUEUE_DATAGRAMS: usize = 64;
const DEFAULT_BUFFER_BYTES: usize = 65536;
const IP_AND_UDP_HEADER_BYTES_V4: usize = 20 + 8;
const IP_AND_UDP_HEADER_BYTES_V6: usize = 40 + 8;
const ETHERNET_HEADER_BYTES: usize = 14;

/// A UDP socket.
pub(super) struct DatagramSocket {
    family: Family,
    /// The options.
    pub options: SocketOptions,
    /// Where it is bound.
    pub bound: Option<SocketAddr>,
    /// The peer set by `connect`.
    pub peer: Option<SocketAddr>,
    /// The smoltcp socket, once bound.
    open: Option<(SocketSet<'static>, SocketHandle)>,
}

impl DatagramSocket {
    pub(super) fn new(family: Family) -> Self {
        DatagramSocket {
            family,
            options: SocketOptions::new(false),
            bound: None,
            peer: None,
            open: None,
        }
    }

    fn socket(&mut self) -> Option<&mut udp::Socket<'static>> {
        self.open.as_mut().map(|(set, handle)| set.get_mut(*handle))
    }

    pub(super) fn local_address(&self) -> SocketAddr {
        self.bound.unwrap_or(SocketAddr::new(unspecified(self.family), 0))
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8], peek: bool) -> Result<Received, NetError> {
        let peer = self.peer;
        let socket = self.socket().ok_or(NetError::WouldBlock)?;
        loop {
            let (bytes, metadata) = match socket.peek() {
                Ok((bytes, metadata)) => (bytes, *metadata),
                Err(_) => return Err(NetError::WouldBlock),
            };
            let from = SocketAddr::from(metadata.endpoint);
            let is_wanted = peer.is_none_or(|peer| peer == from);
            let len_bytes = bytes.len().min(buffer.len());
            let received = Received {
                len_bytes,
                truncated: bytes.len() > len_bytes,
                from: Some(from),
                is_last: false,
            };
            if is_wanted {
                buffer[..len_bytes].copy_from_slice(&bytes[..len_bytes]);
            }
            if !(peek && is_wanted) {
                let taken = socket.recv();
                debug_assert!(taken.is_ok(), "the datagram was just seen");
            }
            if is_wanted {
                return Ok(received);
            }
        }
    }

    pub(super) fn readiness(&mut self, direction: Direction) -> Option<Ready> {
        let len_bytes = match (direction, self.socket()) {
            (Direction::Receive, None) => None,
            (Direction::Receive, Some(socket)) => socket.peek().ok().map(|(bytes, _)| bytes.len()),
            (Direction::Send, None) => Some(DEFAULT_BUFFER_BYTES),
            (Direction::Send, Some(socket)) => {
                let free = socket.payload_send_capacity() - socket.send_queue();
                socket.can_send().then_some(free)
            }
        };
        len_bytes.map(|len_bytes| Ready {
            len_bytes: len_bytes as u64,
            is_hangup: false,
        })
    }
}

impl<D: EthernetDevice> Stack<D> {
    pub(super) fn bind_datagram(&mut self, id: SocketId, address: SocketAddr) -> Result<(), NetError> {
        let socket = self.sockets.datagram(id)?;
        check_family(socket.family, address.ip())?;
        if socket.bound.is_some() {
            return Err(NetError::InvalidState);
        }
        let local = self.choose_local(id, SocketKind::Datagram, address)?;
        let socket = self.sockets.datagram(id)?;
        let receive = buffer(socket.options.receive_buffer_len_bytes)?;
        let send = buffer(socket.options.send_buffer_len_bytes)?;
        let mut opened = udp::Socket::new(receive, send);
        let address = Some(local.ip())
            .filter(|address| !address.is_unspecified())
            .map(IpAddress::from);
        opened
            .bind(IpListenEndpoint {
                addr: address,
                port: local.port(),
            })
            .map_err(|_| NetError::AddressNotAvailable)?;
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(opened);
        socket.open = Some((set, handle));
        socket.bound = Some(local);
        self.sockets.datagram_ports.entry(local.port()).or_default().push(id.0);
        Ok(())
    }

    pub(super) fn connect_datagram(&mut self, id: SocketId, address: SocketAddr) -> Result<(), NetError> {
        let socket = self.sockets.datagram(id)?;
        check_family(socket.family, address.ip())?;
        if socket.bound.is_none() {
            let any = SocketAddr::new(unspecified(socket.family), 0);
            self.bind_datagram(id, any)?;
        }
        self.sockets.datagram(id)?.peer = Some(address);
        Ok(())
    }

    pub(super) fn send_datagram(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, NetError> {
        let max_frame_len_bytes = self.device.max_frame_len_bytes();
        let socket = self.sockets.datagram(id)?;
        let to = to.or(socket.peer).ok_or(NetError::DestinationRequired)?;
        check_family(socket.family, to.ip())?;
        if !socket.options.broadcast && is_broadcast(to.ip(), self.interface.ip_addrs()) {
            return Err(NetError::BroadcastNotAllowed);
        }
        let headers = match socket.family {
            Family::Ipv4 => IP_AND_UDP_HEADER_BYTES_V4,
            Family::Ipv6 => IP_AND_UDP_HEADER_BYTES_V6,
        };
        if bytes.len() + headers + ETHERNET_HEADER_BYTES > max_frame_len_bytes {
            return Err(NetError::MessageTooLong);
        }
        if socket.bound.is_none() {
            let any = SocketAddr::new(unspecified(socket.family), 0);
            self.bind_datagram(id, any)?;
        }
        let socket = self.sockets.datagram(id)?.socket().ok_or(NetError::InvalidState)?;
        match socket.send_slice(bytes, IpEndpoint::from(to)) {
            Ok(()) => {
                self.datagram_egress.push(id.0);
                Ok(bytes.len())
            }
            Err(udp::SendError::BufferFull) => Err(NetError::WouldBlock),
            Err(udp::SendError::Unaddressable) => Err(NetError::HostUnreachable),
        }
    }

    pub(super) fn close_datagram(&mut self, id: SocketId, mut socket: DatagramSocket) {
        let Some(port) = socket.bound.map(|bound| bound.port()) else {
            return;
        };
        if let Some((set, handle)) = &mut socket.open {
            // What was sent before the close goes out, unless a neighbour has to be found first.
            transmit(&mut self.interface, &mut self.device, self.now, set, *handle);
        }
        if let Some(ids) = self.sockets.datagram_ports.get_mut(&port) {
            ids.retain(|&other| other != id.0);
            if ids.is_empty() {
                self.sockets.datagram_ports.remove(&port);
            }
        }
    }

    pub(super) fn receive_datagram(&mut self, local: IpEndpoint, bytes: &[u8]) {
        let address = SocketAddr::from(local);
        let mut receiver = None;
        for &id in self
            .sockets
            .datagram_ports
            .get(&local.port)
            .map_or(&[][..], Vec::as_slice)
        {
            let bound = self.sockets.bound_datagram(id);
            if bound == Some(address) {
                receiver = Some(id);
                break;
            }
            if bound.is_some_and(|bound| bound.ip().is_unspecified() && bound.is_ipv4() == address.is_ipv4()) {
                receiver = Some(id);
            }
        }
        match receiver.map(|id| self.sockets.datagram(SocketId(id))) {
            Some(Ok(DatagramSocket {
                open: Some((set, _)), ..
            })) => {
                let mut exchange = Exchange::incoming(&mut self.device, bytes);
                self.interface.poll_ingress_single(self.now, &mut exchange, set);
                if let Some(id) = receiver {
                    self.sockets.wake(SocketId(id));
                }
            }
            _ => self.receive_general(bytes),
        }
    }

    /// Sends what datagram sockets have queued.
    pub(super) fn transmit_datagrams(&mut self) {
        if self.datagram_egress.is_empty() {
            return;
        }
        let mut turn = core::mem::take(&mut self.datagram_egress);
        turn.sort_unstable();
        turn.dedup();
        for id in turn {
            let Ok(DatagramSocket {
                open: Some((set, handle)),
                ..
            }) = self.sockets.datagram(SocketId(id))
            else {
                continue;
            };
            let sent = transmit(&mut self.interface, &mut self.device, self.now, set, *handle);
            if sent.exhausted {
                self.datagram_egress.push(id);
            } else if sent.neighbor_missing {
                self.datagrams_waiting.push(id);
                // smoltcp asks again after a second.
                let retry = self.now + smoltcp::time::Duration::from_secs(1);
                self.general_due = Some(self.general_due.map_or(retry, |due| due.min(retry)));
            }
        }
    }

    /// Lets datagrams that wait for a neighbour try again.
    pub(super) fn touch_datagram_sockets(&mut self) {
        self.datagram_egress.append(&mut self.datagrams_waiting);
    }
}

/// Tells whether an address is that of everyone, on any network or on one of ours.
fn is_broadcast(address: IpAddr, own: &[IpCidr]) -> bool {
    let IpAddr::V4(address) = address else {
        return false;
    };
    let is_of = |own: &IpCidr| matches!(own, IpCidr::Ipv4(own) if own.broadcast() == Some(address));
    address.is_broadcast() || own.iter().any(is_of)
}

fn transmit<D: EthernetDevice>(
    interface: &mut smoltcp::iface::Interface,
    device: &mut D,
    now: smoltcp::time::Instant,
    set: &mut SocketSet<'static>,
    handle: SocketHandle,
) -> Sent {
    loop {
        let mut exchange = Exchange::outgoing(device);
        interface.poll_egress(now, &mut exchange, set);
        let sent = exchange.sent;
        if sent.frames == 0 || sent.exhausted || set.get::<udp::Socket<'static>>(handle).send_queue() == 0 {
            let is_waiting = set.get::<udp::Socket<'static>>(handle).send_queue() > 0 && !sent.exhausted;
            return Sent {
                neighbor_missing: is_waiting,
                ..sent
            };
        }
    }
}

fn buffer(asked_len_bytes: usize) -> Result<udp::PacketBuffer<'static>, NetError> {
    let len_bytes = if asked_len_bytes == 0 {
        DEFAULT_BUFFER_BYTES
    } else {
        asked_len_bytes
    };
    Ok(udp::PacketBuffer::new(
        vec![udp::PacketMetadata::EMPTY; QUEUE_DATAGRAMS],
        connection::buffer(len_bytes)?,
    ))
}
