//! Which block of the disk holds which part of a file: twelve pointers in the inode, then trees of one, two and three levels.
//!
//! ```text
//! pointers[0..12] ─▶ data        [12] ─▶ block of pointers ─▶ data        [13], [14]: two and three such levels
//! ```
//!
//! A pointer 0 is a hole. Read first: [`Volume::find_block`], [`Volume::cut`]. Limits: what 32 bits count in sectors, 2 TiB.

use super::inode::Inode;
use super::layout::{set_u32, u32_at};
use super::volume::Volume;
use crate::fs::Error;
use crate::fs::block_device::SECTOR_LEN_BYTES;

const DIRECT_COUNT: usize = 12;
const MAX_DEPTH: usize = 3;

/// The blocks that mapping one more block of a file can take: itself and one of pointers at each level.
pub const MAX_NEW_BLOCKS: u32 = 1 + MAX_DEPTH as u32;

/// The way to a block: the index into the inode's pointers, then one into each block of pointers.
struct Path {
    indexes: [usize; MAX_DEPTH + 1],
    depth: usize,
}

impl Volume {
    pub(super) const fn sectors_per_block(&self) -> u32 {
        (self.geometry.block_size / SECTOR_LEN_BYTES) as u32
    }

    /// Returns the greatest length of a file in bytes.
    pub(super) fn max_file_bytes(&self) -> u64 {
        let per_block = self.pointers_per_block();
        let mapped = DIRECT_COUNT as u64 + per_block + per_block.pow(2) + per_block.pow(3);
        // One part in 128 is left for the blocks of pointers.
        let counted = (u64::from(u32::MAX) / u64::from(self.sectors_per_block())) / 128 * 127;
        let limit = mapped.min(counted) * self.geometry.block_size as u64;
        if self.geometry.has_large_files {
            limit
        } else {
            limit.min(i32::MAX as u64)
        }
    }

    const fn pointers_per_block(&self) -> u64 {
        self.geometry.block_size as u64 / 4
    }

    fn path(&self, index: u64) -> Result<Path, Error> {
        let per_block = self.pointers_per_block();
        if index < DIRECT_COUNT as u64 {
            return Ok(Path {
                indexes: [index as usize, 0, 0, 0],
                depth: 0,
            });
        }
        let mut rest = index - DIRECT_COUNT as u64;
        for depth in 1..=MAX_DEPTH {
            let span = per_block.pow(depth as u32);
            if rest < span {
                let mut indexes = [DIRECT_COUNT + depth - 1, 0, 0, 0];
                for place in (1..=depth).rev() {
                    indexes[place] = (rest % per_block) as usize;
                    rest /= per_block;
                }
                return Ok(Path { indexes, depth });
            }
            rest -= span;
        }
        Err(Error::FileTooBig)
    }

    /// Returns the block with a part of a file; `None` for a hole.
    pub(super) fn find_block(&mut self, inode: &Inode, index: u64) -> Result<Option<u32>, Error> {
        let path = self.path(index)?;
        let mut block = inode.pointers[path.indexes[0]];
        for &index in &path.indexes[1..=path.depth] {
            if block == 0 {
                return Ok(None);
            }
            self.must_be_usable(block)?;
            block = u32_at(self.cache.get(block)?, index * 4);
        }
        if block == 0 {
            return Ok(None);
        }
        self.must_be_usable(block)?;
        Ok(Some(block))
    }

    /// Returns the block with a part of a file, and whether it was allocated for it: then its contents must be written. The
    /// inode must be stored afterwards. [`MAX_NEW_BLOCKS`] must have been reserved.
    pub(super) fn find_or_allocate_block(&mut self, inode: &mut Inode, index: u64) -> Result<(u32, bool), Error> {
        if let Some(block) = self.find_block(inode, index)? {
            return Ok((block, false));
        }
        let before = index.checked_sub(1).map(|index| self.find_block(inode, index));
        let (group, _) = self.geometry.group_of_inode(inode.number);
        let mut goal = match before.transpose()?.flatten() {
            Some(block) => block.saturating_add(1),
            None => self.geometry.first_block_of(group),
        };
        let path = self.path(index)?;
        let mut parent = None;
        for level in 0..=path.depth {
            let slot = path.indexes[level];
            let mut block = match parent {
                None => inode.pointers[slot],
                Some(parent) => u32_at(self.cache.get(parent)?, slot * 4),
            };
            if block == 0 {
                block = self.allocate_block(goal)?;
                goal = block.saturating_add(1);
                inode.sectors += self.sectors_per_block();
                if level < path.depth {
                    self.cache.new_metadata(block)?;
                }
                match parent {
                    None => inode.pointers[slot] = block,
                    Some(parent) => set_u32(self.cache.metadata_mut(parent)?, slot * 4, block),
                }
            }
            self.must_be_usable(block)?;
            parent = Some(block);
        }
        Ok((parent.ok_or(Error::Io)?, true))
    }

    /// Frees the blocks behind the end of a file, in several transactions if there are many, and stores the inode. The file must
    /// be on the list of orphans.
    pub(super) fn cut(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let mut from = inode.length_bytes.div_ceil(self.geometry.block_size as u64);
        for slot in 0..DIRECT_COUNT as u64 {
            if slot >= from {
                self.cut_pointer(inode, slot as usize, 0, 0)?;
            }
        }
        from = from.saturating_sub(DIRECT_COUNT as u64);
        for depth in 1..=MAX_DEPTH {
            let span = self.pointers_per_block().pow(depth as u32);
            if from < span {
                self.cut_pointer(inode, DIRECT_COUNT + depth - 1, depth, from)?;
            }
            from = from.saturating_sub(span);
        }
        self.store_inode(inode)
    }

    fn cut_pointer(&mut self, inode: &mut Inode, slot: usize, depth: usize, from: u64) -> Result<(), Error> {
        let block = inode.pointers[slot];
        if block != 0 {
            self.cut_tree(inode, block, depth, from)?;
            if from == 0 {
                inode.pointers[slot] = 0;
                self.free_file_block(inode, block)?;
            }
        }
        Ok(())
    }

    /// Frees what hangs below a block of pointers, from the part `from` on.
    fn cut_tree(&mut self, inode: &mut Inode, block: u32, depth: usize, from: u64) -> Result<(), Error> {
        if depth == 0 {
            return Ok(());
        }
        self.must_be_usable(block)?;
        let span = self.pointers_per_block().pow(depth as u32 - 1);
        let first = from / span;
        for slot in (first..self.pointers_per_block()).rev() {
            let offset = slot as usize * 4;
            let child = u32_at(self.cache.get(block)?, offset);
            if child == 0 {
                continue;
            }
            let below = if slot == first { from % span } else { 0 };
            self.cut_tree(inode, child, depth - 1, below)?;
            if below == 0 {
                set_u32(self.cache.metadata_mut(block)?, offset, 0);
                self.free_file_block(inode, child)?;
            }
            if self.is_transaction_full() {
                self.store_inode(inode)?;
                self.limit_transaction()?;
            }
        }
        Ok(())
    }

    fn free_file_block(&mut self, inode: &mut Inode, block: u32) -> Result<(), Error> {
        inode.sectors = inode.sectors.saturating_sub(self.sectors_per_block());
        self.free_block(block)
    }

    fn must_be_usable(&self, block: u32) -> Result<(), Error> {
        if self.geometry.is_usable(block) {
            Ok(())
        } else {
            Err(Error::Io)
        }
    }
}
