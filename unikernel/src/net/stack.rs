//! The stack: one device, one interface, and the sockets; what is done on a poll and in which order.
//!
//! A poll receives a batch of frames, fires the timers that are due, lets every connection that something has touched send what
//! it may, and then notifies the device once. A connection is put into the egress queue by a frame for it, by a timer and by the
//! program's calls; nothing is sent before the poll, so an answer carries the acknowledgement of its request, and a program's
//! small writes leave as one segment.

use super::address::{AddressConfiguration, Configuration, link_local};
use super::connection::{Connection, Connections, Owner};
use super::device::EthernetDevice;
use super::dns::Resolver;
use super::exchange::{Exchange, Sent};
use super::four_tuple::HashKey;
use super::frame::{Class, classify, read_plain};
use super::sockets::ProgramSockets;
use super::time_wait::TimeWait;
use super::timers::Timers;
use super::{Idle, NetError, ReceivedFrame};
use alloc::vec;
use alloc::vec::Vec;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{dhcpv4, tcp};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

/// Frames received in one poll at most, so that a flood cannot keep the program from running.
const MAX_BATCH_FRAMES: usize = 256;
/// Segments that one connection sends before others get their turn.
const MAX_BURST_SEGMENTS: usize = 64;
/// When to try again what could not be sent although it was due.
const RETRY_DELAY: Duration = Duration::from_millis(2);
/// When to look again whether a router is to be asked (RFC 4861, `RTR_SOLICITATION_INTERVAL`).
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);
/// smoltcp waits at most so long for an acknowledgement (RFC 6298, 2.5).
const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(60);
/// How long DHCP is waited for.
const LEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// The network of one device.
pub struct Stack<D> {
    pub(super) device: D,
    pub(super) interface: Interface,
    /// The same without SLAAC, which only tells when sockets are due: the other one adds the time at which a router is to be asked
    /// again, which stays in the past when none has ever answered.
    deadlines: Interface,
    pub(super) now: Instant,
    pub(super) connections: Connections,
    pub(super) time_wait: TimeWait,
    pub(super) timers: Timers,
    /// Connections to poll for egress.
    pub(super) egress: Vec<u32>,
    egress_turn: Vec<u32>,
    /// Connections with new data for the program, to poll for egress after it has had a chance to answer.
    pub(super) awaiting_answer: Vec<u32>,
    /// Connections that wait for a neighbour's hardware address.
    waiting_for_neighbor: Vec<u32>,
    /// Datagram sockets that have something to send.
    pub(super) datagram_egress: Vec<u32>,
    /// Those whose first datagram waits for a neighbour's hardware address.
    pub(super) datagrams_waiting: Vec<u32>,
    pub(super) sockets: ProgramSockets,
    pub(super) resolver: Resolver,
    /// DHCP and DNS.
    pub(super) general: SocketSet<'static>,
    pub(super) general_due: Option<Instant>,
    dhcp: Option<SocketHandle>,
    lease_deadline: Option<Instant>,
    is_configured: bool,
    pub(super) random: u64,
}

impl<D: EthernetDevice> Stack<D> {
    /// Sets an interface up on `device`. `seed` is secret randomness; buffers of connections take about `buffer_budget_bytes`.
    pub fn new(
        mut device: D,
        configuration: &Configuration,
        seed: [u64; 2],
        buffer_budget_bytes: usize,
        now_ns: u64,
    ) -> Self {
        let now = instant(now_ns);
        let mac = device.mac_address();
        let mut interface_with = |slaac| {
            let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
            config.random_seed = seed[0];
            config.slaac = slaac;
            Interface::new(config, &mut Exchange::outgoing(&mut device), now)
        };
        let (mut interface, deadlines) = (interface_with(true), interface_with(false));
        interface.update_ip_addrs(|addresses| {
            for &address in configuration.addresses.iter().chain([&link_local(mac)]) {
                let pushed = addresses.push(address);
                debug_assert!(pushed.is_ok(), "the interface has room for an address of each kind");
            }
        });
        for &gateway in &configuration.gateways {
            add_default_route(&mut interface, gateway);
        }
        let mut general = SocketSet::new(vec![]);
        let uses_dhcp = configuration.ipv4 == AddressConfiguration::Dhcp;
        let dhcp = uses_dhcp.then(|| general.add(dhcpv4::Socket::new()));
        let resolver = Resolver::new(&mut general, &configuration.name_servers);
        let key = HashKey::new(seed[1]);
        Stack {
            device,
            interface,
            deadlines,
            now,
            connections: Connections::new(key, buffer_budget_bytes),
            time_wait: TimeWait::new(key),
            timers: Timers::default(),
            egress: Vec::new(),
            egress_turn: Vec::new(),
            awaiting_answer: Vec::new(),
            waiting_for_neighbor: Vec::new(),
            datagram_egress: Vec::new(),
            datagrams_waiting: Vec::new(),
            sockets: ProgramSockets::default(),
            resolver,
            general,
            general_due: Some(now),
            dhcp,
            lease_deadline: None,
            is_configured: !uses_dhcp
                || configuration
                    .addresses
                    .iter()
                    .any(|address| matches!(address, IpCidr::Ipv6(_))),
            random: seed[0] ^ seed[1].rotate_left(32),
        }
    }

    pub(super) fn poll_now(&mut self, now_ns: u64) {
        self.now = instant(now_ns).max(self.now);
        self.device.disarm_interrupt();
        self.touch_unanswered();
        self.receive_batch();
        self.fire_timers();
        self.time_wait.expire(self.now);
        self.transmit_queued();
        if self.general_due.is_some_and(|due| due <= self.now) {
            self.poll_general();
        }
        self.device.flush();
    }

    pub(super) fn idle(&mut self, now_ns: u64) -> Idle {
        self.now = instant(now_ns).max(self.now);
        if !self.is_egress_empty() && self.device.can_transmit() || !self.device.arm_interrupt() {
            return Idle::No;
        }
        // What the device has no room or no memory for now.
        let retry = (!self.is_egress_empty()).then(|| self.now + RETRY_DELAY);
        let next = [self.timers.next(), self.general_due, retry]
            .into_iter()
            .flatten()
            .min();
        match next {
            Some(next) if next <= self.now => Idle::No,
            next => Idle::Until(next.map(|instant| instant.total_micros() as u64 * 1000)),
        }
    }

    /// Tells whether the interface has an address to work with; a lease that does not come is an error.
    pub(super) fn check_configured(&mut self, now_ns: u64) -> Result<bool, NetError> {
        if self.is_configured {
            return Ok(true);
        }
        let now = instant(now_ns);
        let deadline = *self.lease_deadline.get_or_insert(now + LEASE_TIMEOUT);
        if now >= deadline {
            Err(NetError::NetworkDown)
        } else {
            Ok(false)
        }
    }

    fn receive_batch(&mut self) {
        for _ in 0..MAX_BATCH_FRAMES {
            let Some(frame) = self.device.receive() else {
                return;
            };
            self.receive_frame(&frame);
            self.device.recycle(frame);
        }
    }

    pub(super) fn receive_frame(&mut self, frame: &ReceivedFrame) {
        if frame.checksum_valid
            && let Some(segment) = read_plain(frame.bytes())
        {
            self.receive_segment(&segment, frame.bytes());
        } else {
            self.receive_any(frame);
        }
    }

    /// Receives a frame that is not [plain](read_plain).
    #[inline(never)]
    fn receive_any(&mut self, frame: &ReceivedFrame) {
        match &classify(frame.bytes(), frame.checksum_valid) {
            Class::Tcp(segment) => self.receive_segment(segment, frame.bytes()),
            &Class::Udp(local) => self.receive_datagram(local, frame.bytes()),
            Class::Neighbor => {
                self.receive_general(frame.bytes());
                let waiting = core::mem::take(&mut self.waiting_for_neighbor);
                for id in waiting {
                    self.touch(id);
                }
                self.touch_datagram_sockets();
            }
            Class::Other => self.receive_general(frame.bytes()),
            Class::Drop => {}
        }
    }

    pub(super) fn receive_general(&mut self, bytes: &[u8]) {
        let mut exchange = Exchange::incoming(&mut self.device, bytes);
        self.interface
            .poll_ingress_single(self.now, &mut exchange, &mut self.general);
        self.general_due = Some(self.now);
    }

    pub(super) fn is_egress_empty(&self) -> bool {
        self.egress.is_empty() && self.datagram_egress.is_empty() && self.awaiting_answer.is_empty()
    }

    /// Queues the connections that the program has had a chance to answer.
    fn touch_unanswered(&mut self) {
        for id in self.awaiting_answer.drain(..) {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.enqueue(id, &mut self.egress);
            }
        }
    }

    /// Puts a connection into the egress queue.
    pub(super) fn touch(&mut self, id: u32) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.enqueue(id, &mut self.egress);
        }
    }

    /// Queues the connections whose timers are due.
    fn fire_timers(&mut self) {
        while let Some((time, id)) = self.timers.pop_due(self.now) {
            if let Some(connection) = self.connections.get_mut(id)
                && Timers::is_live(&mut connection.alarm, time)
            {
                self.touch(id);
            }
        }
    }

    fn transmit_queued(&mut self) {
        core::mem::swap(&mut self.egress, &mut self.egress_turn);
        let mut turn = core::mem::take(&mut self.egress_turn);
        for (place, &id) in turn.iter().enumerate() {
            if !self.device.can_transmit() {
                // The rest keeps its place in the queue.
                self.egress.extend_from_slice(&turn[place..]);
                break;
            }
            self.transmit_connection(id);
        }
        turn.clear();
        self.egress_turn = turn;
        self.transmit_datagrams();
    }

    fn transmit_connection(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.is_queued = false;
        if let Owner::Nobody(deadline) = connection.owner
            && deadline <= self.now
        {
            connection.socket_mut().abort();
        }
        let before = connection.update_timeout();
        connection.recovery.decide(self.now);
        for _ in 0..MAX_BURST_SEGMENTS {
            let mut exchange = Exchange::outgoing(&mut self.device).without_arrived(connection.recovery.filter());
            self.interface.poll_egress(self.now, &mut exchange, &mut connection.set);
            let mut sent = exchange.sent;
            connection.note_sent(&mut sent, self.now);
            let deadline = connection.recovery.deadline();
            if connection.has_sent_all(&sent) && deadline.is_some_and(|deadline| connection.alarm.is_within(deadline)) {
                return;
            }
            let Sent {
                frames,
                exhausted,
                neighbor_missing,
                ..
            } = sent;
            let due = self.deadlines.poll_at(self.now, &connection.set);
            let is_silent = due.is_none();
            if neighbor_missing {
                self.waiting_for_neighbor.push(id);
            }
            let end_of_life = match connection.owner {
                Owner::Nobody(end) => Some(end),
                _ => None,
            };
            match [due, deadline, end_of_life].into_iter().flatten().min() {
                Some(due) if due <= self.now && frames > 0 && !exhausted => continue,
                _ if !exhausted && connection.recovery.begins_to_repeat() => {
                    rewind(&mut self.interface, &mut self.device, self.now, connection);
                    continue;
                }
                Some(due) => {
                    let due = if due <= self.now { self.now + RETRY_DELAY } else { due };
                    self.timers.schedule(&mut connection.alarm, id, due);
                }
                None => {}
            }
            if is_silent {
                self.repeat_fin(id);
            }
            self.probe_window(id);
            return self.after_transmit(id, before);
        }
        self.touch(id);
    }

    /// Draws conclusions from the state that a connection is in once it has sent what it may.
    fn after_transmit(&mut self, id: u32, before: tcp::State) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.socket().state() {
            tcp::State::Closed => {
                let ended_well = matches!(before, tcp::State::Closed | tcp::State::TimeWait);
                self.connection_closed(id, (!ended_well).then_some(NetError::TimedOut));
            }
            tcp::State::TimeWait if matches!(connection.owner, Owner::Nobody(_)) => self.enter_time_wait(id),
            _ => {}
        }
    }

    pub(super) fn poll_general(&mut self) {
        self.interface.poll_maintenance(self.now);
        self.touch_datagram_sockets();
        let mut exchange = Exchange::outgoing(&mut self.device);
        self.interface.poll_egress(self.now, &mut exchange, &mut self.general);
        self.take_lease();
        let later = |due: Instant, delay| if due <= self.now { self.now + delay } else { due };
        let sockets_due = self.deadlines.poll_at(self.now, &self.general);
        let router_due = self.interface.poll_at(self.now, &SocketSet::new([]));
        let dues = [
            sockets_due.map(|due| later(due, RETRY_DELAY)),
            router_due.map(|due| later(due, SOLICITATION_INTERVAL)),
        ];
        self.general_due = dues.into_iter().flatten().min();
    }

    fn take_lease(&mut self) {
        let Some(dhcp) = self.dhcp else {
            return;
        };
        match self.general.get_mut::<dhcpv4::Socket<'static>>(dhcp).poll() {
            Some(dhcpv4::Event::Configured(lease)) => {
                let (address, router) = (lease.address, lease.router);
                let name_servers: Vec<IpAddress> = lease.dns_servers.iter().map(|&server| server.into()).collect();
                self.replace_ipv4_address(Some(IpCidr::Ipv4(address)));
                if let Some(router) = router {
                    add_default_route(&mut self.interface, router.into());
                }
                self.resolver.add_name_servers(&mut self.general, &name_servers);
                self.is_configured = true;
            }
            Some(dhcpv4::Event::Deconfigured) => {
                self.replace_ipv4_address(None);
                self.interface.routes_mut().remove_default_ipv4_route();
            }
            None => {}
        }
    }

    fn replace_ipv4_address(&mut self, address: Option<IpCidr>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.retain(|old| matches!(old, IpCidr::Ipv6(_)));
            if let Some(address) = address {
                let pushed = addresses.push(address);
                debug_assert!(pushed.is_ok(), "the old address left room");
            }
        });
    }

    /// Returns a pseudo-random number for port choices (xorshift64*); sequence numbers are smoltcp's.
    pub(super) fn next_random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random = if self.random == 0 { 1 } else { self.random };
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Makes smoltcp send again from the first byte that is not acknowledged, which is what it does when its timer runs out: it is shown
/// a time at which that is so, on a device without room, so that nothing else comes of it.
fn rewind<D: EthernetDevice>(interface: &mut Interface, device: &mut D, now: Instant, connection: &mut Connection) {
    let timeout = connection.socket().timeout();
    connection.socket_mut().set_timeout(None);
    interface.poll_egress(
        now + LONGEST_RETRANSMISSION,
        &mut Exchange::full(device),
        &mut connection.set,
    );
    connection.socket_mut().set_timeout(timeout);
}

fn add_default_route(interface: &mut Interface, gateway: IpAddress) {
    let routes = interface.routes_mut();
    let added = match gateway {
        IpAddress::Ipv4(gateway) => routes.add_default_ipv4_route(gateway),
        IpAddress::Ipv6(gateway) => routes.add_default_ipv6_route(gateway),
    };
    debug_assert!(added.is_ok(), "the table has room for a default route of each family");
}

/// Converts a time of the monotonic clock.
pub(super) fn instant(now_ns: u64) -> Instant {
    Instant::from_micros((now_ns / 1000) as i64)
}
