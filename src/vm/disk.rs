//! Disks of the virtual machine, each a file of the host, and what the kernel is told about them.
//!
//! With `cache=writeback` the host's memory may hold what the guest wrote until the guest flushes; then QEMU calls `fdatasync`.
//! Read first: [`devices`].

use super::machine::Machine;
use super::mount::Mount;

/// Returns the tag of the disk of that number, which is its serial.
pub fn tag(number: usize) -> String {
    format!("volume{number}")
}

/// Returns the values of QEMU's options `-drive` and `-device` for the disk of that number.
pub(super) fn devices(disk: &Mount, number: usize, machine: Machine) -> [(&'static str, String); 2] {
    let (tag, path, read_only) = (tag(number), disk.option_path(), disk.read_only_option());
    let drive = format!("if=none,id={tag},file={path},format=raw,cache=writeback{read_only}");
    let device = format!("{},drive={tag},serial={tag}", machine.virtio_device("blk"));
    [("-drive", drive), ("-device", device)]
}
