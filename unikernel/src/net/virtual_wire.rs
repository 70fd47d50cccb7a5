//! Two stacks back to back for tests: a wire with a virtual clock that loses, repeats, damages and delays frames by a seed.
//!
//! Nothing sleeps: [`World::step`] polls both stacks and then moves the clock to whatever happens next, so minutes of
//! retransmissions pass in milliseconds and every run with one seed is the same run.

use super::{
    Configuration, EthernetDevice, Idle, Network, Offloads, ReceivedFrame, Stack, TransmitBuffer, TransmitOffload,
};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

/// What the wire does to frames; each probability is in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Frames that vanish.
    pub loss: u64,
    /// Frames that arrive twice.
    pub duplication: u64,
    /// Frames of which a byte changes.
    pub damage: u64,
    /// Time on the wire.
    pub delay_ns: u64,
    /// Additional random time, which also reorders frames.
    pub jitter_ns: u64,
}

struct Flight {
    arrival_ns: u64,
    serial: u64,
    bytes: Vec<u8>,
}

/// What both ends share.
pub(crate) struct Wire {
    flights: [Vec<Flight>; 2],
    pub faults: Faults,
    /// Frames that a side may still queue before its device is full.
    pub room: usize,
    random: u64,
    serial: u64,
    now_ns: u64,
    /// Frames sent by each side.
    pub sent: [usize; 2],
}

impl Wire {
    fn random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.random >> 33
    }

    fn hits(&mut self, percent: u64) -> bool {
        self.random() % 100 < percent
    }

    /// Puts a frame on the wire towards `side`.
    pub fn send(&mut self, side: usize, bytes: &[u8]) {
        self.sent[1 - side] += 1;
        if self.hits(self.faults.loss) {
            return;
        }
        let copies = if self.hits(self.faults.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let mut bytes = bytes.to_vec();
            if self.hits(self.faults.damage) {
                let place = self.random() as usize % bytes.len();
                bytes[place] ^= 1 << (self.random() % 8);
            }
            let jitter_ns = if self.faults.jitter_ns > 0 {
                self.random() % self.faults.jitter_ns
            } else {
                0
            };
            self.serial += 1;
            let arrival_ns = self.now_ns + self.faults.delay_ns + jitter_ns;
            self.flights[side].push(Flight {
                arrival_ns,
                serial: self.serial,
                bytes,
            });
        }
    }

    fn receive(&mut self, side: usize) -> Option<Vec<u8>> {
        let now_ns = self.now_ns;
        let arrived = self.flights[side]
            .iter()
            .enumerate()
            .filter(|(_, flight)| flight.arrival_ns <= now_ns);
        let (place, _) = arrived.min_by_key(|(_, flight)| (flight.arrival_ns, flight.serial))?;
        Some(self.flights[side].swap_remove(place).bytes)
    }

    fn next_arrival_ns(&self) -> Option<u64> {
        self.flights.iter().flatten().map(|flight| flight.arrival_ns).min()
    }
}

/// One end of the wire.
pub(crate) struct VirtualDevice {
    side: usize,
    wire: Rc<RefCell<Wire>>,
}

impl EthernetDevice for VirtualDevice {
    fn mac_address(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0, self.side as u8 + 1]
    }

    fn max_frame_len_bytes(&self) -> usize {
        1514
    }

    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    fn receive(&mut self) -> Option<ReceivedFrame> {
        let buffer = self.wire.borrow_mut().receive(self.side)?.into_boxed_slice();
        Some(ReceivedFrame {
            start: 0,
            len_bytes: buffer.len(),
            buffer,
            checksum_valid: false,
        })
    }

    fn recycle(&mut self, _: ReceivedFrame) {}

    fn can_transmit(&mut self) -> bool {
        self.wire.borrow().room > 0
    }

    fn transmit_buffer(&mut self, len_bytes: usize) -> Option<TransmitBuffer> {
        let buffer: Box<[u8]> = vec![0; len_bytes].into();
        self.can_transmit().then_some(TransmitBuffer {
            buffer,
            start: 0,
            len_bytes,
        })
    }

    fn transmit(&mut self, mut buffer: TransmitBuffer, offload: TransmitOffload) {
        assert_eq!(offload, TransmitOffload::default());
        let mut wire = self.wire.borrow_mut();
        wire.room -= 1;
        wire.send(1 - self.side, buffer.bytes_mut());
    }

    fn flush(&mut self) {}

    fn arm_interrupt(&mut self) -> bool {
        let wire = self.wire.borrow();
        wire.flights[self.side]
            .iter()
            .all(|flight| flight.arrival_ns > wire.now_ns)
    }

    fn disarm_interrupt(&mut self) {}
}

/// Frames that a device queues between two polls.
const ROOM: usize = 64;

/// Two stacks, 10.0.0.1 and 10.0.0.2 (fd00::1 and fd00::2), and the clock.
pub(crate) struct World {
    /// The stacks.
    pub stacks: [Stack<VirtualDevice>; 2],
    /// The wire between them.
    pub wire: Rc<RefCell<Wire>>,
    /// The time.
    pub now_ns: u64,
}

impl World {
    /// Sets both stacks up.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self::with_configurations(
            seed,
            faults,
            ["ip=10.0.0.1/24 ip=fd00::1/64", "ip=10.0.0.2/24 ip=fd00::2/64"],
        )
    }

    /// Sets both stacks up with words of a command line.
    pub fn with_configurations(seed: u64, faults: Faults, lines: [&str; 2]) -> Self {
        let wire = Wire {
            flights: [Vec::new(), Vec::new()],
            faults,
            room: ROOM,
            random: seed,
            serial: 0,
            now_ns: 0,
            sent: [0; 2],
        };
        let wire = Rc::new(RefCell::new(wire));
        let stacks = [0, 1].map(|side| {
            let configuration = Configuration::parse(lines[side].split(' ')).unwrap();
            let device = VirtualDevice {
                side,
                wire: wire.clone(),
            };
            Stack::new(device, &configuration, [seed + side as u64 + 1, 77], 32 << 20, 0)
        });
        World {
            stacks,
            wire,
            now_ns: 0,
        }
    }

    /// Polls both stacks, then moves the clock to the next event. Returns false if nothing will ever happen.
    pub fn step(&mut self) -> bool {
        for stack in &mut self.stacks {
            self.wire.borrow_mut().room = ROOM;
            stack.poll(self.now_ns);
        }
        self.wire.borrow_mut().room = ROOM;
        let mut next = self.wire.borrow().next_arrival_ns();
        for stack in &mut self.stacks {
            let deadline = match stack.prepare_wait(self.now_ns) {
                Idle::No => Some(self.now_ns),
                Idle::Until(deadline) => deadline,
            };
            next = [next, deadline].into_iter().flatten().min();
        }
        let Some(next) = next else {
            return false;
        };
        // Even a busy step takes a microsecond, so that time passes.
        self.now_ns = next.max(self.now_ns + 1000);
        self.wire.borrow_mut().now_ns = self.now_ns;
        true
    }

    /// Steps until `done` or the time limit; returns whether it was done.
    pub fn run_until(&mut self, limit_ns: u64, mut done: impl FnMut(&mut World) -> bool) -> bool {
        let end_ns = self.now_ns + limit_ns;
        let mut was_busy = true;
        while !done(self) {
            // What `done` does may make something happen although nothing was to happen before.
            let is_busy = self.step();
            if self.now_ns > end_ns || !(is_busy || was_busy) {
                return false;
            }
            was_busy = is_busy;
        }
        true
    }

    /// Steps for a time.
    pub fn run(&mut self, duration_ns: u64) {
        let end_ns = self.now_ns + duration_ns;
        self.run_until(duration_ns, |_| false);
        self.now_ns = self.now_ns.max(end_ns);
        self.wire.borrow_mut().now_ns = self.now_ns;
        self.step();
    }
}
