//! Boots an image in QEMU and collects what the program wrote and how it ended.
//!
//! The smallest machine that the kernel knows: a serial port for all output and the two ports of the exit code, no VirtIO device.
//! Nothing is shared between machines, so any number may run at once.
//!
//! Read first: [`boot`]. Limits: QEMU's translator, which behaves alike everywhere.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// How long a program may run, in seconds: far beyond what any test needs, on a busy machine too.
const TIME_LIMIT: &str = "120";

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` if the machine stopped without one.
    pub code: Option<u32>,
    /// What it and the kernel wrote.
    pub output: String,
}

/// Boots an image and waits for the program's end.
///
/// # Errors
/// The operating system's, if QEMU cannot be started.
pub fn boot(image: &[u8], memory_bytes: u64) -> io::Result<Ended> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(image)?;
    let output = Command::new("timeout")
        .args([
            TIME_LIMIT,
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
        ])
        .args(["-display", "none", "-accel", "tcg", "-cpu", "max"])
        .args([
            "-machine",
            "microvm,acpi=off,x-option-roms=off,auto-kernel-cmdline=on,rtc=on",
        ])
        .args(["-m", &format!("{}M", memory_bytes.div_ceil(1 << 20))])
        .arg("-kernel")
        .arg(file.path())
        .args(["-serial", "stdio"])
        // QEMU has no name for its standard error, which the exit code goes to.
        .args(["-chardev", "file,id=exit,path=/proc/self/fd/2"])
        .args(["-device", "isa-debugcon,iobase=0x505,readback=0xe9,chardev=exit"])
        .args(["-device", "isa-debug-exit,iobase=0x501,iosize=4"])
        .stdin(Stdio::null())
        .output()?;
    let messages = String::from_utf8_lossy(&output.stderr);
    let code = messages.lines().last().and_then(|line| line.parse().ok());
    let mut text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    if code.is_none() {
        text += &messages;
    }
    Ok(Ended { code, output: text })
}
