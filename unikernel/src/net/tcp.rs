//! Stream sockets, as the program uses them.

use super::backlog::Backlog;
use super::connection::{Connection, KEEP_ALIVE_INTERVAL, Owner};
use super::device::EthernetDevice;
use super::four_tuple::FourTuple;
use super::options::SocketOptions;
use super::segments::refuse_data;
use super::sockets::{PORT_ATTEMPTS, ProgramSocket, Role, StreamSocket, check_family, unspecified};
use super::stack::Stack;
use super::{Direction, NetError, Ready, Received, SocketId, SocketKind};
use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};
use smoltcp::socket::tcp;
use smoltcp::wire::{IpAddress, IpEndpoint};

/// What the program does.
impl<D: EthernetDevice> Stack<D> {
    pub(super) fn bind_stream(&mut self, id: SocketId, address: SocketAddr) -> Result<(), NetError> {
        let socket = self.sockets.stream(id)?;
        check_family(socket.family, address.ip())?;
        if socket.bound.is_some() || !matches!(socket.role, Role::Fresh) {
            return Err(NetError::InvalidState);
        }
        let local = self.choose_local(id, SocketKind::Stream, address)?;
        self.sockets.stream(id)?.bound = Some(local);
        Ok(())
    }

    pub(super) fn listen_stream(&mut self, id: SocketId, limit: u32) -> Result<(), NetError> {
        let socket = self.sockets.stream(id)?;
        match &mut socket.role {
            Role::Listener(backlog) => {
                backlog.set_limit(limit);
                return Ok(());
            }
            Role::Connection(_) => return Err(NetError::InvalidState),
            Role::Fresh => {}
        }
        if socket.bound.is_none() {
            let any = SocketAddr::new(unspecified(socket.family), 0);
            self.bind_stream(id, any)?;
        }
        let socket = self.sockets.stream(id)?;
        socket.role = Role::Listener(Box::new(Backlog::new(limit)));
        socket.options.is_listener = true;
        if let Some(bound) = socket.bound {
            self.sockets.listeners.entry(bound.port()).or_default().push(id.0);
        }
        Ok(())
    }

    pub(super) fn accept_stream(&mut self, id: SocketId) -> Result<SocketId, NetError> {
        let &mut StreamSocket {
            role: Role::Listener(ref mut backlog),
            family,
            options,
            ..
        } = self.sockets.stream(id)?
        else {
            return Err(NetError::InvalidState);
        };
        while let Some(entry) = backlog.accept() {
            let Some(connection) = self
                .connections
                .get_mut(entry.id)
                .filter(|found| found.serial == entry.serial)
            else {
                continue;
            };
            let options = SocketOptions {
                is_listener: false,
                ..options
            };
            let bound = Some(connection.tuple.local.into());
            let accepted = StreamSocket {
                family,
                options,
                bound,
                role: Role::Connection(entry.id),
            };
            let result = self.sockets.add(ProgramSocket::Stream(accepted));
            match result {
                Ok(accepted) => {
                    connection.owner = Owner::Program;
                    connection.socket_id = Some(accepted);
                }
                Err(_) => self.orphan(entry.id, true),
            }
            return result;
        }
        Err(NetError::WouldBlock)
    }

    pub(super) fn connect_stream(&mut self, id: SocketId, address: SocketAddr) -> Result<(), NetError> {
        let socket = self.sockets.stream(id)?;
        check_family(socket.family, address.ip())?;
        match socket.role {
            Role::Fresh => {}
            Role::Listener(_) => return Err(NetError::InvalidState),
            Role::Connection(connection) => return self.connect_progress(connection),
        }
        if address.ip().is_unspecified() || address.port() == 0 {
            return Err(NetError::AddressNotAvailable);
        }
        let (bound, options) = (socket.bound, socket.options);
        let remote = IpEndpoint::from(address);
        let tuple = self.choose_tuple(bound, remote)?;
        let connection_id = self.connections.create(tuple, Owner::Program, &options)?;
        let Some(connection) = self.connections.get_mut(connection_id) else {
            return Err(NetError::InvalidState);
        };
        let context = self.interface.context();
        connection.socket_id = Some(id);
        if connection.socket_mut().connect(context, remote, tuple.local).is_err() {
            self.connections.remove(connection_id);
            return Err(NetError::AddressNotAvailable);
        }
        let socket = self.sockets.stream(id)?;
        socket.role = Role::Connection(connection_id);
        socket.bound = Some(tuple.local.into());
        self.touch(connection_id);
        Err(NetError::InProgress)
    }

    pub(super) fn is_connecting_stream(&mut self, id: SocketId) -> bool {
        self.connection_of(id)
            .is_ok_and(|(_, connection)| connection.is_connecting())
    }

    fn connect_progress(&mut self, id: u32) -> Result<(), NetError> {
        let connection = self.connections.get_mut(id).ok_or(NetError::BadSocket)?;
        match connection.socket().state() {
            tcp::State::SynSent | tcp::State::SynReceived => Err(NetError::InProgress),
            tcp::State::Closed => Err(connection.failure.take().unwrap_or(NetError::ConnectionReset)),
            _ => Ok(()),
        }
    }

    fn choose_tuple(&mut self, bound: Option<SocketAddr>, remote: IpEndpoint) -> Result<FourTuple, NetError> {
        let source = match bound
            .map(|bound| bound.ip())
            .filter(|address| !address.is_unspecified())
        {
            Some(address) => IpAddress::from(address),
            None => self
                .interface
                .get_source_address(&remote.addr)
                .ok_or(NetError::HostUnreachable)?,
        };
        if IpAddr::from(source).is_unspecified() || IpAddr::from(source).is_loopback() {
            return Err(NetError::HostUnreachable);
        }
        let attempts = if bound.is_some() { 1 } else { PORT_ATTEMPTS };
        for _ in 0..attempts {
            let port = bound.map_or_else(|| self.random_port(), |bound| bound.port());
            let tuple = FourTuple {
                local: IpEndpoint::new(source, port),
                remote,
            };
            if self.connections.find(&tuple).is_none() && !self.time_wait.contains(&tuple, self.now) {
                return Ok(tuple);
            }
        }
        Err(NetError::AddressInUse)
    }

    fn connection_of(&mut self, id: SocketId) -> Result<(u32, &mut Connection), NetError> {
        match self.sockets.stream(id)?.role {
            Role::Connection(number) => {
                let connection = self.connections.get_mut(number).ok_or(NetError::BadSocket)?;
                Ok((number, connection))
            }
            _ => Err(NetError::NotConnected),
        }
    }

    pub(super) fn receive_stream(&mut self, number: u32, buffer: &mut [u8], peek: bool) -> Result<Received, NetError> {
        let connection = self.connections.get_mut(number).ok_or(NetError::BadSocket)?;
        let end = Received {
            len_bytes: 0,
            truncated: false,
            from: None,
            is_last: false,
        };
        if connection.receive_shut || buffer.is_empty() {
            return Ok(end);
        }
        let socket = connection.socket_mut();
        let result = if peek {
            socket.peek_slice(buffer)
        } else {
            take_received(socket, buffer)
        };
        match result {
            Ok(0) => Err(NetError::WouldBlock),
            Ok(len_bytes) => {
                let mut is_last = false;
                if !peek {
                    let is_idle = socket.recv_queue() == 0 && socket.may_recv();
                    // The window may have opened.
                    connection.enqueue(number, &mut self.egress);
                    if is_idle && let Some(id) = connection.socket_id {
                        self.sockets.rest(id);
                        is_last = true;
                    }
                }
                Ok(Received {
                    len_bytes,
                    is_last,
                    ..end
                })
            }
            Err(tcp::RecvError::Finished) => Ok(end),
            Err(tcp::RecvError::InvalidState) => match (connection.failure.take(), connection.socket().state()) {
                (Some(failure), _) => Err(failure),
                (None, tcp::State::SynSent | tcp::State::SynReceived) => Err(NetError::WouldBlock),
                (None, _) => Ok(end),
            },
        }
    }

    #[inline(always)]
    pub(super) fn send_stream(&mut self, number: u32, pieces: &[&[u8]]) -> Result<usize, NetError> {
        let connection = self.connections.get_mut(number).ok_or(NetError::BadSocket)?;
        match queue_to_send(connection.socket_mut(), pieces) {
            Ok(0) if pieces.iter().any(|piece| !piece.is_empty()) => Err(NetError::WouldBlock),
            Ok(len_bytes) => {
                connection.enqueue(number, &mut self.egress);
                Ok(len_bytes)
            }
            Err(tcp::SendError::InvalidState) => match (connection.failure.take(), connection.socket().state()) {
                (Some(failure), _) => Err(failure),
                (None, tcp::State::SynSent | tcp::State::SynReceived) => Err(NetError::WouldBlock),
                (None, _) => Err(NetError::BrokenPipe),
            },
        }
    }

    pub(super) fn shutdown_stream(&mut self, id: SocketId, receive: bool, send: bool) -> Result<(), NetError> {
        let (number, connection) = self.connection_of(id)?;
        if matches!(connection.socket().state(), tcp::State::Closed | tcp::State::SynSent) {
            return Err(NetError::NotConnected);
        }
        if receive {
            connection.receive_shut = true;
            refuse_data(connection);
        }
        if send {
            connection.socket_mut().close();
        }
        self.sockets.wake(id);
        self.touch(number);
        Ok(())
    }

    pub(super) fn close_stream(&mut self, id: SocketId, socket: StreamSocket) {
        match socket.role {
            Role::Fresh => {}
            Role::Listener(mut backlog) => {
                if let Some(port) = socket.bound.map(|bound| bound.port())
                    && let Some(listeners) = self.sockets.listeners.get_mut(&port)
                {
                    listeners.retain(|&listener| listener != id.0);
                    if listeners.is_empty() {
                        self.sockets.listeners.remove(&port);
                    }
                }
                for entry in backlog.drain() {
                    let is_ours = |connection: &Connection| {
                        connection.serial == entry.serial
                            && matches!(connection.owner, Owner::HalfOpen(owner) | Owner::Queued(owner) if owner == id.0)
                    };
                    if self.connections.get(entry.id).is_some_and(is_ours) {
                        self.orphan(entry.id, true);
                    }
                }
            }
            Role::Connection(connection) => self.orphan(connection, socket.options.linger_seconds == Some(0)),
        }
    }

    pub(super) fn local_address_stream(&mut self, id: SocketId) -> Result<SocketAddr, NetError> {
        let socket = self.sockets.stream(id)?;
        Ok(socket.bound.unwrap_or(SocketAddr::new(unspecified(socket.family), 0)))
    }

    pub(super) fn peer_address_stream(&mut self, id: SocketId) -> Result<SocketAddr, NetError> {
        let (_, connection) = self.connection_of(id)?;
        match connection.socket().state() {
            tcp::State::SynSent => Err(NetError::NotConnected),
            _ => Ok(connection.tuple.remote.into()),
        }
    }

    pub(super) fn options_stream(&mut self, id: SocketId) -> Result<SocketOptions, NetError> {
        let mut options = self.sockets.stream(id)?.options;
        if let Ok((_, connection)) = self.connection_of(id) {
            options.receive_buffer_len_bytes = connection.socket().recv_capacity();
            options.send_buffer_len_bytes = connection.socket().send_capacity();
        }
        Ok(options)
    }

    pub(super) fn set_keep_alive(&mut self, id: SocketId, on: bool) {
        if let Ok((number, connection)) = self.connection_of(id) {
            connection
                .socket_mut()
                .set_keep_alive(on.then_some(KEEP_ALIVE_INTERVAL));
            self.touch(number);
        }
    }

    pub(super) fn take_error_stream(&mut self, id: SocketId) -> Result<Option<NetError>, NetError> {
        match self.connection_of(id) {
            Ok((_, connection)) => Ok(connection.failure.take()),
            Err(NetError::NotConnected) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Moves received bytes into `buffer`. A piece of the ring at a time: nearly always one is all, which `recv_slice` does not know.
fn take_received(socket: &mut tcp::Socket<'static>, buffer: &mut [u8]) -> Result<usize, tcp::RecvError> {
    let mut taken = 0;
    loop {
        let rest = &mut buffer[taken..];
        let len_bytes = socket.recv(|received| {
            let len_bytes = received.len().min(rest.len());
            rest[..len_bytes].copy_from_slice(&received[..len_bytes]);
            (len_bytes, len_bytes)
        });
        match len_bytes {
            Ok(len_bytes) => taken += len_bytes,
            Err(_) if taken > 0 => return Ok(taken),
            Err(error) => return Err(error),
        }
        if taken == buffer.len() || socket.recv_queue() == 0 {
            return Ok(taken);
        }
    }
}

/// Moves bytes into the send buffer, as [`take_received`] does.
#[inline(always)]
fn queue_to_send(socket: &mut tcp::Socket<'static>, pieces: &[&[u8]]) -> Result<usize, tcp::SendError> {
    let mut pieces = pieces.iter();
    let mut rest = pieces.next().copied().unwrap_or_default();
    let mut queued = 0;
    loop {
        let (len_bytes, is_all) = socket.send(|space| {
            let mut filled = 0;
            loop {
                let free = &mut space[filled..];
                let len_bytes = rest.len().min(free.len());
                free[..len_bytes].copy_from_slice(&rest[..len_bytes]);
                filled += len_bytes;
                if len_bytes < rest.len() {
                    rest = &rest[len_bytes..];
                    return (filled, (filled, false));
                }
                match pieces.next() {
                    Some(piece) => rest = piece,
                    None => return (filled, (filled, true)),
                }
            }
        })?;
        queued += len_bytes;
        if is_all || len_bytes == 0 {
            return Ok(queued);
        }
    }
}

impl<D: EthernetDevice> Stack<D> {
    /// Tells whether a stream socket is ready.
    pub(super) fn stream_readiness(&mut self, id: SocketId, direction: Direction) -> Result<Option<Ready>, NetError> {
        let stream = self.sockets.stream(id)?;
        match &stream.role {
            &Role::Connection(number) => {
                let connection = self.connections.get_mut(number).ok_or(NetError::BadSocket)?;
                match direction {
                    Direction::Receive => Ok(connection.ready_to_receive(stream.options.receive_low_water_bytes)),
                    Direction::Send => Ok(connection.ready_to_send()),
                }
            }
            Role::Listener(backlog) => {
                let waiting = backlog.complete_len() as u64;
                let is_ready = direction == Direction::Receive && waiting > 0;
                Ok(is_ready.then_some(Ready {
                    len_bytes: waiting,
                    is_hangup: false,
                }))
            }
            Role::Fresh => Ok(Some(Ready {
                len_bytes: 0,
                is_hangup: true,
            })),
        }
    }
}

impl Connection {
    fn is_connecting(&self) -> bool {
        matches!(self.socket().state(), tcp::State::SynSent | tcp::State::SynReceived)
    }

    fn ready_to_receive(&self, low_water_bytes: usize) -> Option<Ready> {
        let socket = self.socket();
        let waiting = socket.recv_queue();
        let at_end = !socket.may_recv() || self.receive_shut;
        let is_ready = waiting >= low_water_bytes.min(socket.recv_capacity()) || (at_end && !self.is_connecting());
        is_ready.then_some(Ready {
            len_bytes: waiting as u64,
            is_hangup: at_end && waiting == 0,
        })
    }

    fn ready_to_send(&self) -> Option<Ready> {
        let socket = self.socket();
        let is_hangup = (!socket.may_recv() || self.receive_shut) && socket.recv_queue() == 0;
        if !socket.may_send() {
            return (!self.is_connecting()).then_some(Ready {
                len_bytes: 0,
                is_hangup,
            });
        }
        let (capacity, queued) = (socket.send_capacity(), socket.send_queue());
        // A program woken for every few bytes would write in crumbs.
        let has_space = (capacity - queued) * 4 >= capacity;
        has_space.then_some(Ready {
            len_bytes: (capacity - queued) as u64,
            is_hangup,
        })
    }
}
