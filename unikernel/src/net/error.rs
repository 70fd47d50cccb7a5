//! Why an operation on a socket fails.

/// The error of a network operation; `wasi` has an errno for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// Nothing to do yet.
    #[error("the operation would block")]
    WouldBlock,
    /// The connection is being made.
    #[error("the connection is in progress")]
    InProgress,
    /// The socket number is not that of an open socket.
    #[error("no such socket")]
    BadSocket,
    /// The operation does not fit the state of the socket.
    #[error("the socket is in a wrong state")]
    InvalidState,
    /// The operation does not exist for this kind of socket.
    #[error("the kind of socket does not support the operation")]
    NotSupported,
    /// The address belongs to another family than the socket, or is no address at all.
    #[error("the address family does not fit")]
    AddressFamily,
    /// The local address is taken.
    #[error("the address is in use")]
    AddressInUse,
    /// The local address is none of ours.
    #[error("the address is not available")]
    AddressNotAvailable,
    /// The socket is connected already.
    #[error("the socket is connected")]
    AlreadyConnected,
    /// The socket has no peer.
    #[error("the socket is not connected")]
    NotConnected,
    /// A datagram needs a destination.
    #[error("a destination address is required")]
    DestinationRequired,
    /// The peer refused the connection.
    #[error("the connection was refused")]
    ConnectionRefused,
    /// The peer reset the connection.
    #[error("the connection was reset")]
    ConnectionReset,
    /// The sending side is closed.
    #[error("the sending side is closed")]
    BrokenPipe,
    /// The peer did not answer in time.
    #[error("the connection timed out")]
    TimedOut,
    /// No route leads there.
    #[error("the host is unreachable")]
    HostUnreachable,
    /// The interface is down: no device, no address or no lease.
    #[error("the network is down")]
    NetworkDown,
    /// The destination is a broadcast address, and the socket's option does not allow that.
    #[error("broadcast is not allowed on the socket")]
    BroadcastNotAllowed,
    /// The datagram does not fit.
    #[error("the message is too long")]
    MessageTooLong,
    /// All sockets are in use.
    #[error("too many sockets")]
    TooManySockets,
    /// No memory for buffers.
    #[error("out of memory for buffers")]
    OutOfMemory,
    /// The name has no address.
    #[error("the name does not exist")]
    NameNotFound,
    /// The name server cannot be asked.
    #[error("the name server does not answer")]
    NameServerFailure,
    /// The value of an option is out of range.
    #[error("the value is out of range")]
    InvalidValue,
}
