//! Hostile frames against the network stack, through the border to the card: nothing may panic, nothing may grow without bound,
//! and a good connection beside the attack must deliver every byte, both ways.
//!
//! A scenario is made from random bytes (`cargo run --release -p fuzz --bin packets`).
//! In it the victim listens, accepts, echoes, connects and looks names up, while its clock jumps.
//!
//! Read first: [`run`], then `frames` (what is sent) and `wire`. Limits: the card's own rings and headers are below the border.

mod frames;
mod wire;

use anyhow::{Context, Result, ensure};
use arbitrary::Unstructured;
use frames::Attacker;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use unikernel::net::{Configuration, Family, Network, SocketId, SocketKind, Stack};
use wire::{Card, FRIEND, Hub, VICTIM};

/// Memory that buffers of connections may take.
const BUFFER_BUDGET_BYTES: usize = 8 << 20;
/// Bytes that the good connection carries each way.
const TRANSFER_LEN_BYTES: usize = 50_000;
/// Rounds that the good connection may take once the attack is over.
const MAX_ROUNDS: usize = 20_000;
/// Connections that the victim's program holds at most.
const MAX_HELD: usize = 64;
const MILLISECOND: u64 = 1_000_000;

/// What happened in a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Frames of the attacker.
    pub hostile: u64,
    /// Frames of the victim.
    pub sent: u64,
    /// Connections that the victim accepted of the attacker.
    pub accepted: u64,
}

/// Plays the scenario that the bytes describe.
///
/// # Errors
/// What the good connection suffered.
pub fn run(bytes: &[u8]) -> Result<Totals> {
    let mut scenario = Scenario::new(bytes.len() % 2 == 1)?;
    let mut choices = Unstructured::new(bytes);
    while !choices.is_empty() {
        // The choices run out in the middle of a frame: that is the end.
        if scenario.attack(&mut choices).is_err() {
            break;
        }
        scenario.round(MILLISECOND)?;
    }
    let mut rounds = 0;
    while !scenario.is_complete() {
        ensure!(
            rounds < MAX_ROUNDS,
            "the good connection is stuck after {:?} bytes",
            [&scenario.good[0], &scenario.good[1]].map(|end| end.received)
        );
        scenario.round(100 * MILLISECOND)?;
        rounds += 1;
    }
    Ok(scenario.totals)
}

/// One end of the good connection.
struct GoodEnd {
    socket: SocketId,
    sent: usize,
    received: usize,
}

struct Scenario {
    hub: Rc<RefCell<Hub>>,
    stacks: [Stack<Card>; 2],
    now_ns: u64,
    attacker: Attacker,
    listeners: Vec<SocketId>,
    datagrams: SocketId,
    /// Connections that the victim accepted of the attacker or made to it.
    held: Vec<SocketId>,
    good: [GoodEnd; 2],
    totals: Totals,
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of this file")
}

impl Scenario {
    /// Sets both stacks up, the victim by DHCP or not, and makes the good connection.
    fn new(uses_dhcp: bool) -> Result<Scenario> {
        let hub = Rc::new(RefCell::new(Hub::default()));
        let victim = if uses_dhcp {
            "ip=dhcp ip=fd00::2/64 dns=10.0.0.9"
        } else {
            "ip=10.0.0.2/24 ip=fd00::2/64 dns=10.0.0.9"
        };
        let stack = |side, words: &str| -> Result<Stack<Card>> {
            let configuration = Configuration::parse(words.split(' ')).context("the configuration is right")?;
            let card = Card { side, hub: hub.clone() };
            Ok(Stack::new(
                card,
                &configuration,
                [side as u64 + 1, 77],
                BUFFER_BUDGET_BYTES,
                0,
            ))
        };
        let mut stacks = [stack(VICTIM, victim)?, stack(FRIEND, "ip=10.0.0.1/24 ip=fd00::1/64")?];
        let mut listeners = Vec::new();
        for (family, local) in [(Family::Ipv4, "0.0.0.0:80"), (Family::Ipv6, "[::]:80")] {
            let listener = stacks[VICTIM].open(family, SocketKind::Stream)?;
            stacks[VICTIM].bind(listener, address(local))?;
            stacks[VICTIM].listen(listener, 16)?;
            listeners.push(listener);
        }
        let datagrams = stacks[VICTIM].open(Family::Ipv4, SocketKind::Datagram)?;
        stacks[VICTIM].bind(datagrams, address("0.0.0.0:9000"))?;
        let friend = stacks[FRIEND].open(Family::Ipv6, SocketKind::Stream)?;
        let mut now_ns = 0;
        let victim = loop {
            // In progress, until it is done; the bound below tells what does not end.
            let _ = stacks[FRIEND].connect(friend, address("[fd00::2]:80"));
            if let Ok(socket) = stacks[VICTIM].accept(listeners[1]) {
                break socket;
            }
            ensure!(now_ns < 60_000 * MILLISECOND, "the friend cannot connect");
            now_ns += MILLISECOND;
            stacks.iter_mut().for_each(|stack| {
                stack.poll(now_ns);
            });
        };
        let good = [victim, friend].map(|socket| GoodEnd {
            socket,
            sent: 0,
            received: 0,
        });
        Ok(Scenario {
            hub,
            stacks,
            now_ns,
            attacker: Attacker::default(),
            listeners,
            datagrams,
            held: Vec::new(),
            good,
            totals: Totals::default(),
        })
    }

    /// Delivers a few hostile frames and lets the victim's program do something.
    fn attack(&mut self, choices: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        for _ in 0..choices.int_in_range(1..=8)? {
            let frame = self.attacker.frame(choices)?;
            let (checksum_valid, start) = (choices.ratio(1, 4)?, *choices.choose(&[0, 10, 12])?);
            self.hub.borrow_mut().deliver(VICTIM, &frame, checksum_valid, start);
            self.totals.hostile += 1;
        }
        self.act(choices)?;
        self.now_ns += *choices.choose(&[0, 1000, MILLISECOND, 200 * MILLISECOND, 3000 * MILLISECOND])?;
        Ok(())
    }

    /// What the victim's program does; each call may fail, as the attacker pleases.
    fn act(&mut self, choices: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let victim = &mut self.stacks[VICTIM];
        let mut buffer = [0; 3000];
        if let Ok(received) = victim.receive(self.datagrams, &mut buffer, choices.arbitrary()?) {
            let _ = victim.send(self.datagrams, &buffer[..received.len_bytes], received.from);
        }
        for &listener in &self.listeners {
            if let Ok(socket) = victim.accept(listener) {
                self.totals.accepted += 1;
                self.held.push(socket);
            }
        }
        if choices.ratio(1, 16)?
            && let Ok(socket) = victim.open(Family::Ipv4, SocketKind::Stream)
        {
            let _ = victim.connect(socket, address("10.0.0.9:1000"));
            self.held.push(socket);
        }
        if choices.ratio(1, 16)?
            && let Ok(lookup) = victim.start_lookup("name.test", Family::Ipv4, self.now_ns)
        {
            let _ = victim.finish_lookup(lookup, self.now_ns);
        }
        for &socket in &self.held {
            if let Ok(received) = victim.receive(socket, &mut buffer, false) {
                let _ = victim.send(socket, &buffer[..received.len_bytes], None);
            }
        }
        if self.held.len() > MAX_HELD || !self.held.is_empty() && choices.ratio(1, 4)? {
            let place = choices.choose_index(self.held.len())?;
            victim.close(self.held.swap_remove(place));
        }
        Ok(())
    }

    /// Polls both stacks, moves what the good connection carries, and shows the attacker what the victim sent.
    fn round(&mut self, duration_ns: u64) -> Result<()> {
        self.now_ns += duration_ns;
        for side in [VICTIM, FRIEND] {
            self.stacks[side].poll(self.now_ns);
            self.stacks[side].prepare_wait(self.now_ns);
            self.transfer(side)?;
        }
        let sent = std::mem::take(&mut self.hub.borrow_mut().sent_by_victim);
        self.totals.sent += sent.len() as u64;
        sent.iter().for_each(|frame| self.attacker.observe(frame));
        Ok(())
    }

    fn transfer(&mut self, side: usize) -> Result<()> {
        let (stack, end) = (&mut self.stacks[side], &mut self.good[side]);
        let mut buffer = [0; 1500];
        if end.sent < TRANSFER_LEN_BYTES {
            let len = buffer.len().min(TRANSFER_LEN_BYTES - end.sent);
            (0..len).for_each(|offset| buffer[offset] = pattern(end.sent + offset));
            end.sent += stack.send(end.socket, &buffer[..len], None).unwrap_or(0);
        }
        if let Ok(received) = stack.receive(end.socket, &mut buffer, false) {
            let bytes = &buffer[..received.len_bytes];
            ensure!(
                bytes
                    .iter()
                    .enumerate()
                    .all(|(offset, &byte)| byte == pattern(end.received + offset)),
                "the good connection delivers wrong bytes after {}",
                end.received
            );
            end.received += bytes.len();
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.good.iter().all(|end| end.received == TRANSFER_LEN_BYTES)
    }
}

fn pattern(offset: usize) -> u8 {
    (offset as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]
}
