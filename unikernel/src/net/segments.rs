//! TCP segments that arrive, and what follows from them for connections and listeners.

use super::backlog::Entry;
use super::bare_segment::BareSegment;
use super::connection::{Connection, Owner};
use super::device::EthernetDevice;
use super::exchange::{Exchange, transmit};
use super::frame::Segment;
use super::recovery::Recovery;
use super::sockets::{Role, StreamSocket};
use super::stack::Stack;
use super::time_wait::{Record, Verdict};
use super::{NetError, SocketId};
use smoltcp::socket::tcp;
use smoltcp::time::Duration;
use smoltcp::wire::IpListenEndpoint;

/// How long a connection that nobody holds may take to deliver what was sent and to close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(60);

impl Connection {
    /// Tells whether the peer has acknowledged everything.
    pub fn is_drained(&self) -> bool {
        let socket = self.socket();
        match socket.state() {
            tcp::State::FinWait1 | tcp::State::Closing | tcp::State::LastAck => false,
            tcp::State::Closed | tcp::State::SynSent => true,
            _ => socket.send_queue() == 0,
        }
    }

    fn entry(&self, id: u32) -> Entry {
        Entry {
            id,
            serial: self.serial,
        }
    }
}

/// Segments that arrive.
impl<D: EthernetDevice> Stack<D> {
    #[inline(always)]
    pub(super) fn receive_segment(&mut self, segment: &Segment, bytes: &[u8]) {
        match self.connections.find(&segment.tuple) {
            Some(id) => self.deliver(id, segment, bytes),
            None => self.receive_stray(segment, bytes),
        }
    }

    /// Receives a segment of no connection.
    #[inline(never)]
    fn receive_stray(&mut self, segment: &Segment, bytes: &[u8]) {
        match self.time_wait.judge(segment, self.now) {
            Some(Verdict::Ignore) => return,
            Some(Verdict::Acknowledge(record)) => return self.acknowledge_again(record, bytes),
            Some(Verdict::Reopen) | None => {}
        }
        if !(segment.is_request && self.open_from_request(segment, bytes)) {
            // The general set has no such socket: smoltcp answers with a reset if one is due.
            let mut exchange = Exchange::incoming(&mut self.device, bytes);
            self.interface
                .poll_ingress_single(self.now, &mut exchange, &mut self.general);
        }
    }

    /// Hands a segment to its connection and draws conclusions from the state that follows.
    fn deliver(&mut self, id: u32, segment: &Segment, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let socket = connection.socket();
        let (before, queued) = (socket.state(), socket.send_queue());
        let mut exchange = Exchange::incoming(&mut self.device, bytes);
        self.interface
            .poll_ingress_single(self.now, &mut exchange, &mut connection.set);
        connection.note_sent(&mut exchange.sent, self.now);
        connection.note_window(segment, bytes, self.now);
        let socket = connection.socket();
        let after = socket.state();
        let (mut state, mut received_len_bytes) = (after, socket.recv_queue());
        if let Some(number) = segment.acknowledgment {
            if before != after || socket.send_queue() < queued {
                connection.recovery.note_acknowledgment(number, self.now);
            }
            if !segment.options.is_empty() {
                for block in segment.selective_acknowledgments() {
                    connection.recovery.note_selective_acknowledgment(block, self.now);
                }
            }
        }
        if after == tcp::State::TimeWait && before != after {
            connection.final_record = segment.acknowledgment.map(|sequence| Record {
                sequence,
                acknowledgment: segment.sequence + segment.sequence_len,
            });
        }
        if connection.receive_shut || matches!(connection.owner, Owner::Nobody(_)) {
            refuse_data(connection);
            let socket = connection.socket();
            (state, received_len_bytes) = (socket.state(), socket.recv_queue());
        }
        if let Some(socket_id) = connection.socket_id
            && (received_len_bytes > 0 || state != before)
        {
            self.sockets.wake(socket_id);
        }
        match (connection.owner, state) {
            (_, tcp::State::Closed) if after == tcp::State::Closed => {
                let failure = match before {
                    tcp::State::LastAck | tcp::State::TimeWait | tcp::State::Closed => None,
                    tcp::State::SynSent => Some(NetError::ConnectionRefused),
                    _ => Some(NetError::ConnectionReset),
                };
                return self.connection_closed(id, failure);
            }
            (Owner::HalfOpen(_), tcp::State::Listen) => return self.connection_closed(id, None),
            (Owner::HalfOpen(_), tcp::State::SynReceived) => {}
            (Owner::HalfOpen(listener), _) => {
                connection.owner = Owner::Queued(listener);
                let entry = connection.entry(id);
                if let Some(backlog) = self.sockets.backlog(listener) {
                    backlog.complete(entry);
                    self.sockets.wake(SocketId(listener));
                }
            }
            _ => {}
        }
        if connection.owner == Owner::Program && received_len_bytes > 0 {
            // The program is likely to answer: only the next poll sends, so that the acknowledgement goes with the answer.
            self.awaiting_answer.push(id);
        } else {
            connection.enqueue(id, &mut self.egress);
        }
    }

    /// Begins a connection that a peer requests. Returns false if nothing listens there.
    fn open_from_request(&mut self, segment: &Segment, bytes: &[u8]) -> bool {
        let local = segment.tuple.local;
        if !self.interface.has_ip_addr(local.addr) {
            return false;
        }
        let Some(listener) = self.sockets.find_listener(local) else {
            return false;
        };
        let Ok(&mut StreamSocket {
            role: Role::Listener(ref mut backlog),
            options,
            ..
        }) = self.sockets.stream(SocketId(listener))
        else {
            return false;
        };
        if !backlog.has_room() {
            return true;
        }
        let connections = &self.connections;
        let is_half_open = |entry: Entry| {
            let connection = connections.get(entry.id);
            connection.is_some_and(|found| found.serial == entry.serial && matches!(found.owner, Owner::HalfOpen(_)))
        };
        backlog.compact(is_half_open);
        if backlog.is_half_open_full()
            && let Some(oldest) = backlog.pop_oldest_half_open(is_half_open)
        {
            self.connections.remove(oldest.id);
        }
        let Ok(id) = self
            .connections
            .create(segment.tuple, Owner::HalfOpen(listener), &options)
        else {
            return true;
        };
        if let Some(connection) = self.connections.get_mut(id) {
            backlog.push_half_open(connection.entry(id));
            let listening = connection.socket_mut().listen(IpListenEndpoint::from(local));
            debug_assert!(listening.is_ok(), "a new socket is closed, and a request has a port");
        }
        self.deliver(id, segment, bytes);
        true
    }

    /// Answers a repeated FIN of a connection in TIME-WAIT.
    fn acknowledge_again(&mut self, record: Record, bytes: &[u8]) {
        if let Some(received) = BareSegment::from_frame(bytes) {
            let answer = received.into_answer(record.sequence, record.acknowledgment);
            transmit(&mut self.device, &answer.emit());
        }
    }

    /// Takes note that a connection is in state CLOSED (or gave up its handshake).
    pub(super) fn connection_closed(&mut self, id: u32, failure: Option<NetError>) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.owner {
            Owner::Program | Owner::Queued(_) => {
                if let Some(socket_id) = connection.socket_id {
                    self.sockets.wake(socket_id);
                }
                connection.failure = connection.failure.or(failure);
                connection.recovery = Recovery::new();
                self.connections.unmap(id);
            }
            Owner::HalfOpen(listener) => {
                self.connections.remove(id);
                if let Some(backlog) = self.sockets.backlog(listener) {
                    backlog.forget_half_open();
                }
            }
            Owner::Nobody(_) => self.connections.remove(id),
        }
    }

    /// Replaces a connection that nobody holds by a record.
    pub(super) fn enter_time_wait(&mut self, id: u32) {
        if let Some(connection) = self.connections.get(id)
            && let Some(record) = connection.final_record
        {
            let tuple = connection.tuple;
            self.connections.remove(id);
            self.time_wait.insert(tuple, record, self.now);
        }
    }

    /// Leaves a connection to itself: what was sent is delivered, then it closes.
    pub(super) fn orphan(&mut self, id: u32, reset: bool) {
        let deadline = self.now + LINGER_TIMEOUT;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.socket().state() == tcp::State::Closed {
            return self.connections.remove(id);
        }
        connection.owner = Owner::Nobody(deadline);
        let unread = connection.socket().recv_queue() > 0 && !connection.receive_shut;
        if reset || unread {
            connection.socket_mut().abort();
        } else {
            connection.socket_mut().close();
        }
        self.touch(id);
    }
}

/// Data that nobody will read ends a connection that nobody holds, and is thrown away on one whose receiving side is shut.
pub(super) fn refuse_data(connection: &mut Connection) {
    if connection.socket().recv_queue() == 0 {
        return;
    }
    if matches!(connection.owner, Owner::Nobody(_)) && !connection.receive_shut {
        connection.socket_mut().abort();
    } else {
        let discarded = connection.socket_mut().recv(|bytes| (bytes.len(), ()));
        debug_assert!(discarded.is_ok(), "a socket with data can be read");
    }
}
