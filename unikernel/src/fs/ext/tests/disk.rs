//! A disk in memory that records what is written to it, and the tools that look at it from outside.

use crate::fs::block_device::{BlockDevice, DeviceError, SECTOR_LEN_BYTES};
use crate::fs::ext::{Volume, format};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::process::Command;
use std::string::String;

/// A time of day that `e2fsck` finds plausible.
pub const NOW_NS: u64 = 1_700_000_000_123_456_789;
pub const CACHE_BYTES: u64 = 1 << 20;

/// What happened to the disk.
#[derive(Clone, Debug)]
pub enum Event {
    Write { start: usize, bytes: Vec<u8> },
    Flush,
}

/// The disk.
#[derive(Clone, Default)]
pub struct Disk {
    pub bytes: Rc<RefCell<Vec<u8>>>,
    pub events: Rc<RefCell<Vec<Event>>>,
    pub is_read_only: bool,
    pub records: bool,
}

impl Disk {
    pub fn new(bytes: Vec<u8>) -> Self {
        Disk {
            bytes: Rc::new(RefCell::new(bytes)),
            ..Disk::default()
        }
    }

    /// A disk with a fresh volume.
    pub fn formatted(len_bytes: usize) -> Self {
        let mut disk = Disk::new(std::vec![0; len_bytes]);
        format::format(&mut disk, [7; 16], NOW_NS).unwrap();
        disk
    }

    pub fn mount(&self) -> Volume {
        Volume::mount(Box::new(self.clone()), CACHE_BYTES, NOW_NS).unwrap()
    }

    /// Runs `e2fsck` over the disk, which may replay the journal but must not find anything to repair.
    pub fn check(&self) {
        if let Err(report) = self.e2fsck() {
            panic!("{report}");
        }
    }

    pub fn e2fsck(&self) -> Result<(), String> {
        let file = file(&self.bytes.borrow());
        let run = |arguments: &[&str]| {
            let output = Command::new("e2fsck")
                .args(arguments)
                .arg(file.path())
                .output()
                .expect("e2fsck is installed (e2fsprogs)");
            let text = std::format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            (output.status.code(), text)
        };
        // Replaying the journal and freeing orphans counts as a repair; after it, nothing may be left.
        let (_, replay) = run(&["-p"]);
        match run(&["-fn"]) {
            (Some(0), _) => Ok(()),
            (_, text) => Err(std::format!("{replay}\n{text}")),
        }
    }
}

/// A file with the bytes of a disk.
pub fn file(bytes: &[u8]) -> TemporaryFile {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(std::format!("wasmetal-volume-{}-{number}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    TemporaryFile(path)
}

pub struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn range(first_sector: u64, len_bytes: usize, disk_len: usize) -> Result<core::ops::Range<usize>, DeviceError> {
    let start = usize::try_from(first_sector)
        .map_err(|_| DeviceError)?
        .checked_mul(SECTOR_LEN_BYTES)
        .ok_or(DeviceError)?;
    let end = start
        .checked_add(len_bytes)
        .filter(|&end| end <= disk_len)
        .ok_or(DeviceError)?;
    Ok(start..end)
}

impl BlockDevice for Disk {
    fn sector_count(&self) -> u64 {
        (self.bytes.borrow().len() / SECTOR_LEN_BYTES) as u64
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let bytes = self.bytes.borrow();
        buffer.copy_from_slice(&bytes[range(first_sector, buffer.len(), bytes.len())?]);
        Ok(())
    }

    fn write(&mut self, first_sector: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        assert!(!self.is_read_only);
        let mut disk = self.bytes.borrow_mut();
        let range = range(first_sector, bytes.len(), disk.len())?;
        if self.records {
            self.events.borrow_mut().push(Event::Write {
                start: range.start,
                bytes: bytes.to_vec(),
            });
        }
        disk[range].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        if self.records {
            self.events.borrow_mut().push(Event::Flush);
        }
        Ok(())
    }
}
