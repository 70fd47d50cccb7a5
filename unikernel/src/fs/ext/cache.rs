//! The blocks of the disk that are in memory, and what is to become of them.
//!
//! A changed block is either *data*, written to its place whenever it suits, or *metadata*, which goes through the journal first:
//!
//! ```text
//! metadata_mut ─▶ Running ──commit──▶ logged ──checkpoint──▶ clean
//! data_mut ─────▶ Data ──write_data────────────────────────▶ clean
//! ```
//!
//! Only clean blocks are dropped to make room, the longest unused first. Limits: metadata that is not in its place yet stays in
//! memory, which is at most as much as the journal holds.

use crate::fs::Error;
use crate::fs::block_device::{BlockDevice, DeviceError, SECTOR_LEN_BYTES};
use crate::fs::number_map::NumberMap;
use crate::headroom;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The longest write that several blocks are joined to, in bytes.
const MAX_TRANSFER_BYTES: usize = 128 * 1024;

/// What a change of a block waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    /// File contents that are not on the disk.
    Data,
    /// Metadata that belongs to the running transaction.
    Running,
}

struct Cached {
    bytes: Box<[u8]>,
    change: Change,
    /// The journal has a version that is not in its place yet.
    is_logged: bool,
    last_use: u64,
}

/// The least limit: with fewer blocks a single operation would read some twice.
const MIN_BLOCKS: usize = 64;

/// The cache and the disk below it.
pub struct Cache {
    device: Box<dyn BlockDevice>,
    block_size: usize,
    blocks: NumberMap<u32, Cached>,
    limit: usize,
    uses: u64,
    changes: u64,
    running_count: usize,
    data_count: usize,
    is_unflushed: bool,
}

impl Cache {
    /// Makes an empty cache that is to hold at most `limit_bytes`.
    pub fn new(device: Box<dyn BlockDevice>, block_size: usize, limit_bytes: u64) -> Self {
        Cache {
            device,
            block_size,
            blocks: NumberMap::default(),
            limit: ((limit_bytes / block_size as u64) as usize).max(MIN_BLOCKS),
            uses: 0,
            changes: 0,
            running_count: 0,
            data_count: 0,
            is_unflushed: false,
        }
    }

    /// Returns the length of a block in bytes.
    pub const fn block_size(&self) -> usize {
        self.block_size
    }

    /// Returns a number that grows with every change.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Returns the number of blocks that the running transaction has changed.
    pub const fn running_count(&self) -> usize {
        self.running_count
    }

    /// Tells whether so much data waits to be written that it should be.
    pub const fn has_much_data(&self) -> bool {
        self.data_count > self.limit / 2
    }

    /// Tells whether anything is not durable, the journal counting as durable.
    pub const fn has_changes(&self) -> bool {
        self.running_count > 0 || self.data_count > 0 || self.is_unflushed
    }

    /// Returns a block.
    pub fn get(&mut self, block: u32) -> Result<&[u8], Error> {
        Ok(&self.load(block)?.bytes)
    }

    /// Tells whether a block is in memory.
    pub fn holds(&self, block: u32) -> bool {
        self.blocks.contains_key(&block)
    }

    /// Returns a block of metadata that is going to change.
    pub fn metadata_mut(&mut self, block: u32) -> Result<&mut [u8], Error> {
        self.load(block)?;
        self.mark(block, Change::Running)
    }

    /// Returns a block of file contents that is going to change.
    pub fn data_mut(&mut self, block: u32) -> Result<&mut [u8], Error> {
        self.load(block)?;
        self.mark(block, Change::Data)
    }

    /// Returns a block of zeros that becomes metadata.
    pub fn new_metadata(&mut self, block: u32) -> Result<&mut [u8], Error> {
        self.insert_zeros(block)?;
        self.mark(block, Change::Running)
    }

    /// Returns a block of zeros that becomes file contents, whatever was there.
    pub fn new_data(&mut self, block: u32) -> Result<&mut [u8], Error> {
        self.insert_zeros(block)?;
        self.mark(block, Change::Data)
    }

    /// Drops a block that nothing uses any more. What the journal has of it may still be replayed.
    pub fn forget(&mut self, block: u32) {
        if let Some(cached) = self.blocks.remove(&block) {
            self.uncount(cached.change);
        }
    }

    /// Reads contiguous blocks that the cache does not hold.
    pub fn read_around(&mut self, first: u32, buffer: &mut [u8]) -> Result<(), Error> {
        let sector = self.sector(first);
        self.device.read(sector, buffer).map_err(io)
    }

    /// Writes contiguous blocks to the disk without keeping them.
    pub fn write_around(&mut self, first: u32, bytes: &[u8]) -> Result<(), Error> {
        let sector = self.sector(first);
        self.is_unflushed = true;
        self.device.write(sector, bytes).map_err(io)
    }

    /// Makes everything durable that was written to the disk.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.device.flush().map_err(io)?;
        self.is_unflushed = false;
        Ok(())
    }

    /// Writes all changed data to its place.
    pub fn write_data(&mut self) -> Result<(), Error> {
        let blocks = self.collect(|cached| cached.change == Change::Data)?;
        self.write_in_place(&blocks)?;
        for block in blocks {
            if let Some(cached) = self.blocks.get_mut(&block) {
                cached.change = Change::None;
            }
        }
        self.data_count = 0;
        Ok(())
    }

    /// Returns the numbers of the blocks that the running transaction has changed, in order.
    pub fn running(&self) -> Result<Vec<u32>, Error> {
        self.collect(|cached| cached.change == Change::Running)
    }

    /// Notes that the running transaction is in the journal.
    pub fn mark_committed(&mut self) {
        for cached in self.blocks.values_mut() {
            if cached.change == Change::Running {
                cached.change = Change::None;
                cached.is_logged = true;
            }
        }
        self.running_count = 0;
    }

    /// Writes the metadata that only the journal has to its place. Nothing of it may have changed since it was committed.
    pub fn write_logged(&mut self) -> Result<(), Error> {
        let blocks = self.collect(|cached| cached.is_logged)?;
        self.write_in_place(&blocks)?;
        for block in blocks {
            if let Some(cached) = self.blocks.get_mut(&block) {
                cached.is_logged = false;
            }
        }
        Ok(())
    }

    /// Drops every change that is not committed: after a failure, memory and disk must not mix.
    pub fn abandon(&mut self) {
        self.blocks.retain(|_, cached| cached.change == Change::None);
        self.running_count = 0;
        self.data_count = 0;
    }

    fn collect(&self, wanted: impl Fn(&Cached) -> bool) -> Result<Vec<u32>, Error> {
        let mut blocks = Vec::new();
        for (&block, _) in self.blocks.iter().filter(|(_, cached)| wanted(cached)) {
            blocks.try_reserve(1).map_err(|_| Error::NoMemory)?;
            blocks.push(block);
        }
        blocks.sort_unstable();
        Ok(blocks)
    }

    /// Writes cached blocks, in order, neighbours at once.
    fn write_in_place(&mut self, blocks: &[u32]) -> Result<(), Error> {
        let mut joined = Vec::new();
        let mut rest = blocks;
        while let Some(&first) = rest.first() {
            let most = rest.len().min(MAX_TRANSFER_BYTES / self.block_size);
            let count = (1..most)
                .find(|&index| rest[index] != first + index as u32)
                .unwrap_or(most);
            joined.clear();
            joined
                .try_reserve(count * self.block_size)
                .map_err(|_| Error::NoMemory)?;
            for block in &rest[..count] {
                let cached = self.blocks.get(block).ok_or(Error::Io)?;
                joined.extend_from_slice(&cached.bytes);
            }
            self.write_around(first, &joined)?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn load(&mut self, block: u32) -> Result<&mut Cached, Error> {
        if !self.blocks.contains_key(&block) {
            let mut bytes = zeros(self.block_size)?;
            let sector = self.sector(block);
            self.device.read(sector, &mut bytes).map_err(io)?;
            self.insert(block, bytes)?;
        }
        self.uses += 1;
        let cached = self.blocks.get_mut(&block).ok_or(Error::Io)?;
        cached.last_use = self.uses;
        Ok(cached)
    }

    fn insert_zeros(&mut self, block: u32) -> Result<(), Error> {
        if let Some(cached) = self.blocks.get_mut(&block) {
            cached.bytes.fill(0);
            return Ok(());
        }
        let bytes = zeros(self.block_size)?;
        self.insert(block, bytes)
    }

    fn insert(&mut self, block: u32, bytes: Box<[u8]>) -> Result<(), Error> {
        self.make_room();
        self.blocks.try_reserve(1).map_err(|_| Error::NoMemory)?;
        self.uses += 1;
        let cached = Cached {
            bytes,
            change: Change::None,
            is_logged: false,
            last_use: self.uses,
        };
        self.blocks.insert(block, cached);
        Ok(())
    }

    /// Drops clean blocks, those first that were not used for the longest time, if there are too many blocks.
    fn make_room(&mut self) {
        if !headroom::allows(self.block_size) {
            // It grows no further; what an operation needs beyond that is there.
            self.limit = self.limit.min(self.blocks.len()).max(MIN_BLOCKS);
        }
        if self.blocks.len() < self.limit {
            return;
        }
        // Of the last uses, as many are kept as half the cache has blocks; so this is done once in as many insertions.
        let oldest = self.uses.saturating_sub(self.limit as u64 / 2);
        self.blocks
            .retain(|_, cached| cached.change != Change::None || cached.is_logged || cached.last_use > oldest);
    }

    fn mark(&mut self, block: u32, change: Change) -> Result<&mut [u8], Error> {
        self.changes += 1;
        self.uses += 1;
        let cached = self.blocks.get_mut(&block).ok_or(Error::Io)?;
        cached.last_use = self.uses;
        let before = core::mem::replace(&mut cached.change, change);
        if before != change {
            self.uncount(before);
            match change {
                Change::Data => self.data_count += 1,
                Change::Running => self.running_count += 1,
                Change::None => {}
            }
        }
        let cached = self.blocks.get_mut(&block).ok_or(Error::Io)?;
        Ok(&mut cached.bytes)
    }

    const fn uncount(&mut self, change: Change) {
        match change {
            Change::Data => self.data_count -= 1,
            Change::Running => self.running_count -= 1,
            Change::None => {}
        }
    }

    const fn sector(&self, block: u32) -> u64 {
        block as u64 * (self.block_size / SECTOR_LEN_BYTES) as u64
    }
}

/// Returns zeroed memory.
pub fn zeros(len_bytes: usize) -> Result<Box<[u8]>, Error> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len_bytes).map_err(|_| Error::NoMemory)?;
    bytes.resize(len_bytes, 0);
    Ok(bytes.into_boxed_slice())
}

const fn io(DeviceError: DeviceError) -> Error {
    Error::Io
}
