//! Free blocks and inodes: bitmaps, and the counts in group descriptors and superblock that go with them.
//!
//! A block that was freed is *pinned* until the next checkpoint: the journal may still have an older version of it, and until the
//! transaction that freed it is committed, the file that it belonged to may come back. So it must not be written.

use super::cache::zeros;
use super::layout::{group as field, inode, set_u16, set_u32, superblock, u16_at, u32_at};
use super::volume::Volume;
use crate::fs::Error;
use crate::fs::number_map::NumberMap;
use alloc::boxed::Box;

/// Blocks that were freed since the last checkpoint: a bitmap for each group that has any.
#[derive(Default)]
pub struct PinnedBlocks {
    groups: NumberMap<u32, Box<[u8]>>,
    count: u32,
}

impl PinnedBlocks {
    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.count = 0;
    }

    fn add(&mut self, group: u32, index: u32, block_size: usize) -> Result<(), Error> {
        if !self.groups.contains_key(&group) {
            let bitmap = zeros(block_size)?;
            self.groups.try_reserve(1).map_err(|_| Error::NoMemory)?;
            self.groups.insert(group, bitmap);
        }
        let bitmap = self.groups.get_mut(&group).ok_or(Error::Io)?;
        set_bit(bitmap, index);
        self.count += 1;
        Ok(())
    }

    fn byte(&self, group: u32, byte: usize) -> u8 {
        self.groups.get(&group).map_or(0, |bitmap| bitmap[byte])
    }
}

/// What a group descriptor says.
pub(super) struct Group {
    block_bitmap: u32,
    inode_bitmap: u32,
    pub(super) inode_table: u32,
    free_blocks: u16,
    free_inodes: u16,
}

impl Volume {
    /// Returns a group's descriptor, whose blocks are checked.
    pub(super) fn group(&mut self, number: u32) -> Result<Group, Error> {
        let (block, offset) = self.geometry.descriptor_place(number);
        let bytes = &self.cache.get(block)?[offset..offset + field::LEN_BYTES];
        let group = Group {
            block_bitmap: u32_at(bytes, field::BLOCK_BITMAP),
            inode_bitmap: u32_at(bytes, field::INODE_BITMAP),
            inode_table: u32_at(bytes, field::INODE_TABLE),
            free_blocks: u16_at(bytes, field::FREE_BLOCK_COUNT),
            free_inodes: u16_at(bytes, field::FREE_INODE_COUNT),
        };
        let table_blocks =
            self.geometry.inodes_per_group as usize * self.geometry.inode_size / self.geometry.block_size;
        let table_end = group.inode_table.checked_add(table_blocks as u32).ok_or(Error::Io)?;
        let is_sound = [group.block_bitmap, group.inode_bitmap, group.inode_table]
            .iter()
            .all(|&block| self.geometry.is_usable(block));
        if !is_sound || table_end > self.geometry.block_count {
            return Err(Error::Io);
        }
        Ok(group)
    }

    /// Makes sure that `count` blocks can be allocated.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub(super) fn reserve(&mut self, count: u32) -> Result<(), Error> {
        let needed = count.saturating_add(self.pinned.count);
        if self.free_block_count()? >= needed {
            return Ok(());
        }
        if self.pinned.count > 0 && self.free_block_count()? >= count {
            return self.unpin();
        }
        Err(Error::NoSpace)
    }

    /// Takes a free block, the nearest one behind `goal`. Its contents are whatever was there.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if there is none, which [`reserve`](Self::reserve) rules out.
    pub(super) fn allocate_block(&mut self, goal: u32) -> Result<u32, Error> {
        let goal = if self.geometry.is_usable(goal) {
            goal
        } else {
            self.geometry.first_block + 1
        };
        let (goal_group, goal_index) = self.geometry.group_of_block(goal);
        for step in 0..=self.geometry.group_count {
            let number = (goal_group + step) % self.geometry.group_count;
            let group = self.group(number)?;
            if group.free_blocks == 0 {
                continue;
            }
            let start = if step == 0 { goal_index } else { 0 };
            let end = self.geometry.blocks_of(number);
            let bitmap = self.cache.get(group.block_bitmap)?;
            let pinned = &self.pinned;
            let is_taken = |byte: usize| bitmap[byte] | pinned.byte(number, byte);
            let Some(index) = find_clear(is_taken, start, end) else {
                continue;
            };
            let block = self.geometry.first_block_of(number) + index;
            if !self.geometry.is_usable(block) {
                return Err(Error::Io);
            }
            set_bit(self.cache.metadata_mut(group.block_bitmap)?, index);
            self.count_group(number, field::FREE_BLOCK_COUNT, -1)?;
            self.count_volume(superblock::FREE_BLOCK_COUNT, -1)?;
            return Ok(block);
        }
        Err(Error::NoSpace)
    }

    /// Gives a block back.
    ///
    /// # Errors
    /// [`Error::Io`] if it is not in use: the volume is damaged.
    pub(super) fn free_block(&mut self, block: u32) -> Result<(), Error> {
        if !self.geometry.is_usable(block) {
            return Err(Error::Io);
        }
        let (number, index) = self.geometry.group_of_block(block);
        let bitmap = self.group(number)?.block_bitmap;
        clear_bit(self.cache.metadata_mut(bitmap)?, index)?;
        self.pinned.add(number, index, self.geometry.block_size)?;
        self.count_group(number, field::FREE_BLOCK_COUNT, 1)?;
        self.count_volume(superblock::FREE_BLOCK_COUNT, 1)?;
        self.cache.forget(block);
        Ok(())
    }

    /// Takes a free inode, in the group of `near` if it has one.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if there is none.
    pub(super) fn allocate_inode(&mut self, near: u32, is_directory: bool) -> Result<u32, Error> {
        let (near_group, _) = self.geometry.group_of_inode(near);
        for step in 0..self.geometry.group_count {
            let number = (near_group + step) % self.geometry.group_count;
            let group = self.group(number)?;
            if group.free_inodes == 0 {
                continue;
            }
            let first = number * self.geometry.inodes_per_group + 1;
            let start = self.geometry.first_inode.saturating_sub(first);
            let bitmap = self.cache.get(group.inode_bitmap)?;
            let Some(index) = find_clear(|byte| bitmap[byte], start, self.geometry.inodes_per_group) else {
                continue;
            };
            set_bit(self.cache.metadata_mut(group.inode_bitmap)?, index);
            self.count_group(number, field::FREE_INODE_COUNT, -1)?;
            self.count_volume(superblock::FREE_INODE_COUNT, -1)?;
            if is_directory {
                self.count_group(number, field::DIRECTORY_COUNT, 1)?;
            }
            return Ok(first + index);
        }
        Err(Error::NoSpace)
    }

    /// Gives an inode back.
    pub(super) fn free_inode(&mut self, inode: u32, is_directory: bool) -> Result<(), Error> {
        let (number, index) = self.geometry.group_of_inode(inode);
        let bitmap = self.group(number)?.inode_bitmap;
        clear_bit(self.cache.metadata_mut(bitmap)?, index)?;
        self.count_group(number, field::FREE_INODE_COUNT, 1)?;
        self.count_volume(superblock::FREE_INODE_COUNT, 1)?;
        if is_directory {
            self.count_group(number, field::DIRECTORY_COUNT, -1)?;
        }
        Ok(())
    }

    /// Reads the head of the list of inodes that are to be freed or cut.
    pub(super) fn orphan_head(&mut self) -> Result<u32, Error> {
        let (block, offset) = self.geometry.superblock_place();
        Ok(u32_at(self.cache.get(block)?, offset + superblock::LAST_ORPHAN))
    }

    /// Writes the head of that list.
    pub(super) fn set_orphan_head(&mut self, inode: u32) -> Result<(), Error> {
        let (block, offset) = self.geometry.superblock_place();
        set_u32(self.cache.metadata_mut(block)?, offset + superblock::LAST_ORPHAN, inode);
        Ok(())
    }

    fn free_block_count(&mut self) -> Result<u32, Error> {
        let (block, offset) = self.geometry.superblock_place();
        Ok(u32_at(self.cache.get(block)?, offset + superblock::FREE_BLOCK_COUNT))
    }

    fn count_volume(&mut self, field: usize, change: i32) -> Result<(), Error> {
        let (block, offset) = self.geometry.superblock_place();
        let bytes = self.cache.metadata_mut(block)?;
        let count = u32_at(bytes, offset + field)
            .checked_add_signed(change)
            .ok_or(Error::Io)?;
        set_u32(bytes, offset + field, count);
        Ok(())
    }

    fn count_group(&mut self, number: u32, field: usize, change: i16) -> Result<(), Error> {
        let (block, offset) = self.geometry.descriptor_place(number);
        let bytes = self.cache.metadata_mut(block)?;
        let count = u16_at(bytes, offset + field)
            .checked_add_signed(change)
            .ok_or(Error::Io)?;
        set_u16(bytes, offset + field, count);
        Ok(())
    }

    /// Checks every group once, and that the root is a directory.
    pub(super) fn check_groups(&mut self) -> Result<(), Error> {
        for number in 0..self.geometry.group_count {
            self.group(number)?;
        }
        self.load_directory(inode::ROOT).map(drop)
    }
}

/// Returns the first index from `start` on, and before `end`, whose bit is clear.
fn find_clear(byte_at: impl Fn(usize) -> u8, start: u32, end: u32) -> Option<u32> {
    let mut index = start;
    while index < end {
        let byte = byte_at(index as usize / 8) >> (index % 8);
        let free = byte.trailing_ones();
        if index % 8 + free < 8 {
            return Some(index + free).filter(|&index| index < end);
        }
        index += 8 - index % 8;
    }
    None
}

fn set_bit(bitmap: &mut [u8], index: u32) {
    bitmap[index as usize / 8] |= 1 << (index % 8);
}

fn clear_bit(bitmap: &mut [u8], index: u32) -> Result<(), Error> {
    let byte = &mut bitmap[index as usize / 8];
    let bit = 1 << (index % 8);
    if *byte & bit == 0 {
        return Err(Error::Io);
    }
    *byte &= !bit;
    Ok(())
}
