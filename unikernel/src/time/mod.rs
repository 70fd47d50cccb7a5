//! Time as programs see it: the two clocks of the machine, and the time that the program has used.
//!
//! There is one CPU and one program, so the time used is the time passed less the time slept. Every sleep goes through
//! [`Clock::wait`], which keeps that account.

use crate::platform::{Installed, Platform};

/// The account of the program's time.
#[derive(Debug)]
pub struct Clock {
    started_ns: u64,
    slept_ns: u64,
}

impl Clock {
    /// Starts the account.
    pub fn start(platform: &mut Installed) -> Self {
        Clock {
            started_ns: platform.monotonic_ns(),
            slept_ns: 0,
        }
    }

    /// Returns the nanoseconds that the program has used.
    pub fn cpu_time_ns(&self, platform: &mut Installed) -> u64 {
        platform
            .monotonic_ns()
            .saturating_sub(self.started_ns)
            .saturating_sub(self.slept_ns)
    }

    /// Sleeps until an event arrives or the monotonic clock reaches `deadline_ns` (never, where `None`). May return early.
    pub fn wait(&mut self, platform: &mut Installed, deadline_ns: Option<u64>) {
        let before = platform.monotonic_ns();
        platform.wait(deadline_ns);
        self.slept_ns += platform.monotonic_ns().saturating_sub(before);
    }
}
