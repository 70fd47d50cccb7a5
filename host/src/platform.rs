//! The unikernel's [`Platform`] over a Linux process, so that the very same WASI code runs here.
//!
//! Standard streams are the process's, unbuffered. Waiting is `poll(2)` on standard input (if the program asked for it and got
//! nothing) with the deadline for a timeout. Ending the program leaves Wasm code at once: `trap::run` returns.
//!
//! Read first: [`LinuxPlatform`].

use crate::clock::MonotonicClock;
use crate::trap::{Outcome, leave};
use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};
use unikernel::platform::{OutputStream, Platform, StdinRead};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// The machine that this process is.
#[derive(Debug)]
pub struct LinuxPlatform {
    clock: MonotonicClock,
    /// Whether standard input has ended.
    stdin_ended: bool,
    /// Whether the program found standard input empty since it last waited.
    wants_stdin: bool,
}

impl LinuxPlatform {
    /// Makes a platform whose monotonic clock starts now.
    pub fn new() -> LinuxPlatform {
        LinuxPlatform {
            clock: MonotonicClock::start(),
            stdin_ended: false,
            wants_stdin: false,
        }
    }
}

impl Default for LinuxPlatform {
    fn default() -> LinuxPlatform {
        LinuxPlatform::new()
    }
}

impl Platform for LinuxPlatform {
    fn monotonic_ns(&mut self) -> u64 {
        self.clock.now_ns()
    }

    fn wall_clock_ns(&mut self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos() as u64)
    }

    fn fill_entropy(&mut self, seed: &mut [u8; 32]) {
        let mut filled = 0;
        while filled < seed.len() {
            // SAFETY: the rest of `seed` may be written.
            let count = unsafe { libc::getrandom(seed[filled..].as_mut_ptr().cast(), seed.len() - filled, 0) };
            filled += usize::try_from(count).unwrap_or(0);
        }
    }

    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        let fd = match stream {
            OutputStream::Stdout => libc::STDOUT_FILENO,
            OutputStream::Stderr => libc::STDERR_FILENO,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            // SAFETY: `rest` may be read.
            let count = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(count) {
                Ok(count) => rest = &rest[count..],
                Err(_) => match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => poll(fd, libc::POLLOUT, None),
                    // A stream that nobody reads takes everything, as a console does.
                    _ => return,
                },
            }
        }
    }

    fn is_terminal(&self, fd: u32) -> bool {
        match fd {
            0 => io::stdin().is_terminal(),
            1 => io::stdout().is_terminal(),
            2 => io::stderr().is_terminal(),
            _ => false,
        }
    }

    fn read_stdin(&mut self, buffer: &mut [u8]) -> StdinRead {
        if !self.is_stdin_ready() {
            return StdinRead::Pending;
        }
        if self.stdin_ended {
            return StdinRead::End;
        }
        // SAFETY: `buffer` may be written.
        let count = unsafe { libc::read(libc::STDIN_FILENO, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(count) {
            Ok(0) => self.end_stdin(),
            Ok(count) => StdinRead::Bytes(count),
            Err(_) => match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => StdinRead::Pending,
                _ => self.end_stdin(),
            },
        }
    }

    fn is_stdin_ready(&mut self) -> bool {
        let is_ready = self.stdin_ended || is_readable(libc::STDIN_FILENO);
        self.wants_stdin |= !is_ready;
        is_ready
    }

    fn wait(&mut self, deadline_ns: Option<u64>) {
        let timeout_ns = deadline_ns.map(|deadline| deadline.saturating_sub(self.monotonic_ns()));
        let fd = if self.wants_stdin { libc::STDIN_FILENO } else { -1 };
        self.wants_stdin = false;
        poll(fd, libc::POLLIN, timeout_ns);
    }

    fn exit(&mut self, code: u32) -> ! {
        leave(Outcome::Exited(code))
    }
}

impl LinuxPlatform {
    fn end_stdin(&mut self) -> StdinRead {
        self.stdin_ended = true;
        StdinRead::End
    }
}

fn is_readable(fd: libc::c_int) -> bool {
    let mut request = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one request, which may be written.
    unsafe { libc::poll(&mut request, 1, 0) > 0 }
}

/// Waits until `fd` (none, if negative) is ready or so many nanoseconds have passed.
fn poll(fd: libc::c_int, events: libc::c_short, timeout_ns: Option<u64>) {
    let mut request = libc::pollfd { fd, events, revents: 0 };
    let timeout = timeout_ns.map(|timeout_ns| libc::timespec {
        tv_sec: (timeout_ns / NS_PER_SECOND) as libc::time_t,
        tv_nsec: (timeout_ns % NS_PER_SECOND) as libc::c_long,
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: one request, which may be written; the timeout is null or outlives the call.
    unsafe { libc::ppoll(&mut request, 1, timeout, std::ptr::null()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_at_the_deadline() {
        let mut platform = LinuxPlatform::new();
        let deadline = platform.monotonic_ns() + 2_000_000;
        while platform.monotonic_ns() < deadline {
            platform.wait(Some(deadline));
        }
        platform.wait(Some(0));
    }

    #[test]
    fn seeds_differ() {
        let mut seeds = [[0; 32]; 2];
        for seed in &mut seeds {
            LinuxPlatform::new().fill_entropy(seed);
        }
        assert_ne!(seeds[0], seeds[1]);
    }
}
