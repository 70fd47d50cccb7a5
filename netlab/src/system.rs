//! The two system calls that the standard library does not have: a network namespace for this thread, and opening a TAP device.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;

/// Name of the TAP device of a namespace.
pub const TAP: &str = "tap0";

/// Moves the calling thread into a new network namespace. Threads and processes that it starts are born there; the namespace ends
/// with the last of them.
///
/// # Errors
/// Of the system; without root that it is not permitted.
pub fn enter_new_network_namespace() -> io::Result<()> {
    // SAFETY: the call changes which network this thread sees, and no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Opens an existing TAP device of this thread's namespace: a read takes a frame that the kernel sends, a write is one it receives.
///
/// # Errors
/// Of the system.
pub fn open_tap(name: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: an `ifreq` of zeroes is a valid one: integers, and a union of integers and pointers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes an `ifreq`, which the pointer leads to.
    if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } == 0 {
        Ok(file)
    } else {
        Err(io::Error::last_os_error())
    }
}
