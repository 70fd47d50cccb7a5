//! A mounted volume: its state, how it begins and ends, and the frame in which everything that changes it runs.
//!
//! Read in this order: [`Volume::mount`], [`Volume::change`], [`Volume::commit`].

use super::allocate::PinnedBlocks;
use super::cache::Cache;
use super::geometry::{Geometry, GeometryError};
use super::journal::Journal;
use super::layout::{feature, set_u32, superblock as field, u32_at};
use super::recovery::{self, JournalError};
use crate::fs::Error;
use crate::fs::block_device::{BlockDevice, SECTOR_LEN_BYTES};
use crate::fs::number_map::NumberMap;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Why a volume cannot be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountError {
    /// There is no such file system on the disk.
    NotExt,
    /// The file system has no journal.
    NoJournal,
    /// The file system or its journal uses what is not understood.
    UnknownFeatures,
    /// The journal must be recovered, and the disk cannot be written.
    NeedsRecovery,
    /// What is on the disk contradicts itself.
    Corrupt,
    /// Reading or writing failed, or there was no memory.
    Failed(Error),
}

impl MountError {
    /// Says what is wrong and what helps.
    pub const fn in_words(self) -> &'static str {
        match self {
            MountError::NotExt => "the disk has no ext3 file system; `wasmetal volume create` makes one",
            MountError::NoJournal => "the file system has no journal; `tune2fs -j` adds one",
            MountError::UnknownFeatures => {
                "the file system has features that are not supported; `mke2fs -t ext3` makes one without"
            }
            MountError::NeedsRecovery => "the file system was in use and the disk is read-only; mount it writable once",
            MountError::Corrupt => "the file system is damaged; `e2fsck -f` repairs it",
            MountError::Failed(Error::NoMemory) => "there is too little memory for the file system",
            MountError::Failed(_) => "the disk could not be read or written, or is damaged; `e2fsck -f` checks it",
        }
    }
}

impl From<Error> for MountError {
    fn from(error: Error) -> Self {
        MountError::Failed(error)
    }
}

impl From<GeometryError> for MountError {
    fn from(error: GeometryError) -> Self {
        match error {
            GeometryError::NotExt => MountError::NotExt,
            GeometryError::Corrupt => MountError::Corrupt,
            GeometryError::NoJournal => MountError::NoJournal,
            GeometryError::UnknownFeatures => MountError::UnknownFeatures,
        }
    }
}

impl From<JournalError> for MountError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Corrupt => MountError::Corrupt,
            JournalError::UnknownFeatures => MountError::UnknownFeatures,
            JournalError::NeedsRecovery => MountError::NeedsRecovery,
            JournalError::Failed(error) => MountError::Failed(error),
        }
    }
}

/// A mounted volume.
pub struct Volume {
    pub(super) cache: Cache,
    pub(super) geometry: Geometry,
    pub(super) pinned: PinnedBlocks,
    /// Number of descriptors of each open inode.
    pub(super) open_counts: NumberMap<u32, u32>,
    journal: Journal,
    is_read_only: bool,
    /// An operation failed half-way: what is in memory must not reach the disk.
    is_broken: bool,
    /// The last time that somebody told.
    pub(super) now_ns: u64,
    committed_ns: u64,
}

impl Volume {
    /// Mounts the file system of a disk. At most about `cache_limit_bytes` of memory hold its blocks.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn mount(mut device: Box<dyn BlockDevice>, cache_limit_bytes: u64, now_ns: u64) -> Result<Self, MountError> {
        let mut superblock = [0; field::LEN_BYTES];
        let disk_len_bytes = device.sector_count().saturating_mul(SECTOR_LEN_BYTES as u64);
        let sector = (field::OFFSET / SECTOR_LEN_BYTES) as u64;
        if disk_len_bytes < (field::OFFSET + field::LEN_BYTES) as u64 {
            return Err(MountError::NotExt);
        }
        device
            .read(sector, &mut superblock)
            .map_err(|_| MountError::Failed(Error::Io))?;
        let geometry = Geometry::parse(&superblock, disk_len_bytes)?;
        let is_read_only = device.is_read_only();
        let mut volume = Volume {
            cache: Cache::new(device, geometry.block_size, cache_limit_bytes),
            geometry,
            pinned: PinnedBlocks::default(),
            open_counts: NumberMap::default(),
            journal: Journal::new(Vec::new(), Box::default(), 0),
            is_read_only,
            is_broken: false,
            now_ns,
            committed_ns: now_ns,
        };
        let blocks = volume.journal_blocks()?;
        let is_target = |block| block >= geometry.first_block && block < geometry.block_count;
        volume.journal = recovery::recover(&mut volume.cache, blocks, is_target, !is_read_only)?;
        // Recovery may have changed the superblock, which must still describe the same volume.
        let (block, offset) = geometry.superblock_place();
        let superblock = &volume.cache.get(block)?[offset..offset + field::LEN_BYTES];
        if Geometry::parse(superblock, disk_len_bytes)? != geometry {
            return Err(MountError::Corrupt);
        }
        volume.check_groups()?;
        if !is_read_only {
            volume.clear_orphans()?;
        }
        Ok(volume)
    }

    /// Ends the use of the volume: everything is in its place, and the disk says so. It can go on being used.
    ///
    /// # Errors
    /// If the device fails, or an operation has failed half-way before.
    pub fn unmount(&mut self) -> Result<(), Error> {
        if !self.journal.is_active() {
            return Ok(());
        }
        self.must_be_writable()?;
        self.commit()?;
        self.checkpoint()?;
        self.journal.set_active(&mut self.cache, false)?;
        self.write_recover_flag(false)
    }

    /// Runs an operation that changes the volume. If it fails after it has changed something, the volume takes no more changes,
    /// and what was not committed is dropped, so that the disk stays as a whole number of operations left it.
    pub(super) fn change<T>(
        &mut self,
        now_ns: u64,
        act: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        /// The age that unsynced changes may reach, as on Linux.
        const COMMIT_INTERVAL_NS: u64 = 5_000_000_000;
        self.must_be_writable()?;
        self.now_ns = now_ns;
        if !self.journal.is_active() {
            self.committed_ns = now_ns;
            self.breaking(Self::activate)?;
        }
        if now_ns.wrapping_sub(self.committed_ns) > COMMIT_INTERVAL_NS {
            self.commit()?;
        }
        self.limit_transaction()?;
        let changes = self.cache.changes();
        let result = act(self);
        if result.is_err() && self.cache.changes() != changes {
            self.break_off();
        }
        result
    }

    /// Makes everything durable that was changed.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        if !self.cache.has_changes() {
            return Ok(());
        }
        self.must_be_writable()?;
        self.breaking(|volume| {
            volume.journal.commit(&mut volume.cache, volume.now_ns)?;
            volume.committed_ns = volume.now_ns;
            if volume.journal.is_half_full() {
                volume.checkpoint()?;
            }
            Ok(())
        })
    }

    /// Commits what an operation has done so far if it is much. To be called where the volume is consistent.
    pub(super) fn limit_transaction(&mut self) -> Result<(), Error> {
        if self.is_transaction_full() {
            self.commit()?;
        }
        if self.cache.has_much_data() {
            self.breaking(|volume| volume.cache.write_data())?;
        }
        Ok(())
    }

    /// Tells whether the running transaction should be committed at the next chance.
    pub(super) fn is_transaction_full(&self) -> bool {
        self.cache.running_count() >= self.journal.comfortable_transaction()
    }

    /// Makes freed blocks usable again. To be called where the volume is consistent.
    pub(super) fn unpin(&mut self) -> Result<(), Error> {
        self.commit()?;
        self.breaking(Self::checkpoint)
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        if !self.journal.is_empty() {
            self.journal.checkpoint(&mut self.cache)?;
        }
        self.pinned.clear();
        Ok(())
    }

    pub(super) const fn must_be_writable(&self) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Io);
        }
        if self.is_read_only {
            return Err(Error::ReadOnly);
        }
        Ok(())
    }

    /// Runs a step whose failure leaves memory and disk apart.
    fn breaking<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let result = act(self);
        if result.is_err() {
            self.break_off();
        }
        result
    }

    fn break_off(&mut self) {
        self.is_broken = true;
        self.cache.abandon();
    }

    /// Says on the disk that the journal counts, before the first change.
    fn activate(&mut self) -> Result<(), Error> {
        self.write_recover_flag(true)?;
        self.journal.set_active(&mut self.cache, true)
    }

    /// Writes the flag straight to its place: the log is empty, so nothing there contradicts it.
    fn write_recover_flag(&mut self, is_set: bool) -> Result<(), Error> {
        let (block, offset) = self.geometry.superblock_place();
        let mut bytes: Box<[u8]> = self.cache.get(block)?.into();
        let superblock = &mut bytes[offset..offset + field::LEN_BYTES];
        let features = u32_at(superblock, field::INCOMPATIBLE) & !feature::RECOVER;
        let flag = if is_set { feature::RECOVER } else { 0 };
        set_u32(superblock, field::INCOMPATIBLE, features | flag);
        set_u32(superblock, field::WRITE_TIME, (self.now_ns / 1_000_000_000) as u32);
        self.cache.write_around(block, &bytes)?;
        self.cache.flush()?;
        self.cache.forget(block);
        Ok(())
    }

    fn journal_blocks(&mut self) -> Result<Vec<u32>, MountError> {
        /// Linux makes them no larger.
        const MAX_JOURNAL_BLOCKS: u64 = 1 << 18;
        let inode = self.load_inode(self.geometry.journal_inode)?;
        let count = inode.length_bytes / self.geometry.block_size as u64;
        if inode.links == 0 || count > MAX_JOURNAL_BLOCKS {
            return Err(MountError::Corrupt);
        }
        let mut blocks = Vec::new();
        blocks
            .try_reserve_exact(count as usize)
            .map_err(|_| MountError::Failed(Error::NoMemory))?;
        for index in 0..count {
            blocks.push(self.find_block(&inode, index)?.ok_or(MountError::Corrupt)?);
        }
        Ok(blocks)
    }
}
