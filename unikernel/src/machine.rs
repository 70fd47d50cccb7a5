//! The bare machine as a [`Platform`]: clocks, entropy, the standard streams, sleeping, the end.

use crate::arch::{apic, tsc};
use crate::drivers::{console, entropy, virtio};
use crate::exit::{self, ExitStatus};
use crate::platform::{OutputStream, Platform, StdinRead};

/// How often a device without an interrupt is looked at.
const POLL_INTERVAL_NS: u64 = 1_000_000;

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
        let must_poll = console::prepare_to_wait();
        if virtio::enable_new() {
            return;
        }
        let poll_ns = must_poll.then_some(POLL_INTERVAL_NS);
        let delay_ns = match deadline_ns.map(|deadline_ns| deadline_ns.saturating_sub(tsc::monotonic_ns())) {
            Some(0) => return,
            Some(delay_ns) => Some(delay_ns.min(poll_ns.unwrap_or(u64::MAX))),
            None => poll_ns,
        };
        if let Some(delay_ns) = delay_ns {
            apic::wake_by(tsc::monotonic_ns().saturating_add(delay_ns));
        }
        // The timer goes on: most waits end by a device, and then the next deadline is later. An early wake is allowed.
        virtio::halt();
    }

    fn exit(&mut self, code: u32) -> ! {
        exit::exit(ExitStatus(code))
    }
}
