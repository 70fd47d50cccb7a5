//! The 8254 interval timer, as a reference for the time stamp counter where nothing states that one's frequency.
//!
//! Channel 2 counts down from 65,536 at a rate that is the same on every PC, round and round. Two readings, far enough apart for
//! the uncertainty of each not to matter and close enough together for the rounds to be counted, give the frequency.
//! Reference: Intel 8254 data sheet.

use super::cpu;
use super::port_io::Port;

/// Ticks a second.
pub const FREQUENCY_HZ: u64 = 1_193_182;
/// Ticks until the count repeats.
pub const ROUND_TICKS: u64 = 65_536;

const CHANNEL_2: Port = Port::INTERVAL_TIMER.offset(2);
const COMMAND: Port = Port::INTERVAL_TIMER.offset(3);
const GATE: Port = Port::TIMER_GATE;
const RATE_GENERATOR: u8 = 0xb4;
const LATCH: u8 = 0x80;
const TRIES: u32 = 8;
/// Readings until a count that does not move means that there is no timer.
const PATIENCE: u32 = 1_000;

/// The timer and the time stamp counter at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The time stamp counter.
    pub time_stamp: u64,
    /// Ticks since the round began.
    pub phase_ticks: u64,
}

impl Sample {
    /// Reads both as close together as a few tries allow.
    pub fn take() -> Sample {
        let mut best = (
            u64::MAX,
            Sample {
                time_stamp: 0,
                phase_ticks: 0,
            },
        );
        for _ in 0..TRIES {
            let before = cpu::time_stamp();
            COMMAND.write_u8(LATCH);
            let duration = cpu::time_stamp().saturating_sub(before);
            let count = u64::from(CHANNEL_2.read_u8()) | u64::from(CHANNEL_2.read_u8()) << 8;
            if duration < best.0 {
                let sample = Sample {
                    time_stamp: before + duration / 2,
                    phase_ticks: (ROUND_TICKS - count) % ROUND_TICKS,
                };
                best = (duration, sample);
            }
        }
        best.1
    }

    /// Returns the ticks from `earlier` to this, less whole rounds.
    pub const fn ticks_since(self, earlier: Sample) -> u64 {
        (self.phase_ticks + ROUND_TICKS - earlier.phase_ticks) % ROUND_TICKS
    }
}

/// Lets the timer run and returns a first sample; `None` if the machine has no such timer.
pub fn start() -> Option<Sample> {
    // Gate on, speaker off; both bytes of the count, where 0 means 65,536.
    GATE.write_u8(GATE.read_u8() & !2 | 1);
    COMMAND.write_u8(RATE_GENERATOR);
    CHANNEL_2.write_u8(0);
    CHANNEL_2.write_u8(0);
    let first = Sample::take();
    (0..PATIENCE)
        .map(|_| Sample::take())
        .find(|sample| sample.ticks_since(first) != 0)
}
