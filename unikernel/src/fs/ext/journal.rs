//! The journal: how a transaction gets onto the disk as a whole or not at all.
//!
//! The format is that of Linux's `jbd2` without checksums. A transaction lies in the log as descriptor blocks, each followed by
//! the copies that it lists, and a commit block:
//!
//! ```text
//! commit:      data to its place, descriptors and copies into the log ─▶ flush ─▶ commit block ─▶ flush
//! checkpoint:  copies to their places ─▶ flush ─▶ journal superblock: the log is empty ─▶ flush
//! ```
//!
//! Until the commit block is on the disk, recovery sees no transaction; from then on it sees all of it. The file contents that a
//! transaction refers to are on the disk before its commit block (Linux calls this `data=ordered`).
//!
//! A checkpoint always empties the log, so the log never wraps. No revoke blocks are written: a block that was freed is not used
//! again before the next checkpoint (see [`allocate`](super::allocate)), so recovery never overwrites newer contents.
//! Read first: [`Journal::commit`]. Recovery, which accepts what Linux writes, is in [`recovery`](super::recovery).

use super::cache::{Cache, zeros};
use super::layout::{journal, set_big_u32, set_u16};
use crate::fs::Error;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The first block of the log; the superblock of the journal comes before it.
const LOG_START: usize = 1;

/// The journal of a volume.
pub struct Journal {
    /// The disk's blocks that the journal consists of, in order.
    blocks: Vec<u32>,
    superblock: Box<[u8]>,
    /// Where the next transaction goes.
    head: usize,
    sequence: u32,
    /// The disk says that the log is in use.
    is_active: bool,
}

impl Journal {
    /// Makes the journal whose log is empty: it was just recovered or made.
    pub fn new(blocks: Vec<u32>, superblock: Box<[u8]>, sequence: u32) -> Self {
        Journal {
            blocks,
            superblock,
            head: LOG_START,
            sequence,
            is_active: false,
        }
    }

    /// Tells whether the disk says that the log is in use.
    pub const fn is_active(&self) -> bool {
        self.is_active
    }

    /// Tells whether the log is empty.
    pub const fn is_empty(&self) -> bool {
        self.head == LOG_START
    }

    /// Returns the number of blocks at which a transaction should be committed. A log that is half empty, as it always is when a
    /// transaction begins, has room for twice as many: an operation that has begun may change as many again.
    pub fn comfortable_transaction(&self) -> usize {
        self.blocks.len() / 4
    }

    /// Says on the disk whether the log is in use from now on.
    pub fn set_active(&mut self, cache: &mut Cache, is_active: bool) -> Result<(), Error> {
        self.write_superblock(cache, is_active)?;
        cache.flush()?;
        self.is_active = is_active;
        Ok(())
    }

    /// Makes everything durable: all data, and the running transaction.
    pub fn commit(&mut self, cache: &mut Cache, now_ns: u64) -> Result<(), Error> {
        cache.write_data()?;
        let blocks = cache.running()?;
        if blocks.is_empty() {
            return cache.flush();
        }
        let tags_per_block = self.tags_per_block(cache.block_size());
        let mut next = self.head;
        for part in blocks.chunks(tags_per_block) {
            next = self.write_part(cache, next, part)?;
        }
        cache.flush()?;
        let commit = self.commit_block(cache.block_size(), now_ns)?;
        self.write_log(cache, next, &commit)?;
        cache.flush()?;
        cache.mark_committed();
        self.head = next + 1;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Tells whether a checkpoint is due: less than half of the log is left.
    pub fn is_half_full(&self) -> bool {
        self.head > self.blocks.len() / 2
    }

    /// Empties the log. The running transaction must be empty.
    pub fn checkpoint(&mut self, cache: &mut Cache) -> Result<(), Error> {
        cache.write_logged()?;
        cache.flush()?;
        self.write_superblock(cache, self.is_active)?;
        cache.flush()?;
        self.head = LOG_START;
        Ok(())
    }

    const fn tags_per_block(&self, block_size: usize) -> usize {
        (block_size - journal::HEADER_LEN_BYTES - journal::TAG_UUID_LEN_BYTES) / journal::TAG_LEN_BYTES
    }

    /// Writes a descriptor block and the copies it lists; returns the place after them.
    fn write_part(&mut self, cache: &mut Cache, place: usize, blocks: &[u32]) -> Result<usize, Error> {
        let block_size = cache.block_size();
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(block_size * (blocks.len() + 1))
            .map_err(|_| Error::NoMemory)?;
        bytes.resize(block_size, 0);
        self.write_header(&mut bytes, journal::KIND_DESCRIPTOR);
        let mut offset = journal::HEADER_LEN_BYTES;
        for (index, &block) in blocks.iter().enumerate() {
            let start = bytes.len();
            bytes.extend_from_slice(cache.get(block)?);
            let mut flags = if index == 0 { 0 } else { journal::TAG_SAME_UUID };
            if bytes[start..start + 4] == journal::MAGIC_VALUE.to_be_bytes() {
                bytes[start..start + 4].fill(0);
                flags |= journal::TAG_ESCAPED;
            }
            if index + 1 == blocks.len() {
                flags |= journal::TAG_LAST;
            }
            set_big_u32(&mut bytes, offset, block);
            set_u16(&mut bytes, offset + journal::TAG_FLAGS, flags.swap_bytes());
            offset += journal::TAG_LEN_BYTES;
            if index == 0 {
                let uuid = &self.superblock[journal::UUID..journal::UUID + journal::TAG_UUID_LEN_BYTES];
                bytes[offset..offset + journal::TAG_UUID_LEN_BYTES].copy_from_slice(uuid);
                offset += journal::TAG_UUID_LEN_BYTES;
            }
        }
        self.write_log(cache, place, &bytes)?;
        Ok(place + blocks.len() + 1)
    }

    fn commit_block(&self, block_size: usize, now_ns: u64) -> Result<Box<[u8]>, Error> {
        let mut bytes = zeros(block_size)?;
        self.write_header(&mut bytes, journal::KIND_COMMIT);
        let seconds = now_ns / 1_000_000_000;
        set_big_u32(&mut bytes, journal::COMMIT_SECONDS, (seconds >> 32) as u32);
        set_big_u32(&mut bytes, journal::COMMIT_SECONDS + 4, seconds as u32);
        Ok(bytes)
    }

    fn write_header(&self, bytes: &mut [u8], kind: u32) {
        set_big_u32(bytes, journal::MAGIC, journal::MAGIC_VALUE);
        set_big_u32(bytes, journal::BLOCK_KIND, kind);
        set_big_u32(bytes, journal::SEQUENCE, self.sequence);
    }

    /// Writes blocks into the log, those that are neighbours on the disk at once.
    fn write_log(&self, cache: &mut Cache, place: usize, bytes: &[u8]) -> Result<(), Error> {
        let block_size = cache.block_size();
        let targets = self
            .blocks
            .get(place..place + bytes.len() / block_size)
            .ok_or(Error::Io)?;
        let mut start = 0;
        for end in 1..=targets.len() {
            if end == targets.len() || targets[end] != targets[end - 1].wrapping_add(1) {
                cache.write_around(targets[start], &bytes[start * block_size..end * block_size])?;
                start = end;
            }
        }
        Ok(())
    }

    fn write_superblock(&mut self, cache: &mut Cache, is_active: bool) -> Result<(), Error> {
        let start = if is_active { LOG_START as u32 } else { 0 };
        set_big_u32(&mut self.superblock, journal::FIRST_SEQUENCE, self.sequence);
        set_big_u32(&mut self.superblock, journal::START, start);
        let place = *self.blocks.first().ok_or(Error::Io)?;
        cache.write_around(place, &self.superblock)
    }
}
