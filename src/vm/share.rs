//! Folders of the host that the program finds live: QEMU's 9p server and what the kernel is told about it.
//!
//! QEMU walks paths below the folder one component at a time and never follows a symbolic link (`O_NOFOLLOW`), so nothing that the
//! guest or the host puts into the folder leads out of it. Of its security models, `none` is the one that shares a folder as it is:
//! files made by the guest belong to whoever runs the command, and links are links on both sides. `mapped-xattr` would show the
//! host's links as broken and keep the guest's as files with attributes; `passthrough` is the same as `none` except that it fails
//! where the owner cannot be set. What `none` leaves to the guest, owners and modes, our client never asks for.
//! `multidevs=remap` keeps files of several file systems apart, which the kernel tells by their numbers.
//!
//! Read first: [`devices`].

use super::machine::Machine;
use super::mount::Mount;

/// Returns the tag of the shared folder of that number.
pub fn tag(number: usize) -> String {
    format!("dir{number}")
}

/// Returns the values of QEMU's options `-fsdev` and `-device` for the folder of that number.
pub(super) fn devices(folder: &Mount, number: usize, machine: Machine) -> [(&'static str, String); 2] {
    let (tag, path, read_only) = (tag(number), folder.option_path(), folder.read_only_option());
    let backend = format!("local,id={tag},path={path},security_model=none,multidevs=remap{read_only}");
    let device = format!("{},fsdev={tag},mount_tag={tag}", machine.virtio_device("9p"));
    [("-fsdev", backend), ("-device", device)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_commas_and_quotes_stay_whole() {
        let folder = Mount {
            host: "/a,b".into(),
            guest: r#"/say "hi""#.to_owned(),
            is_read_only: true,
        };
        let [(_, backend), (_, device)] = devices(&folder, 1, Machine::Q35);
        assert!(backend.contains(",path=/a,,b,") && backend.ends_with(",readonly=on"));
        assert_eq!(device, "virtio-9p-pci-non-transitional,fsdev=dir1,mount_tag=dir1");
        assert_eq!(folder.command_line_word(&tag(1)), r#"mount=dir1:/say "hi":ro"#);
    }
}
