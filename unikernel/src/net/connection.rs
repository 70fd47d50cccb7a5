//! TCP connections: each one a smoltcp socket set with a single socket, found by its four-tuple in constant time.
//!
//! A connection outlives the program's interest in it: [`Owner`] tells who holds it. Buffers are the memory of a server with many
//! connections, so they are large while few connections exist and small when there are many ([`Connections::choose_len`]), and
//! the sockets of ended connections are used again without clearing their buffers.
//!
//! There is no congestion control: what is in flight is limited by the peer's window and the send buffer. smoltcp's Reno and Cubic
//! fall to one segment after a timeout and then acknowledge with a sequence number that the peer has left behind; two such peers
//! that both have data in flight never recover, which a bad wire brings about quickly (the tests do).

use super::SocketId;
use super::closed_window::ClosedWindow;
use super::error::NetError;
use super::exchange::Sent;
use super::fin::SentFin;
use super::four_tuple::{FourTuple, HashKey};
use super::options::SocketOptions;
use super::recovery::Recovery;
use super::time_wait::Record;
use super::timers::Alarm;
use crate::headroom;
use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashMap;
use smoltcp::iface::SocketSet;
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::{Duration, Instant};

/// The most TCP connections, whoever owns them. (Connections in TIME-WAIT that nobody holds are not counted.)
pub(super) const MAX_CONNECTIONS: usize = 4096 + 512;

/// How long a peer may leave sent data, a request for a connection or a keep-alive probe unanswered.
pub(super) const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(120);
/// The same for a connection that the other side has begun and not completed.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often an idle connection with `SO_KEEPALIVE` is probed.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);

const POOL_LEN: usize = 64;
const BUFFER_LENS_BYTES: [usize; 5] = [65536, 32768, 16384, 8192, 4096];
/// A size is chosen while so many further connections could have it too.
const BUFFER_RESERVE: usize = 64;

/// Who holds a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A listener (a socket number): the handshake is not complete.
    HalfOpen(u32),
    /// A listener: complete, not yet accepted.
    Queued(u32),
    /// The program.
    Program,
    /// Nobody any more: what was sent is still delivered, until the time given.
    Nobody(Instant),
}

/// A TCP connection.
pub(super) struct Connection {
    /// The set with the one socket.
    pub set: SocketSet<'static>,
    /// Both ends.
    pub tuple: FourTuple,
    /// Who holds it.
    pub owner: Owner,
    /// Tells this connection from another one in the same slot.
    pub serial: u64,
    /// Its entry in the timer heap.
    pub alarm: Alarm,
    /// It is in the egress queue.
    pub is_queued: bool,
    /// Why it ended, until the program is told.
    pub failure: Option<NetError>,
    /// The program receives no more.
    pub receive_shut: bool,
    /// The number of the program's socket, once it has one.
    pub socket_id: Option<SocketId>,
    /// What is known of the data in flight.
    pub recovery: Recovery,
    /// The peer takes no data.
    pub closed_window: Option<ClosedWindow>,
    /// The last segment sent with a FIN.
    pub fin: Option<SentFin>,
    /// What TIME-WAIT needs, once the connection is in that state.
    pub final_record: Option<Record>,
    is_mapped: bool,
    buffer_lens: (usize, usize),
}

impl Connection {
    /// Returns the socket.
    #[inline(always)]
    pub fn socket(&self) -> &tcp::Socket<'static> {
        // Fewer instructions than with the socket's handle, which says what the set consists of.
        match self.set.iter().next() {
            Some((_, Socket::Tcp(socket))) => socket,
            _ => unreachable!("the set consists of a TCP socket"),
        }
    }

    /// Puts it, whose number is `id`, into the egress queue.
    #[inline(always)]
    pub fn enqueue(&mut self, id: u32, egress: &mut Vec<u32>) {
        if !self.is_queued {
            self.is_queued = true;
            egress.push(id);
        }
    }

    /// Keeps what repetitions need of what was sent.
    #[inline(always)]
    pub fn note_sent(&mut self, sent: &mut Sent, now: Instant) {
        if let Some(segment) = &sent.segment
            // smoltcp's probe of a closed window has a byte that the peer will not take.
            && (self.closed_window.is_none() || segment.payload_len_bytes == 0)
        {
            self.recovery.note_sent(segment, now);
        }
        if let Some(segment) = sent.fin.take() {
            self.fin = Some(SentFin::new(segment));
        }
    }

    /// Tells whether all that was queued has just left in one segment. Nothing is due then before that segment is to be repeated,
    /// for it has also acknowledged everything and told the window.
    #[inline(always)]
    pub fn has_sent_all(&self, sent: &Sent) -> bool {
        let socket = self.socket();
        let queued = socket.send_queue();
        socket.state() == tcp::State::Established
            && queued > 0
            && sent.segment.is_some_and(|segment| segment.payload_len_bytes == queued)
    }

    /// Limits how long the peer may be silent, where it owes an answer. smoltcp's own timeout also ends a connection that is just
    /// idle, so it is set only while something is outstanding. Returns the state.
    #[inline(always)]
    pub fn update_timeout(&mut self) -> tcp::State {
        let socket = self.socket_mut();
        let state = socket.state();
        let timeout = match state {
            tcp::State::SynReceived => Some(HANDSHAKE_TIMEOUT),
            tcp::State::SynSent => Some(UNANSWERED_TIMEOUT),
            _ if socket.send_queue() > 0 || socket.keep_alive().is_some() => Some(UNANSWERED_TIMEOUT),
            _ => None,
        };
        socket.set_timeout(timeout);
        state
    }

    /// Returns the socket to change it.
    #[inline(always)]
    pub fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        match self.set.iter_mut().next() {
            Some((_, Socket::Tcp(socket))) => socket,
            _ => unreachable!("the set consists of a TCP socket"),
        }
    }
}

struct PooledSocket {
    set: SocketSet<'static>,
    buffer_lens: (usize, usize),
}

/// All TCP connections.
pub(super) struct Connections {
    slots: Vec<Option<Box<Connection>>>,
    free: Vec<u32>,
    by_tuple: HashMap<FourTuple, u32, HashKey>,
    pool: Vec<PooledSocket>,
    serial: u64,
    buffer_bytes: usize,
    buffer_budget_bytes: usize,
}

impl Connections {
    /// An empty table. Buffers take about `buffer_budget_bytes` at most unless options ask for more.
    pub fn new(key: HashKey, buffer_budget_bytes: usize) -> Self {
        Connections {
            slots: Vec::new(),
            free: Vec::new(),
            by_tuple: HashMap::with_hasher(key),
            pool: Vec::new(),
            serial: 0,
            buffer_bytes: 0,
            buffer_budget_bytes,
        }
    }

    /// Returns the connection between two ends.
    #[inline(always)]
    pub fn find(&self, tuple: &FourTuple) -> Option<u32> {
        self.by_tuple.get(tuple).copied()
    }

    /// Returns a connection by its number.
    #[inline(always)]
    pub fn get(&self, id: u32) -> Option<&Connection> {
        self.slots.get(id as usize)?.as_deref()
    }

    /// Returns a connection by its number to change it.
    #[inline(always)]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Connection> {
        self.slots.get_mut(id as usize)?.as_deref_mut()
    }

    /// Returns the numbers and connections.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Connection)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(id, slot)| Some((id as u32, slot.as_deref()?)))
    }

    /// Returns the number of connections.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns the bytes that buffers take.
    #[cfg(test)]
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Creates a connection in state CLOSED.
    pub fn create(&mut self, tuple: FourTuple, owner: Owner, options: &SocketOptions) -> Result<u32, NetError> {
        if self.len() >= MAX_CONNECTIONS {
            return Err(NetError::TooManySockets);
        }
        let lens = self.choose_lens(options);
        let socket = self.take_socket(lens)?;
        self.reserve_slot()?;
        self.serial += 1;
        let mut connection = Box::new(Connection {
            set: socket.set,
            tuple,
            owner,
            serial: self.serial,
            alarm: Alarm::default(),
            is_queued: false,
            failure: None,
            receive_shut: false,
            socket_id: None,
            recovery: Recovery::new(),
            closed_window: None,
            fin: None,
            final_record: None,
            is_mapped: true,
            buffer_lens: lens,
        });
        prepare(connection.socket_mut(), options);
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.slots.push(None);
                self.slots.len() as u32 - 1
            }
        };
        self.slots[id as usize] = Some(connection);
        self.by_tuple.insert(tuple, id);
        Ok(id)
    }

    /// Takes the four-tuple of an ended connection out of use; the connection stays for its owner.
    pub fn unmap(&mut self, id: u32) {
        let Some(connection) = self.slots.get_mut(id as usize).and_then(Option::as_deref_mut) else {
            return;
        };
        if connection.is_mapped {
            connection.is_mapped = false;
            self.by_tuple.remove(&connection.tuple);
        }
    }

    /// Removes a connection.
    pub fn remove(&mut self, id: u32) {
        self.unmap(id);
        let Some(connection) = self.slots.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(id);
        let mut connection = connection;
        connection.socket_mut().abort();
        let Connection { set, buffer_lens, .. } = *connection;
        if self.pool.len() < POOL_LEN {
            self.pool.push(PooledSocket { set, buffer_lens });
        } else {
            self.buffer_bytes -= buffer_lens.0 + buffer_lens.1;
        }
    }

    fn reserve_slot(&mut self) -> Result<(), NetError> {
        if !headroom::reserve_item(&mut self.slots) || !headroom::reserve_entry(&mut self.by_tuple) {
            return Err(NetError::OutOfMemory);
        }
        // `remove` must not allocate.
        let slots = self.slots.len() + 1;
        let reserved = self.free.try_reserve(slots - self.free.len());
        reserved.map_err(|_| NetError::OutOfMemory)
    }

    fn choose_lens(&self, options: &SocketOptions) -> (usize, usize) {
        let left = self.buffer_budget_bytes.saturating_sub(self.buffer_bytes);
        let smallest = BUFFER_LENS_BYTES[BUFFER_LENS_BYTES.len() - 1];
        let fitting = BUFFER_LENS_BYTES
            .into_iter()
            .find(|len_bytes| len_bytes * 2 * BUFFER_RESERVE <= left);
        let chosen = fitting.unwrap_or(smallest);
        let or_chosen = |asked| if asked == 0 { chosen } else { asked };
        (
            or_chosen(options.receive_buffer_len_bytes),
            or_chosen(options.send_buffer_len_bytes),
        )
    }

    fn take_socket(&mut self, lens: (usize, usize)) -> Result<PooledSocket, NetError> {
        if let Some(place) = self.pool.iter().rposition(|pooled| pooled.buffer_lens == lens) {
            return Ok(self.pool.swap_remove(place));
        }
        // Pooled sockets of other sizes give way before memory runs out.
        let (receive, send) = match (buffer(lens.0), buffer(lens.1)) {
            (Ok(receive), Ok(send)) => (receive, send),
            _ => {
                self.drop_pool();
                (buffer(lens.0)?, buffer(lens.1)?)
            }
        };
        let mut set = SocketSet::new(Vec::with_capacity(1));
        set.add(tcp::Socket::new(
            tcp::SocketBuffer::new(receive),
            tcp::SocketBuffer::new(send),
        ));
        self.buffer_bytes += lens.0 + lens.1;
        Ok(PooledSocket { set, buffer_lens: lens })
    }

    fn drop_pool(&mut self) {
        for pooled in self.pool.drain(..) {
            self.buffer_bytes -= pooled.buffer_lens.0 + pooled.buffer_lens.1;
        }
    }
}

/// Takes a buffer.
pub(super) fn buffer(len_bytes: usize) -> Result<Vec<u8>, NetError> {
    let mut bytes = Vec::new();
    if !headroom::allows(len_bytes) || bytes.try_reserve_exact(len_bytes).is_err() {
        return Err(NetError::OutOfMemory);
    }
    bytes.resize(len_bytes, 0);
    Ok(bytes)
}

/// Sets what a new connection starts with, whatever the socket was used for before.
fn prepare(socket: &mut tcp::Socket<'static>, options: &SocketOptions) {
    socket.set_timeout(None);
    socket.set_keep_alive(options.keep_alive.then_some(KEEP_ALIVE_INTERVAL));
    // Small writes of one call sequence are gathered until the program waits; holding them back longer only adds delay.
    socket.set_nagle_enabled(false);
}
