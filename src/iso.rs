//! A bootable ISO: the image and GRUB on a rescue disc, for machines that boot from a disc rather than from a kernel file.
//!
//! `grub-mkrescue` does the work, in a temporary folder. GRUB loads the image by its multiboot2 header.

use crate::interrupt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = "grub-mkrescue";
const PACKAGES: &str = "grub-pc-bin grub-common xorriso mtools";

/// Without a menu: the one entry boots at once.
const GRUB_CONFIGURATION: &str = "set timeout=0\nmultiboot2 /boot/image.elf\nboot\n";

/// Why no ISO was made.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// GRUB's tools are not installed.
    #[error("{PROGRAM} is not installed or not in PATH; on Debian: apt-get install {PACKAGES}")]
    ToolMissing,
    /// A file could not be written or read.
    #[error("cannot make the ISO: {0}")]
    Io(#[from] io::Error),
    /// GRUB's tool failed.
    #[error("{PROGRAM} failed ({status}); it may need: apt-get install {PACKAGES}\n{messages}")]
    ToolFailed {
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        messages: String,
    },
}

/// Returns an ISO that boots `image`.
///
/// # Errors
/// If GRUB's tools are missing or fail.
pub fn make(image: &[u8]) -> Result<Vec<u8>, IsoError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();
    let _interrupt = interrupt::on_interrupt(move || {
        // What cannot be removed is left to the system's cleaning of temporary files.
        let _ = fs::remove_dir_all(path);
        std::process::exit(interrupt::EXIT_CODE.into());
    });
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("boot/grub"))?;
    fs::write(tree.join("boot/image.elf"), image)?;
    fs::write(tree.join("boot/grub/grub.cfg"), GRUB_CONFIGURATION)?;
    let iso = folder.path().join("image.iso");
    run_tool(&tree, &iso)?;
    Ok(fs::read(&iso)?)
}

fn run_tool(tree: &Path, iso: &Path) -> Result<(), IsoError> {
    let mut command = Command::new(PROGRAM);
    command.arg("-o").arg(iso).arg(tree).stdin(Stdio::null());
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => IsoError::ToolMissing,
        _ => IsoError::Io(error),
    })?;
    if output.status.success() && iso.exists() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(IsoError::ToolFailed {
        status: output.status,
        messages,
    })
}
