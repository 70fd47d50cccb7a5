//! Disks of the virtual machine, each a file of the host, and what the kernel is told about them.
//!
//! With `cache=writeback` the host's memory may hold what the guest wrote until the guest flushes; then QEMU calls `fdatasync`.
//! Read first: [`Disk`]. Limits: the file's path is UTF-8.

use super::qemu::Machine;
use std::path::PathBuf;

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The file with its contents.
    pub file: PathBuf,
    /// Under which path the program finds it.
    pub guest: String,
    /// The program may not change it.
    pub is_read_only: bool,
}

impl Disk {
    /// Returns the values of QEMU's options `-drive` and `-device` for the disk of that number.
    pub(super) fn devices(&self, number: usize, machine: Machine) -> [(&'static str, String); 2] {
        // A comma ends a value unless it is doubled.
        let path = self.file.display().to_string().replace(',', ",,");
        let read_only = if self.is_read_only { ",readonly=on" } else { "" };
        let drive = format!("if=none,id=volume{number},file={path},format=raw,cache=writeback{read_only}");
        let device = match machine {
            Machine::Microvm => "virtio-blk-device",
            Machine::Q35 | Machine::Pc => "virtio-blk-pci-non-transitional",
        };
        let device = format!("{device},drive=volume{number},serial=volume{number}");
        [("-drive", drive), ("-device", device)]
    }

    /// Returns the word for the kernel.
    pub fn command_line_word(&self, number: usize) -> String {
        let guest = self.guest.replace('\\', "\\\\").replace('"', "\\\"");
        let read_only = if self.is_read_only { ":ro" } else { "" };
        format!("mount=volume{number}:\"{guest}\"{read_only}")
    }
}
