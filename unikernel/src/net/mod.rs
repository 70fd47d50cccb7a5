//! The network: TCP, UDP, ICMP echo, ARP, neighbour discovery, DHCP and DNS, on smoltcp.
//!
//! smoltcp walks a whole socket set for every packet and every poll, so its cost grows with the number of connections. Here each
//! TCP connection and each UDP socket is a set of its own: [`frame`] reads the addresses of a received frame, a hash table finds
//! the one socket concerned ([`four_tuple`]), and smoltcp's interface processes the frame with just that set. Everything else
//! (ARP, neighbour discovery, ICMP, DHCP, DNS) goes to one general set of two sockets. Timers are kept in a heap ([`timers`]).
//!
//! ```text
//! device (trait EthernetDevice) ── frame ──▶ frame::classify ──▶ four-tuple ─▶ connection ─▶ smoltcp
//!        ◀── frames of a batch, one flush ── egress queue ◀── touched by the program or by a frame or by a timer
//! ```
//!
//! Nothing here blocks: [`Network::poll`] does what is due, [`Network::prepare_wait`] tells how long there is nothing to do, and
//! the caller sleeps. Whoever needs the network holds a `dyn Network`, so that a program which never opens a socket is linked
//! without it.
//!
//! Read first: [`Network`], [`stack`], [`connection`]. Limits: one interface; no fragments; no multicast groups beyond those of
//! neighbour discovery.

mod address;
mod backlog;
mod bare_segment;
mod checksum;
mod closed_window;
mod connection;
mod device;
mod dns;
mod error;
mod exchange;
mod fin;
mod four_tuple;
mod frame;
mod options;
mod recovery;
mod round_trip;
mod scoreboard;
mod segments;
mod sent_frame;
mod sockets;
mod stack;
mod tcp;
#[cfg(test)]
mod tests;
mod time_wait;
mod timers;
mod udp;
#[cfg(test)]
pub(crate) mod virtual_wire;

pub use address::{AddressConfiguration, Configuration, ConfigurationError};
pub use device::{EthernetDevice, Offloads, ReceivedFrame, TransmitBuffer, TransmitOffload};
pub use error::NetError;
pub use options::{SocketOption, SocketOptions};
pub use sockets::unspecified;
pub use stack::Stack;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A socket of the program. The number is free for another socket once this one is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketId(pub(crate) u32);

/// A running name lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupId(pub(crate) u32);

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What a socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// UDP.
    Datagram,
    /// TCP.
    Stream,
}

/// A way through a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Receiving; for a listener, accepting.
    Receive,
    /// Sending.
    Send,
}

/// That an operation would not have to wait, as `poll_oneoff` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Bytes (for a listener: connections) that it would take at once; 0 at the end of the stream, or if it would fail.
    pub len_bytes: u64,
    /// The peer will send nothing more, or the connection is gone.
    pub is_hangup: bool,
}

/// The outcome of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes written to the caller's buffer; 0 is the end of a stream.
    pub len_bytes: usize,
    /// The datagram was longer than the buffer; its rest is lost.
    pub truncated: bool,
    /// The sender.
    pub from: Option<SocketAddr>,
    /// There is nothing more for now: the socket is among those [woken](Network::take_woken) as soon as there is, or it is closed.
    pub is_last: bool,
}

/// How long the network has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// There is something to do now: call [`Network::poll`].
    No,
    /// Until a frame arrives, or until that time of the monotonic clock in nanoseconds, if any.
    Until(Option<u64>),
}

/// The network as the calls of a program use it. No method blocks: what cannot be done yet is [`NetError::WouldBlock`] (or
/// [`NetError::InProgress`] for a connection being made), to be tried again after [`poll`](Self::poll).
pub trait Network {
    /// Receives what has arrived, runs what is due, and hands everything queued to the device with one notification.
    fn poll(&mut self, now_ns: u64);

    /// Asks the device to interrupt when a frame arrives, and tells how long there is nothing to do until then.
    fn prepare_wait(&mut self, now_ns: u64) -> Idle;

    /// Tells whether the interface has an address. With DHCP that takes a while; if it fails for good, the reason is returned.
    fn configured(&mut self, now_ns: u64) -> Result<bool, NetError>;

    /// Opens a socket.
    fn open(&mut self, family: Family, kind: SocketKind) -> Result<SocketId, NetError>;

    /// Closes a socket: the peer still receives what was sent. The number becomes invalid.
    fn close(&mut self, socket: SocketId);

    /// Gives a socket its local address; port 0 chooses one.
    fn bind(&mut self, socket: SocketId, address: SocketAddr) -> Result<(), NetError>;

    /// Makes a stream socket accept connections, at most `backlog` waiting.
    fn listen(&mut self, socket: SocketId, backlog: u32) -> Result<(), NetError>;

    /// Takes the next connection that a listener has received.
    fn accept(&mut self, socket: SocketId) -> Result<SocketId, NetError>;

    /// Connects a stream socket, or sets the peer of a datagram socket. Called again, it tells how the attempt stands.
    fn connect(&mut self, socket: SocketId, address: SocketAddr) -> Result<(), NetError>;

    /// Tells whether a connection is being made.
    fn is_connecting(&mut self, socket: SocketId) -> bool;

    /// Receives into `buffer`; with `peek` the bytes stay.
    fn receive(&mut self, socket: SocketId, buffer: &mut [u8], peek: bool) -> Result<Received, NetError>;

    /// Takes bytes to send, perhaps fewer than given; a datagram is taken whole or not at all.
    fn send(&mut self, socket: SocketId, bytes: &[u8], to: Option<SocketAddr>) -> Result<usize, NetError>;

    /// As [`send`](Self::send), for several pieces in a row of a stream.
    fn send_pieces(&mut self, socket: SocketId, pieces: &[&[u8]]) -> Result<usize, NetError>;

    /// Ends the receiving side, the sending side or both.
    fn shutdown(&mut self, socket: SocketId, receive: bool, send: bool) -> Result<(), NetError>;

    /// Returns the local address.
    fn local_address(&mut self, socket: SocketId) -> Result<SocketAddr, NetError>;

    /// Returns the peer's address.
    fn peer_address(&mut self, socket: SocketId) -> Result<SocketAddr, NetError>;

    /// Returns the options, some of which the caller acts upon (timeouts of blocking calls).
    fn options(&mut self, socket: SocketId) -> Result<SocketOptions, NetError>;

    /// Sets one option.
    fn set_option(&mut self, socket: SocketId, option: SocketOption) -> Result<(), NetError>;

    /// Takes the error that the socket has met since the last call, as `SO_ERROR` does.
    fn take_error(&mut self, socket: SocketId) -> Result<Option<NetError>, NetError>;

    /// Tells whether the socket is ready. If it is not ready to receive, it is among those [woken](Self::take_woken) as soon as it may
    /// be, or is closed.
    fn readiness(&mut self, socket: SocketId, direction: Direction) -> Result<Option<Ready>, NetError>;

    /// Tells which sockets have been woken since the last call.
    fn take_woken(&mut self, tell: &mut dyn FnMut(SocketId));

    /// Starts to look up the addresses of a name.
    fn start_lookup(&mut self, name: &str, family: Family, now_ns: u64) -> Result<LookupId, NetError>;

    /// Returns the addresses found; [`NetError::WouldBlock`] while the lookup runs. Any other outcome ends it.
    fn finish_lookup(&mut self, lookup: LookupId, now_ns: u64) -> Result<Vec<IpAddr>, NetError>;

    /// Closes all sockets, as the end of the program does.
    fn close_all(&mut self);

    /// Tells whether every byte sent has reached its peer: what the end of the program waits for, within reason.
    fn is_drained(&self) -> bool;
}
