//! The seam between a file system and the disk that it is on. The kernel implements it over virtio, tests over memory, and the
//! `wasmetal` command over a file.

/// The unit of addresses and lengths, in bytes.
pub const SECTOR_LEN_BYTES: usize = 512;

/// The device did not do what it was asked for, or the range is not on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceError;

/// A disk. Buffers are whole sectors long.
pub trait BlockDevice {
    /// Returns the number of sectors.
    fn sector_count(&self) -> u64;

    /// Tells whether writing is refused.
    fn is_read_only(&self) -> bool;

    /// Reads sectors from `first_sector` on.
    ///
    /// # Errors
    /// If the device fails.
    fn read(&mut self, first_sector: u64, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes sectors from `first_sector` on. They are durable only after [`flush`](Self::flush), and until then in any order.
    ///
    /// # Errors
    /// If the device fails.
    fn write(&mut self, first_sector: u64, bytes: &[u8]) -> Result<(), DeviceError>;

    /// Returns once everything written is durable.
    ///
    /// # Errors
    /// If the device fails.
    fn flush(&mut self) -> Result<(), DeviceError>;
}
