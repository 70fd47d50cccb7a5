//! Directories: files of entries, each with the distance to the next one, none across the end of a block.
//!
//! Entries never move, so an entry's offset serves as its position. A removed entry's space goes to the one before it. Limits:
//! searched from the start; an index that Linux has put over a directory is given up when the directory changes.

use super::block_map::MAX_NEW_BLOCKS;
use super::inode::Inode;
use super::layout::{entry as field, inode as inode_field, set_u16, set_u32, u16_at, u32_at};
use super::volume::Volume;
use crate::fs::{Error, NodeKind};
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The longest name in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// An entry, whose place was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) inode: u32,
    pub(super) name: &'a [u8],
    pub(super) kind: u8,
    /// Offset in its block.
    offset: usize,
    len_bytes: usize,
}

/// Where an entry was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) inode: u32,
    block: u32,
    offset: usize,
    /// The entry before it in its block.
    previous: Option<usize>,
    len_bytes: usize,
}

/// Returns the entry at an offset; `None` at the end of the block.
fn entry_at(block: &[u8], offset: usize) -> Result<Option<Entry<'_>>, Error> {
    if offset == block.len() {
        return Ok(None);
    }
    let bytes = block.get(offset..).ok_or(Error::Io)?;
    if bytes.len() < field::NAME {
        return Err(Error::Io);
    }
    let len_bytes = usize::from(u16_at(bytes, field::LEN));
    let name_len = usize::from(bytes[field::NAME_LEN]);
    if len_bytes < field::NAME + name_len || len_bytes > bytes.len() || !len_bytes.is_multiple_of(4) {
        return Err(Error::Io);
    }
    Ok(Some(Entry {
        inode: u32_at(bytes, field::INODE),
        name: &bytes[field::NAME..field::NAME + name_len],
        kind: bytes[field::KIND],
        offset,
        len_bytes,
    }))
}

/// Returns the space that an entry with a name of that length needs.
const fn needed(name_len: usize) -> usize {
    (field::NAME + name_len).next_multiple_of(4)
}

/// Returns the number that an entry has for what it names.
pub(super) const fn kind_number(kind: NodeKind) -> u8 {
    match kind {
        NodeKind::Directory => field::KIND_DIRECTORY,
        NodeKind::Symlink => field::KIND_SYMLINK,
        NodeKind::File | NodeKind::Device(_) => field::KIND_FILE,
    }
}

fn write_entry(bytes: &mut [u8], inode: u32, len_bytes: usize, name: &[u8], kind: u8) {
    set_u32(bytes, field::INODE, inode);
    set_u16(bytes, field::LEN, len_bytes as u16);
    bytes[field::NAME_LEN] = name.len() as u8;
    bytes[field::KIND] = kind;
    bytes[field::NAME..field::NAME + name.len()].copy_from_slice(name);
}

/// Fills the first block of a new directory.
pub(super) fn write_first_block(block: &mut [u8], inode: u32, parent: u32) {
    let first = needed(1);
    let rest = block.len() - first;
    write_entry(block, inode, first, b".", field::KIND_DIRECTORY);
    write_entry(&mut block[first..], parent, rest, b"..", field::KIND_DIRECTORY);
}

impl Volume {
    /// Returns an inode that must be a directory.
    pub(super) fn load_directory(&mut self, number: u32) -> Result<Inode, Error> {
        let inode = self.load_node(u64::from(number))?;
        if inode.is_directory() {
            Ok(inode)
        } else {
            Err(Error::NotDirectory)
        }
    }

    /// Returns the number of blocks of a directory, which is at most that of the volume.
    fn directory_blocks(&self, directory: &Inode) -> Result<u64, Error> {
        let count = directory.length_bytes / self.geometry.block_size as u64;
        if count > u64::from(self.geometry.block_count) {
            return Err(Error::Io);
        }
        Ok(count)
    }

    /// Shows the entries of a directory from `position` on, with the positions after them, until `visit` breaks.
    pub(super) fn visit_entries(
        &mut self,
        directory: &Inode,
        position: u64,
        visit: &mut dyn FnMut(Entry<'_>, u64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let block_size = self.geometry.block_size as u64;
        for index in position / block_size..self.directory_blocks(directory)? {
            let block = self.find_block(directory, index)?.ok_or(Error::Io)?;
            let bytes = self.cache.get(block)?;
            let mut offset = 0;
            while let Some(entry) = entry_at(bytes, offset)? {
                let start = index * block_size + offset as u64;
                offset += entry.len_bytes;
                let is_shown = entry.inode != 0 && start >= position;
                if is_shown && visit(entry, index * block_size + offset as u64).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Finds an entry.
    pub(super) fn find_entry(&mut self, directory: &Inode, name: &[u8]) -> Result<Option<Place>, Error> {
        for index in 0..self.directory_blocks(directory)? {
            let block = self.find_block(directory, index)?.ok_or(Error::Io)?;
            let bytes = self.cache.get(block)?;
            let (mut offset, mut previous) = (0, None);
            while let Some(entry) = entry_at(bytes, offset)? {
                if entry.inode != 0 && entry.name == name {
                    return Ok(Some(Place {
                        inode: entry.inode,
                        block,
                        offset,
                        previous,
                        len_bytes: entry.len_bytes,
                    }));
                }
                previous = Some(offset);
                offset += entry.len_bytes;
            }
        }
        Ok(None)
    }

    /// Tells whether a directory has no entries but `.` and `..`.
    pub(super) fn is_empty_directory(&mut self, directory: &Inode) -> Result<bool, Error> {
        let mut is_empty = true;
        self.visit_entries(directory, 0, &mut |entry, _| {
            if entry.name == b"." || entry.name == b".." {
                return ControlFlow::Continue(());
            }
            is_empty = false;
            ControlFlow::Break(())
        })?;
        Ok(is_empty)
    }

    /// Adds an entry, whose name must not exist, and stores the directory. [`MAX_NEW_BLOCKS`] must have been reserved.
    pub(super) fn add_entry(&mut self, directory: &mut Inode, name: &[u8], inode: u32, kind: u8) -> Result<(), Error> {
        let needed_bytes = needed(name.len());
        let count = self.directory_blocks(directory)?;
        self.note_change(directory)?;
        for index in 0..count {
            let block = self.find_block(directory, index)?.ok_or(Error::Io)?;
            let bytes = self.cache.get(block)?;
            let mut offset = 0;
            while let Some(entry) = entry_at(bytes, offset)? {
                let used = if entry.inode == 0 { 0 } else { needed(entry.name.len()) };
                if entry.len_bytes - used >= needed_bytes {
                    let (start, len_bytes) = (entry.offset, entry.len_bytes);
                    let bytes = &mut self.cache.metadata_mut(block)?[start..start + len_bytes];
                    if used > 0 {
                        set_u16(bytes, field::LEN, used as u16);
                    }
                    write_entry(&mut bytes[used..], inode, len_bytes - used, name, kind);
                    return Ok(());
                }
                offset += entry.len_bytes;
            }
        }
        let (block, _) = self.find_or_allocate_block(directory, count)?;
        let bytes = self.cache.new_metadata(block)?;
        let len_bytes = bytes.len();
        write_entry(bytes, inode, len_bytes, name, kind);
        directory.length_bytes += len_bytes as u64;
        self.store_inode(directory)
    }

    /// Removes an entry that [`find_entry`](Self::find_entry) has just found, and stores the directory.
    pub(super) fn remove_entry(&mut self, directory: &mut Inode, place: Place) -> Result<(), Error> {
        self.note_change(directory)?;
        let bytes = self.cache.metadata_mut(place.block)?;
        match place.previous {
            Some(previous) => {
                let len_bytes = place.offset - previous + place.len_bytes;
                set_u16(&mut bytes[previous..], field::LEN, len_bytes as u16);
            }
            None => set_u32(&mut bytes[place.offset..], field::INODE, 0),
        }
        Ok(())
    }

    /// Makes an entry name another inode, and stores the directory.
    pub(super) fn redirect_entry(
        &mut self,
        directory: &mut Inode,
        place: Place,
        inode: u32,
        kind: u8,
    ) -> Result<(), Error> {
        self.note_change(directory)?;
        let bytes = &mut self.cache.metadata_mut(place.block)?[place.offset..];
        set_u32(bytes, field::INODE, inode);
        bytes[field::KIND] = kind;
        Ok(())
    }

    /// Returns the directory that holds a directory.
    pub(super) fn parent(&mut self, directory: &Inode) -> Result<u32, Error> {
        let place = self.find_entry(directory, b"..")?.ok_or(Error::Io)?;
        Ok(place.inode)
    }

    /// Checks that `directory` is not `ancestor` or below it.
    pub(super) fn check_not_below(&mut self, directory: u32, ancestor: u32) -> Result<(), Error> {
        let mut current = directory;
        for _ in 0..self.geometry.inode_count {
            if current == ancestor {
                return Err(Error::Invalid);
            }
            if current == inode_field::ROOT {
                return Ok(());
            }
            let inode = self.load_directory(current)?;
            current = self.parent(&inode)?;
        }
        Err(Error::Io)
    }

    /// Makes a new directory's only block.
    pub(super) fn fill_new_directory(&mut self, directory: &mut Inode, parent: u32) -> Result<(), Error> {
        let (block, _) = self.find_or_allocate_block(directory, 0)?;
        let bytes = self.cache.new_metadata(block)?;
        write_first_block(bytes, directory.number, parent);
        directory.length_bytes = bytes.len() as u64;
        Ok(())
    }

    fn note_change(&mut self, directory: &mut Inode) -> Result<(), Error> {
        directory.flags &= !inode_field::FLAG_INDEX;
        directory.touch(self.now_ns);
        self.store_inode(directory)
    }

    /// Appends the target of a symbolic link.
    pub(super) fn read_target(&mut self, link: &Inode, target: &mut Vec<u8>) -> Result<(), Error> {
        let length = usize::try_from(link.length_bytes).map_err(|_| Error::Io)?;
        target
            .try_reserve(length.min(self.geometry.block_size))
            .map_err(|_| Error::NoMemory)?;
        if self.is_short_symlink(link) {
            let bytes = link.pointers.iter().flat_map(|pointer| pointer.to_le_bytes());
            if length > size_of_val(&link.pointers) {
                return Err(Error::Io);
            }
            target.extend(bytes.take(length));
            return Ok(());
        }
        let block = self.find_block(link, 0)?.ok_or(Error::Io)?;
        let bytes = self.cache.get(block)?;
        target.extend_from_slice(bytes.get(..length).ok_or(Error::Io)?);
        Ok(())
    }

    /// Gives a new symbolic link its target.
    pub(super) fn write_target(&mut self, link: &mut Inode, target: &[u8]) -> Result<(), Error> {
        link.length_bytes = target.len() as u64;
        // One byte less than there is: Linux wants a zero behind it.
        if target.len() < size_of_val(&link.pointers) {
            for (pointer, bytes) in link.pointers.iter_mut().zip(target.chunks(4)) {
                let mut word = [0; 4];
                word[..bytes.len()].copy_from_slice(bytes);
                *pointer = u32::from_le_bytes(word);
            }
            return Ok(());
        }
        let (block, _) = self.find_or_allocate_block(link, 0)?;
        self.cache.new_metadata(block)?[..target.len()].copy_from_slice(target);
        Ok(())
    }
}

/// The blocks that an operation on directories can take: a directory's next one, and a new node's first one.
pub(super) const MAX_BLOCKS_OF_CREATION: u32 = 2 * MAX_NEW_BLOCKS;
