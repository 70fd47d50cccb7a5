//! Socket options: what a program can set and what acts where.
//!
//! `receive_timeout_ns` and `send_timeout_ns` are for whoever blocks on behalf of the program; the stack acts on the others.

/// The options of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// A local address may be bound although connections of an earlier owner linger. (They never prevent it here.)
    pub reuse_address: bool,
    /// Datagrams may be sent to a broadcast address.
    pub broadcast: bool,
    /// Probes are sent on an idle connection.
    pub keep_alive: bool,
    /// What `close` does with data not yet sent: `Some(0)` resets the connection; otherwise it is sent.
    pub linger_seconds: Option<u32>,
    /// Size of the send buffer in bytes; fixed once connected. 0: chosen by the stack.
    pub send_buffer_len_bytes: usize,
    /// Size of the receive buffer in bytes; fixed once connected. 0: chosen by the stack.
    pub receive_buffer_len_bytes: usize,
    /// Bytes that make a stream readable; at least 1.
    pub receive_low_water_bytes: usize,
    /// How long a blocking receive waits.
    pub receive_timeout_ns: Option<u64>,
    /// How long a blocking send waits.
    pub send_timeout_ns: Option<u64>,
    /// The socket is a listener.
    pub is_listener: bool,
    /// The socket is a stream.
    pub is_stream: bool,
}

impl SocketOptions {
    pub(super) fn new(is_stream: bool) -> Self {
        SocketOptions {
            reuse_address: false,
            broadcast: false,
            keep_alive: false,
            linger_seconds: None,
            send_buffer_len_bytes: 0,
            receive_buffer_len_bytes: 0,
            receive_low_water_bytes: 1,
            receive_timeout_ns: None,
            send_timeout_ns: None,
            is_listener: false,
            is_stream,
        }
    }

    pub(super) fn apply(&mut self, option: SocketOption) {
        match option {
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::Broadcast(on) => self.broadcast = on,
            SocketOption::KeepAlive(on) => self.keep_alive = on,
            SocketOption::Linger(seconds) => self.linger_seconds = seconds,
            SocketOption::SendBuffer(len_bytes) => self.send_buffer_len_bytes = clamp_buffer(len_bytes),
            SocketOption::ReceiveBuffer(len_bytes) => self.receive_buffer_len_bytes = clamp_buffer(len_bytes),
            SocketOption::ReceiveLowWater(bytes) => self.receive_low_water_bytes = bytes.max(1),
            SocketOption::ReceiveTimeout(timeout_ns) => self.receive_timeout_ns = timeout_ns,
            SocketOption::SendTimeout(timeout_ns) => self.send_timeout_ns = timeout_ns,
        }
    }
}

fn clamp_buffer(len_bytes: usize) -> usize {
    const MIN_BUFFER_BYTES: usize = 2048;
    const MAX_BUFFER_BYTES: usize = 4 << 20;
    len_bytes.clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
}

/// One option with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// [`SocketOptions::reuse_address`].
    ReuseAddress(bool),
    /// [`SocketOptions::broadcast`].
    Broadcast(bool),
    /// [`SocketOptions::keep_alive`].
    KeepAlive(bool),
    /// [`SocketOptions::linger_seconds`].
    Linger(Option<u32>),
    /// [`SocketOptions::send_buffer_len_bytes`].
    SendBuffer(usize),
    /// [`SocketOptions::receive_buffer_len_bytes`].
    ReceiveBuffer(usize),
    /// [`SocketOptions::receive_low_water_bytes`].
    ReceiveLowWater(usize),
    /// [`SocketOptions::receive_timeout_ns`].
    ReceiveTimeout(Option<u64>),
    /// [`SocketOptions::send_timeout_ns`].
    SendTimeout(Option<u64>),
}
