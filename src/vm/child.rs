//! Starting QEMU as a child that cannot outlive this process.
//!
//! The only unsafe code of this package: what must happen in the child between `fork` and `exec` has no safe form in the standard
//! library. Limits: Linux, for the signal on the parent's death.

use super::qemu::{self, Descriptors, VmSettings};
use super::{VmError, system};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Starts QEMU. It inherits the descriptors, and nothing else that is ours.
///
/// The caller's thread must live as long as the machine: Linux ties the signal on the parent's death to the thread.
pub fn spawn(settings: &VmSettings, descriptors: &Descriptors) -> Result<Child, VmError> {
    let mut command = Command::new(qemu::PROGRAM);
    command.args(qemu::arguments(settings, descriptors));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // A group of its own: Ctrl-C reaches only us, and we decide.
    command.process_group(0);
    let inherited = descriptors.all();
    // SAFETY: the closure runs in the child between `fork` and `exec`, where only async-signal-safe functions may be called and
    // no memory may be allocated: it calls `prctl` and `fcntl`, reads a captured array and makes errors from `errno` alone.
    unsafe {
        command.pre_exec(move || prepare_child(&inherited));
    }
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => VmError::QemuMissing,
        _ => system("start QEMU")(error),
    })
}

/// Asks for death with the parent and lets `exec` keep the descriptors.
fn prepare_child(inherited: &[RawFd]) -> io::Result<()> {
    // SAFETY: `PR_SET_PDEATHSIG` takes a signal number and touches no memory.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    for &descriptor in inherited {
        // SAFETY: `F_SETFD` changes a flag of a descriptor and touches no memory; a wrong number is an error.
        check(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) })?;
    }
    Ok(())
}

fn check(result: i32) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
