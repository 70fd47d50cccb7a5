//! `wasmetal volume create`: makes a file with an empty file system.

use super::flags::VolumeCommand;
use anyhow::Context;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use unikernel::fs::block_device::{BlockDevice, DeviceError, SECTOR_LEN_BYTES};
use unikernel::fs::ext::format;

/// Does what one of the commands about volumes says.
pub fn volume(command: &VolumeCommand) -> anyhow::Result<ExitCode> {
    let VolumeCommand::Create { file: path, size } = command;
    let file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
    if let Err(error) = fill(file, *size) {
        // The first failure is the one to report.
        let _ = fs::remove_file(path);
        return Err(error.context(format!("cannot make a volume of {}", path.display())));
    }
    Ok(ExitCode::SUCCESS)
}

fn fill(file: File, size_bytes: u64) -> anyhow::Result<()> {
    file.set_len(size_bytes)?;
    let mut uuid = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut uuid)?;
    // The version and variant of a random UUID.
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut disk = FileDisk { file, size_bytes };
    Ok(format::format(&mut disk, uuid, now.as_nanos() as u64)?)
}

/// A file as a disk.
struct FileDisk {
    file: File,
    size_bytes: u64,
}

impl FileDisk {
    fn seek(&mut self, first_sector: u64) -> Result<&mut File, DeviceError> {
        let position = SeekFrom::Start(first_sector * SECTOR_LEN_BYTES as u64);
        self.file.seek(position).map_err(|_| DeviceError)?;
        Ok(&mut self.file)
    }
}

impl BlockDevice for FileDisk {
    fn sector_count(&self) -> u64 {
        self.size_bytes / SECTOR_LEN_BYTES as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.seek(first_sector)?.read_exact(buffer).map_err(|_| DeviceError)
    }

    fn write(&mut self, first_sector: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        self.seek(first_sector)?.write_all(bytes).map_err(|_| DeviceError)
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.file.sync_all().map_err(|_| DeviceError)
    }
}
