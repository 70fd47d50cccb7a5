//! `poll_oneoff` on sockets: what it keeps of one call never changes what the next one says.

use super::waiting::{FD_READ, FD_WRITE, clock, descriptor, poll};
use super::*;
use crate::net::virtual_wire::{Faults, VirtualDevice, Wire, World};
use crate::net::{Family, Network, SocketId, SocketKind, Stack};
use crate::wasi::interest_list::InterestList;
use crate::wasi::socket::attach;

const NONBLOCK: u64 = 4;
const MAX_CONNECTIONS: usize = 12;

/// A program that serves at 10.0.0.2, its peer at 10.0.0.1, and the list that the program polls.
pub(super) struct Server {
    pub guest: Guest,
    listener: u32,
    pub connections: Vec<u32>,
    pub peer: Stack<VirtualDevice>,
    pub peer_sockets: Vec<SocketId>,
    wire: Rc<RefCell<Wire>>,
    subscriptions: Vec<[u8; 48]>,
    random: u64,
}

impl Server {
    pub fn new(seed: u64) -> Self {
        let World {
            stacks: [peer, own],
            wire,
            ..
        } = World::new(seed, Faults::default());
        let mut guest = Guest::new();
        attach::install(&mut guest.context, Box::new(own));
        let fd = guest.zeros(4);
        guest.call("sock_open", &[1, 2, fd]).unwrap();
        let listener = guest.get_u32(fd);
        let bytes = guest.put(&[0; 4]);
        let address = guest.put(&[(bytes as u32).to_le_bytes(), 4u32.to_le_bytes()].concat());
        guest.call("sock_bind", &[listener.into(), address, 80]).unwrap();
        guest.call("sock_listen", &[listener.into(), 100]).unwrap();
        guest.call("fd_fdstat_set_flags", &[listener.into(), NONBLOCK]).unwrap();
        Server {
            guest,
            listener,
            connections: Vec::new(),
            peer,
            peer_sockets: Vec::new(),
            wire,
            subscriptions: Vec::new(),
            random: seed,
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1);
        (self.random >> 33) as usize % below
    }

    /// Lets both sides send what they have.
    pub fn exchange(&mut self) {
        for _ in 0..8 {
            self.wire.borrow_mut().room = usize::MAX;
            self.peer.poll(0);
            self.guest.context.network.as_mut().unwrap().poll(0);
        }
    }

    pub fn connect(&mut self) {
        let socket = self.peer.open(Family::Ipv4, SocketKind::Stream).unwrap();
        let _ = self.peer.connect(socket, "10.0.0.2:80".parse().unwrap());
        self.peer_sockets.push(socket);
    }

    pub fn accept(&mut self) -> bool {
        let fd = self.guest.zeros(4);
        let result = self.guest.call("sock_accept", &[self.listener.into(), NONBLOCK, fd]);
        if result.is_ok() {
            self.connections.push(self.guest.get_u32(fd));
        }
        result.is_ok()
    }

    fn receive(&mut self, fd: u32) {
        let bytes = self.guest.zeros(64);
        let iovecs = self.guest.iovecs(&[(bytes, 64)]);
        let result = self.guest.zeros(8);
        let _ = self
            .guest
            .call("sock_recv", &[fd.into(), iovecs, 1, 0, result, result + 4]);
    }

    /// A number that is, was or will be that of a descriptor.
    fn any_descriptor(&mut self) -> u32 {
        self.random(MAX_CONNECTIONS + 6) as u32
    }

    fn any_subscription(&mut self) -> [u8; 48] {
        let tag = [FD_READ, FD_READ, FD_READ, FD_WRITE][self.random(4)];
        let userdata = self.random(1000) as u64;
        let fd = self.any_descriptor();
        let mut bytes = descriptor(userdata, tag, fd);
        // What the specification leaves open may be anything.
        bytes[9..16].fill(userdata as u8);
        bytes[20..].fill(userdata as u8);
        bytes
    }

    fn act(&mut self) {
        match self.random(12) {
            0..3 if !self.peer_sockets.is_empty() => {
                let place = self.random(self.peer_sockets.len());
                let _ = self.peer.send(self.peer_sockets[place], b"x", None);
            }
            3..5 => {
                let fd = self.any_descriptor();
                self.receive(fd);
            }
            5 if self.connections.len() < MAX_CONNECTIONS => self.connect(),
            6 if !self.peer_sockets.is_empty() => {
                let place = self.random(self.peer_sockets.len());
                let socket = self.peer_sockets.swap_remove(place);
                self.peer.close(socket);
            }
            7 if !self.connections.is_empty() => {
                let place = self.random(self.connections.len());
                let fd = self.connections.swap_remove(place);
                self.guest.call("fd_close", &[fd.into()]).unwrap();
            }
            8 if self.connections.len() > 1 => {
                let from = self.connections.pop().unwrap();
                let to = self.connections[0];
                self.guest.call("fd_renumber", &[from.into(), to.into()]).unwrap();
            }
            9 if self.subscriptions.len() < 40 => {
                let subscription = self.any_subscription();
                self.subscriptions.push(subscription);
            }
            10 if !self.subscriptions.is_empty() => {
                let place = self.random(self.subscriptions.len());
                self.subscriptions[place] = self.any_subscription();
            }
            11 if self.random(4) == 0 => {
                let len = self.random(self.subscriptions.len() + 1);
                self.subscriptions.truncate(len);
            }
            _ => {
                self.accept();
            }
        }
    }
}

#[test]
fn what_is_kept_of_the_last_call_never_changes_the_events() {
    let mut found = 0;
    for seed in 1..20 {
        let mut server = Server::new(seed);
        for step in 0..500 {
            server.act();
            if server.random(2) == 0 {
                server.exchange();
            }
            // The last one is due at once, so that no call waits.
            let mut subscriptions = server.subscriptions.clone();
            subscriptions.push(clock(5000, 1, 0, 0));
            let events = poll(&mut server.guest, &subscriptions).unwrap();
            let kept = core::mem::take(&mut server.guest.context.interests);
            let expected = poll(&mut server.guest, &subscriptions).unwrap();
            server.guest.context.interests = kept;
            assert_eq!(events, expected, "seed {seed}, step {step}");
            let is_ready = |event: &&super::waiting::Event| event.1 == 0 && event.2 == FD_READ && event.3 > 0;
            found += events.iter().filter(is_ready).count();
        }
    }
    assert!(found > 1000, "{found} events of data are too few to test anything");
}

#[test]
fn idle_connections_are_passed_over_until_something_happens() {
    let mut server = Server::new(1);
    while server.connections.len() < MAX_CONNECTIONS {
        server.connect();
        server.exchange();
        assert!(server.accept());
    }
    server.subscriptions = server
        .connections
        .iter()
        .map(|&fd| descriptor(7, FD_READ, fd))
        .collect();
    server.subscriptions.push(clock(5000, 1, 0, 0));
    let clock_only = |events: Vec<super::waiting::Event>| assert_eq!(events, [(5000, 0, 0, 0, 0)]);
    clock_only(poll(&mut server.guest, &server.subscriptions).unwrap());
    let next = |interests: &InterestList| [interests.next(0), interests.next(MAX_CONNECTIONS as u32 + 1)];
    let others = [MAX_CONNECTIONS as u32, MAX_CONNECTIONS as u32 + 1];
    assert_eq!(next(&server.guest.context.interests), others);

    server.peer.send(server.peer_sockets[5], b"question", None).unwrap();
    server.exchange();
    let fd = server.connections[5];
    for _ in 0..2 {
        let events = poll(&mut server.guest, &server.subscriptions).unwrap();
        assert_eq!(events, [(7, 0, FD_READ, 8, 0), (5000, 0, 0, 0, 0)]);
    }
    server.receive(fd);
    // Nothing more has come, which the call has found out.
    assert_eq!(next(&server.guest.context.interests), others);
    clock_only(poll(&mut server.guest, &server.subscriptions).unwrap());
    assert_eq!(next(&server.guest.context.interests), others);
}
