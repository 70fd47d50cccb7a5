//! Folders of the host that the program finds live: QEMU's 9p server and what the kernel is told about it.
//!
//! QEMU walks paths below the folder one component at a time and never follows a symbolic link (`O_NOFOLLOW`), so nothing that the
//! guest or the host puts into the folder leads out of it. Of its security models, `none` is the one that shares a folder as it is:
//! files made by the guest belong to whoever runs the command, and links are links on both sides. `mapped-xattr` would show the
//! host's links as broken and keep the guest's as files with attributes; `passthrough` is the same as `none` except that it fails
//! where the owner cannot be set. What `none` leaves to the guest, owners and modes, our client never asks for.
//! `multidevs=remap` keeps files of several file systems apart, which the kernel tells by their numbers.
//!
//! Read first: [`SharedFolder`]. Limits: the folder's path is UTF-8.

use super::qemu::Machine;
use std::path::PathBuf;

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFolder {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Under which path the program finds it.
    pub guest: String,
    /// The program may not change it.
    pub is_read_only: bool,
}

impl SharedFolder {
    /// Returns the values of QEMU's options `-fsdev` and `-device` for the folder of that number.
    pub(super) fn devices(&self, number: usize, machine: Machine) -> [(&'static str, String); 2] {
        // A comma ends a value unless it is doubled.
        let path = self.host.display().to_string().replace(',', ",,");
        let read_only = if self.is_read_only { ",readonly=on" } else { "" };
        let backend = format!("local,id=dir{number},path={path},security_model=none,multidevs=remap{read_only}");
        let device = match machine {
            Machine::Microvm => "virtio-9p-device",
            Machine::Q35 | Machine::Pc => "virtio-9p-pci-non-transitional",
        };
        let device = format!("{device},fsdev=dir{number},mount_tag=dir{number}");
        [("-fsdev", backend), ("-device", device)]
    }

    /// Returns the word for the kernel.
    pub fn command_line_word(&self, number: usize) -> String {
        let guest = self.guest.replace('\\', "\\\\").replace('"', "\\\"");
        let read_only = if self.is_read_only { ":ro" } else { "" };
        format!("mount=dir{number}:\"{guest}\"{read_only}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_commas_and_quotes_stay_whole() {
        let folder = SharedFolder {
            host: "/a,b".into(),
            guest: r#"/say "hi""#.to_owned(),
            is_read_only: true,
        };
        let [(_, backend), (_, device)] = folder.devices(1, Machine::Q35);
        assert!(backend.contains(",path=/a,,b,") && backend.ends_with(",readonly=on"));
        assert_eq!(device, "virtio-9p-pci-non-transitional,fsdev=dir1,mount_tag=dir1");
        assert_eq!(folder.command_line_word(1), r#"mount=dir1:"/say \"hi\"":ro"#);
    }
}
