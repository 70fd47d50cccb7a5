//! Contents of files: reading, writing, setting the length.
//!
//! Whole blocks that are neighbours on the disk and not in memory are read at once, straight into the caller's buffer. What is
//! written stays in memory until it is synced, or until there is much of it. The rest of a file's last block is always zeros.

use super::block_map::MAX_NEW_BLOCKS;
use super::inode::Inode;
use super::volume::Volume;
use crate::fs::{Error, NodeKind};

/// The longest read that is passed to the device at once, in bytes.
const MAX_READ_BYTES: usize = 128 * 1024;

impl Volume {
    /// Returns an inode that must be a file.
    pub(super) fn load_file(&mut self, number: u64) -> Result<Inode, Error> {
        let inode = self.load_node(number)?;
        match inode.kind() {
            Some(NodeKind::File) => Ok(inode),
            Some(NodeKind::Directory) => Err(Error::IsDirectory),
            _ => Err(Error::Invalid),
        }
    }

    /// Reads from a file; returns the number of bytes.
    pub(super) fn read_file(&mut self, inode: &Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let block_size = self.geometry.block_size;
        let rest = inode.length_bytes.saturating_sub(offset);
        let total = usize::try_from(rest).unwrap_or(usize::MAX).min(buffer.len());
        let mut done = 0;
        while done < total {
            let position = offset + done as u64;
            let within = (position % block_size as u64) as usize;
            let index = position / block_size as u64;
            let count = (block_size - within).min(total - done);
            let target = &mut buffer[done..total];
            match self.find_block(inode, index)? {
                None => target[..count].fill(0),
                Some(block) if count == block_size && !self.cache.holds(block) => {
                    done += self.read_run(inode, index, block, target)?;
                    continue;
                }
                Some(block) => target[..count].copy_from_slice(&self.cache.get(block)?[within..within + count]),
            }
            done += count;
        }
        Ok(done)
    }

    /// Reads whole blocks that follow each other on the disk.
    fn read_run(&mut self, inode: &Inode, index: u64, first: u32, target: &mut [u8]) -> Result<usize, Error> {
        let block_size = self.geometry.block_size;
        let most = target.len().min(MAX_READ_BYTES) / block_size;
        let mut count = 1;
        while count < most {
            let next = self.find_block(inode, index + count as u64)?;
            if next != first.checked_add(count as u32) || next.is_some_and(|block| self.cache.holds(block)) {
                break;
            }
            count += 1;
        }
        self.cache.read_around(first, &mut target[..count * block_size])?;
        Ok(count * block_size)
    }

    /// Writes to a file; returns the number of bytes, which is smaller only for want of space.
    pub(super) fn write_file(&mut self, inode: &mut Inode, offset: u64, bytes: &[u8]) -> Result<usize, Error> {
        let block_size = self.geometry.block_size;
        let room = self.max_file_bytes().saturating_sub(offset);
        if room == 0 && !bytes.is_empty() {
            return Err(Error::FileTooBig);
        }
        let total = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let mut done = 0;
        while done < total {
            let position = offset + done as u64;
            let within = (position % block_size as u64) as usize;
            let count = (block_size - within).min(total - done);
            let part = &bytes[done..done + count];
            if done > 0 {
                // As it stands: making room for the next block may commit.
                self.store_inode(inode)?;
            }
            match self.write_block(inode, position / block_size as u64, within, part) {
                Err(Error::NoSpace) if done > 0 => break,
                result => result?,
            }
            done += count;
            inode.length_bytes = inode.length_bytes.max(position + count as u64);
            if self.is_transaction_full() {
                self.store_inode(inode)?;
            }
            self.limit_transaction()?;
        }
        if done > 0 {
            inode.touch(self.now_ns);
            self.store_inode(inode)?;
        }
        Ok(done)
    }

    fn write_block(&mut self, inode: &mut Inode, index: u64, within: usize, part: &[u8]) -> Result<(), Error> {
        if self.find_block(inode, index)?.is_none() {
            self.reserve(MAX_NEW_BLOCKS)?;
        }
        let (block, is_new) = self.find_or_allocate_block(inode, index)?;
        let is_whole = part.len() == self.geometry.block_size;
        let target = if is_new || is_whole {
            self.cache.new_data(block)?
        } else {
            self.cache.data_mut(block)?
        };
        target[within..within + part.len()].copy_from_slice(part);
        Ok(())
    }

    /// Cuts a file or extends it with a hole.
    pub(super) fn set_file_length(&mut self, inode: &mut Inode, length_bytes: u64) -> Result<(), Error> {
        if length_bytes > self.max_file_bytes() {
            return Err(Error::FileTooBig);
        }
        let is_cut = length_bytes < inode.length_bytes;
        inode.length_bytes = length_bytes;
        inode.touch(self.now_ns);
        if !is_cut {
            return self.store_inode(inode);
        }
        let block_size = self.geometry.block_size as u64;
        let within = (length_bytes % block_size) as usize;
        if within > 0
            && let Some(block) = self.find_block(inode, length_bytes / block_size)?
        {
            self.cache.data_mut(block)?[within..].fill(0);
        }
        // An inode without names is on the list of orphans as it is.
        let is_orphan = inode.links == 0;
        if !is_orphan {
            self.add_orphan(inode)?;
        }
        self.cut(inode)?;
        if is_orphan { Ok(()) } else { self.remove_orphan(inode) }
    }
}
