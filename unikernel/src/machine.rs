//! The bare machine as a [`Platform`]: clocks, entropy, the standard streams, sleeping, the end.

use crate::arch::interrupts::{self, InterruptLine};
use crate::arch::{apic, tsc};
use crate::drivers::{console, entropy};
use crate::exit::{self, ExitStatus};
use crate::platform::{OutputStream, Platform, StdinRead};

/// The machine. Its devices are global, so this has no state of its own.
pub struct Machine;

impl Platform for Machine {
    fn monotonic_ns(&mut self) -> u64 {
        tsc::monotonic_ns()
    }

    fn wall_clock_ns(&mut self) -> u64 {
        tsc::wall_clock_ns()
    }

    fn fill_entropy(&mut self, seed: &mut [u8; 32]) {
        entropy::fill_seed(seed);
    }

    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        console::write(stream, bytes);
    }

    fn is_terminal(&self, fd: u32) -> bool {
        console::is_terminal(fd)
    }

    fn read_stdin(&mut self, buffer: &mut [u8]) -> StdinRead {
        console::read_stdin(buffer)
    }

    fn is_stdin_ready(&mut self) -> bool {
        console::is_stdin_ready()
    }

    fn wait(&mut self, deadline_ns: Option<u64>) {
        if let Some(deadline_ns) = deadline_ns {
            let now_ns = tsc::monotonic_ns();
            if now_ns >= deadline_ns {
                return;
            }
            apic::start_timer(deadline_ns - now_ns);
        }
        console::prepare_to_wait();
        interrupts::halt_until_interrupt();
        // A note of the timer that nobody takes would say nothing about the next one.
        if deadline_ns.is_some() && !interrupts::take(InterruptLine::TIMER) {
            apic::stop_timer();
        }
    }

    fn exit(&mut self, code: u32) -> ! {
        exit::exit(ExitStatus(code))
    }
}
