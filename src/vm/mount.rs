//! What `run` gives the program as a directory, a folder of the host or a disk: the part that both have in common.
//!
//! Read first: [`Mount`], then `share` and `disk` for the devices. Limits: paths are UTF-8, since options of QEMU carry them.

use std::path::PathBuf;

/// A file or folder of the host that the program finds as a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Under which path the program finds it.
    pub guest: String,
    /// The program may not change it.
    pub is_read_only: bool,
}

impl Mount {
    /// Returns the host's path as a value in an option of QEMU, where a comma ends a value unless it is doubled.
    pub(super) fn option_path(&self) -> String {
        self.host.display().to_string().replace(',', ",,")
    }

    /// Returns the end of an option of QEMU.
    pub(super) fn read_only_option(&self) -> &'static str {
        if self.is_read_only { ",readonly=on" } else { "" }
    }

    /// Returns the word of the kernel command line, not quoted, for the device with that tag.
    pub fn command_line_word(&self, tag: &str) -> String {
        let read_only = if self.is_read_only { ":ro" } else { "" };
        format!("mount={tag}:{}{read_only}", self.guest)
    }
}
