//! How the end of a virtual machine becomes the exit code of a program.
//!
//! The kernel writes the program's exit code as decimal digits and a newline to the debug console before it stops the machine
//! through `isa-debug-exit`. The status of the QEMU process alone would not do: it carries seven bits, and QEMU also ends with 0
//! when a guest resets and with 1 when it cannot start. So: a code on the channel is the truth; without one, an odd status above
//! 1 is what `isa-debug-exit` made of a code; anything else is a machine that died.

use std::process::ExitStatus;

/// How a virtual machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmEnd {
    /// The program ended with this exit code.
    Exited(u32),
    /// The machine stopped or QEMU ended without a word from the kernel.
    Died(ExitStatus),
}

impl VmEnd {
    /// Interprets what came over the exit channel and the status of the QEMU process.
    pub fn new(channel: &[u8], status: ExitStatus) -> VmEnd {
        if let Some(code) = parse_exit_channel(channel) {
            return VmEnd::Exited(code);
        }
        match status.code() {
            // `isa-debug-exit` ends QEMU with 2 * code + 1; 1 is also how QEMU itself fails.
            Some(code) if code > 1 && code % 2 == 1 => VmEnd::Exited(code as u32 / 2),
            _ => VmEnd::Died(status),
        }
    }
}

/// Returns the code in the last whole line.
fn parse_exit_channel(channel: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(channel).ok()?;
    text.strip_suffix('\n')?.rsplit('\n').next()?.parse().ok()
}

/// Returns the exit code for the host: Linux keeps eight bits, and a failure must not turn into a success.
pub fn host_exit_code(guest_code: u32) -> u8 {
    u8::try_from(guest_code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn status(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn the_channel_outranks_the_status() {
        assert_eq!(VmEnd::new(b"300\n", status(89)), VmEnd::Exited(300));
        assert_eq!(VmEnd::new(b"0\n", status(1)), VmEnd::Exited(0));
    }

    #[test]
    fn without_a_channel_the_status_gives_seven_bits() {
        assert_eq!(VmEnd::new(b"", status(2 * 42 + 1)), VmEnd::Exited(42));
    }

    #[test]
    fn a_machine_that_says_nothing_has_died() {
        assert_eq!(VmEnd::new(b"", status(0)), VmEnd::Died(status(0)));
        assert_eq!(VmEnd::new(b"", status(1)), VmEnd::Died(status(1)));
        assert_eq!(
            VmEnd::new(b"13", ExitStatus::from_raw(9)),
            VmEnd::Died(ExitStatus::from_raw(9))
        );
    }

    #[test]
    fn a_failure_never_becomes_a_success() {
        assert_eq!(host_exit_code(134), 134);
        assert_eq!(host_exit_code(256), 255);
    }
}
