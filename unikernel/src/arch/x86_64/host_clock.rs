//! The host's wall clock, asked for over a serial port.
//!
//! The real-time clock tells the second only, and what stands on the command line is old by the time that the machine took to
//! start. So the host may answer each byte that it gets over the second serial port with its time: nanoseconds since 1970, eight
//! bytes, the lowest first. `wasmetal run` does (`src/vm/clock.rs`), and says so by the word `clock=host` of the command line.
//! The answer holds for the middle between question and answer, so it is wrong by at most half of what they took: some ten
//! microseconds on an idle host. Waiting for the real-time clock's next second would be as good and need no host, but would cost
//! every program that asks for the time half a second.
//!
//! Reference: PC16550D data sheet.

use super::cpu;
use super::port_io::Port;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};

const DATA: Port = Port::SERIAL_2;
const LINE_CONTROL: Port = Port::SERIAL_2.offset(3);
const LINE_STATUS: Port = Port::SERIAL_2.offset(5);

const EIGHT_BITS: u8 = 3;
const DATA_READY: u8 = 1;
const QUESTION: u8 = b'?';
/// The first answer may be late because the host was asleep; the quickest one counts.
const ATTEMPTS: usize = 3;
/// How often the status is read before the host is taken for silent.
const PATIENCE: u32 = 1_000_000;

static ANSWERS: AtomicBool = AtomicBool::new(false);

struct Answer {
    /// Time stamp counter at the question, and when the answer began.
    asked: u64,
    answered: u64,
    date_ns: u64,
}

/// Notes that the host answers.
pub fn announce() {
    ANSWERS.store(true, Ordering::Relaxed);
}

/// Returns a value of the time stamp counter, and the wall clock at that moment in nanoseconds since 1970; `None` if the host
/// does not answer.
pub(super) fn read() -> Option<(u64, u64)> {
    if !ANSWERS.load(Ordering::Relaxed) {
        return None;
    }
    LINE_CONTROL.write_u8(EIGHT_BITS);
    let answers = core::iter::from_fn(ask).take(ATTEMPTS);
    let quickest = answers.min_by_key(|answer| answer.answered.saturating_sub(answer.asked))?;
    Some((quickest.asked.midpoint(quickest.answered), quickest.date_ns))
}

fn ask() -> Option<Answer> {
    let asked = cpu::time_stamp();
    DATA.write_u8(QUESTION);
    let mut bytes = [wait_for_byte()?; 8];
    let answered = cpu::time_stamp();
    for byte in &mut bytes[1..] {
        *byte = wait_for_byte()?;
    }
    Some(Answer {
        asked,
        answered,
        date_ns: u64::from_le_bytes(bytes),
    })
}

fn wait_for_byte() -> Option<u8> {
    for _ in 0..PATIENCE {
        if LINE_STATUS.read_u8() & DATA_READY != 0 {
            return Some(DATA.read_u8());
        }
        spin_loop();
    }
    None
}
