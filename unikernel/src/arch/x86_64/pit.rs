//! The 8254 interval timer, as a reference for the time stamp counter where nothing states its frequency.

use super::cpu;
use super::port_io::Port;

const FREQUENCY_HZ: u64 = 1_193_182;
const CHANNEL_2: Port = Port::INTERVAL_TIMER.offset(2);
const COMMAND: Port = Port::INTERVAL_TIMER.offset(3);
const GATE: Port = Port::TIMER_GATE;
const MEASURE_TICKS: u64 = 11_932;
const PLAUSIBLE_HZ: core::ops::Range<u64> = 50_000_000..20_000_000_000;

/// Measures the frequency of the time stamp counter over 10 ms; `None` if the machine has no such timer.
pub fn measure_tsc_hz() -> Option<u64> {
    // Gate on, speaker off; channel 2, both bytes, mode 0: the output rises when the count has run down.
    let gate = GATE.read_u8();
    GATE.write_u8(gate & !2 | 1);
    COMMAND.write_u8(0xb0);
    CHANNEL_2.write_u8(MEASURE_TICKS as u8);
    CHANNEL_2.write_u8((MEASURE_TICKS >> 8) as u8);
    let start = cpu::time_stamp();
    if GATE.read_u8() & 0x20 != 0 {
        return None;
    }
    // No counter known runs at 20 GHz: if the output has not risen by then, there is no timer.
    let give_up = PLAUSIBLE_HZ.end / 100;
    while GATE.read_u8() & 0x20 == 0 {
        if cpu::time_stamp() - start > give_up {
            return None;
        }
    }
    let ticks = cpu::time_stamp() - start;
    Some(ticks * FREQUENCY_HZ / MEASURE_TICKS).filter(|frequency_hz| PLAUSIBLE_HZ.contains(frequency_hz))
}
