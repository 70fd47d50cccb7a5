//! A wire between a TAP device and a guest's card, or another TAP device, that can be bad on purpose: every frame passes through this process.
//!
//! Each direction has two threads. One takes frames and decides by a seeded generator whether a frame is lost, goes twice, or is
//! held back, so that later ones overtake it; the other sends what was held back when its time has come. The order of decisions is
//! the same in every run with a seed; which frame meets which decision is up to the timing.
//!
//! Limits: frames of up to 64 KiB; a frame is held back once.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

const MAX_FRAME_BYTES: usize = 65536;

/// What happens to frames, each in so many of a hundred cases.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Frames lost.
    pub loss_percent: u64,
    /// Frames that go twice.
    pub duplicate_percent: u64,
    /// Frames held back for a part of `delay`.
    pub late_percent: u64,
    /// The longest that a frame is held back.
    pub delay: Duration,
    /// Seed of all decisions.
    pub seed: u64,
}

/// How many frames met which fate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Frames that came.
    pub frames: u64,
    /// Of them, those lost.
    pub lost: u64,
    /// Those that went twice.
    pub doubled: u64,
    /// Those held back.
    pub late: u64,
}

#[derive(Debug, Default)]
struct Shared {
    is_cut: AtomicBool,
    frames: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    late: AtomicU64,
}

/// A wire. Its threads end with the guest and the TAP device.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    to_guest: File,
}

impl Wire {
    /// Starts to pass frames between a TAP device and the guest's end, of each of which a read takes a frame and a write gives one.
    pub(crate) fn start(tap: File, guest: File, faults: Faults) -> io::Result<Wire> {
        let shared = Arc::new(Shared::default());
        let to_guest = guest.try_clone()?;
        let lanes = [
            (tap.try_clone()?, guest.try_clone()?, faults.seed),
            (guest, tap, !faults.seed),
        ];
        for (take, give, seed) in lanes {
            let lane = Lane {
                take,
                give: Arc::new(give),
                faults,
                random: Random(seed),
                shared: Arc::clone(&shared),
            };
            lane.start();
        }
        Ok(Wire { shared, to_guest })
    }

    /// Cuts the wire, both ways and without a word to anyone, or mends it.
    pub fn cut(&self, is_cut: bool) {
        self.shared.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Sends the guest a frame, whatever the faults.
    ///
    /// # Errors
    /// If the guest has ended.
    pub fn inject(&self, frame: &[u8]) -> io::Result<()> {
        (&self.to_guest).write(frame).map(drop)
    }

    /// Returns what has happened so far.
    pub fn tally(&self) -> Tally {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared {
            frames,
            lost,
            doubled,
            late,
            ..
        } = &*self.shared;
        Tally {
            frames: get(frames),
            lost: get(lost),
            doubled: get(doubled),
            late: get(late),
        }
    }
}

/// One direction.
struct Lane {
    take: File,
    give: Arc<File>,
    faults: Faults,
    random: Random,
    shared: Arc<Shared>,
}

impl Lane {
    fn start(self) {
        let (sender, receiver) = mpsc::channel();
        let give = Arc::clone(&self.give);
        thread::spawn(move || send_late(&receiver, &give));
        thread::spawn(move || self.pass_frames(&sender));
    }

    fn pass_frames(mut self, late: &Sender<Late>) {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        // An end of the wire that is gone ends the lane.
        while let Ok(len_bytes) = self.take.read(&mut frame) {
            let frame = &frame[..len_bytes];
            self.shared.frames.fetch_add(1, Ordering::Relaxed);
            let is_lost = self.random.is_one_of(self.faults.loss_percent);
            if is_lost || self.shared.is_cut.load(Ordering::Relaxed) {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            if self.random.is_one_of(self.faults.duplicate_percent) {
                self.shared.doubled.fetch_add(1, Ordering::Relaxed);
                self.give(frame);
            }
            if self.random.is_one_of(self.faults.late_percent) {
                self.shared.late.fetch_add(1, Ordering::Relaxed);
                let delay = self.faults.delay.mul_f64((self.random.next() % 1000) as f64 / 1000.0);
                // The other end of the channel lives as long as this one.
                let _ = late.send(Late {
                    due: Instant::now() + delay,
                    frame: frame.to_vec(),
                });
            } else {
                self.give(frame);
            }
        }
    }

    fn give(&self, frame: &[u8]) {
        // Whoever is not there to take it has lost it, as on a real wire.
        let _ = (&*self.give).write(frame);
    }
}

/// A frame that was held back; the greatest is the one that is due first.
#[derive(PartialEq, Eq)]
struct Late {
    due: Instant,
    frame: Vec<u8>,
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.cmp(&self.due).then_with(|| other.frame.cmp(&self.frame))
    }
}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn send_late(receiver: &Receiver<Late>, mut give: &File) {
    const LONG: Duration = Duration::from_secs(3600);
    let mut waiting: BinaryHeap<Late> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while waiting.peek().is_some_and(|late| late.due <= now) {
            if let Some(late) = waiting.pop() {
                // As above.
                let _ = give.write(&late.frame);
            }
        }
        let wait = waiting.peek().map_or(LONG, |late| late.due - now);
        match receiver.recv_timeout(wait) {
            Ok(late) => waiting.push(late),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Tells whether this is one of `percent` in a hundred cases.
    fn is_one_of(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}
