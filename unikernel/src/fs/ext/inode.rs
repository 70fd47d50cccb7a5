//! Inodes: what the table says about a file, and the list of those that are to be freed.
//!
//! The list (of *orphans*) is on the disk: an inode that has no names but is open, or that is being freed or cut in several
//! transactions, is on it, so that mounting after a crash finishes the work. Read first: [`Inode`].

use super::layout::{inode as field, set_u16, set_u32, u16_at, u32_at};
use super::volume::Volume;
use crate::fs::{Error, Metadata, NodeKind};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Number of block pointers in an inode.
pub const POINTER_COUNT: usize = 15;

/// An inode.
#[derive(Clone, Debug)]
pub struct Inode {
    pub(super) number: u32,
    pub(super) mode: u16,
    pub(super) links: u16,
    pub(super) flags: u32,
    pub(super) length_bytes: u64,
    /// Space it takes, in sectors.
    pub(super) sectors: u32,
    /// Block with extended attributes, or 0.
    pub(super) attribute_block: u32,
    /// While it is an orphan, the next one; when it is free, the time.
    pub(super) deletion: u32,
    pub(super) pointers: [u32; POINTER_COUNT],
    pub(super) accessed_ns: u64,
    pub(super) modified_ns: u64,
    pub(super) changed_ns: u64,
}

impl Inode {
    /// Makes an inode without contents.
    pub const fn new(number: u32, mode: u16, links: u16, now_ns: u64) -> Self {
        Inode {
            number,
            mode,
            links,
            flags: 0,
            length_bytes: 0,
            sectors: 0,
            attribute_block: 0,
            deletion: 0,
            pointers: [0; POINTER_COUNT],
            accessed_ns: now_ns,
            modified_ns: now_ns,
            changed_ns: now_ns,
        }
    }

    /// Returns what it is; `None` for what a volume has no use for, such as a device.
    pub const fn kind(&self) -> Option<NodeKind> {
        match self.mode & field::KIND_MASK {
            field::KIND_FILE => Some(NodeKind::File),
            field::KIND_DIRECTORY => Some(NodeKind::Directory),
            field::KIND_SYMLINK => Some(NodeKind::Symlink),
            _ => None,
        }
    }

    /// Tells whether it is a directory.
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind(), Some(NodeKind::Directory))
    }

    /// Returns its attributes.
    pub fn metadata(&self) -> Result<Metadata, Error> {
        Ok(Metadata {
            kind: self.kind().ok_or(Error::Unsupported)?,
            links: u64::from(self.links),
            length_bytes: self.length_bytes,
            accessed_ns: self.accessed_ns,
            modified_ns: self.modified_ns,
            changed_ns: self.changed_ns,
        })
    }

    /// Notes a change of the contents.
    pub const fn touch(&mut self, now_ns: u64) {
        self.modified_ns = now_ns;
        self.changed_ns = now_ns;
    }

    /// Reads an inode.
    pub fn decode(number: u32, bytes: &[u8]) -> Self {
        let extra_len = if bytes.len() > field::MIN_LEN_BYTES {
            u16_at(bytes, field::EXTRA_LEN)
        } else {
            0
        };
        let time = |low: usize, extra: usize| {
            let has_extra = extra + 4 <= field::MIN_LEN_BYTES + usize::from(extra_len) && extra + 4 <= bytes.len();
            decode_time(u32_at(bytes, low), if has_extra { u32_at(bytes, extra) } else { 0 })
        };
        let mut inode = Inode {
            links: u16_at(bytes, field::LINK_COUNT),
            flags: u32_at(bytes, field::FLAGS),
            length_bytes: u64::from(u32_at(bytes, field::SIZE_LOW)),
            sectors: u32_at(bytes, field::SECTOR_COUNT),
            attribute_block: u32_at(bytes, field::ATTRIBUTE_BLOCK),
            deletion: u32_at(bytes, field::DELETION_TIME),
            accessed_ns: time(field::ACCESS_TIME, field::ACCESS_TIME_EXTRA),
            modified_ns: time(field::MODIFICATION_TIME, field::MODIFICATION_TIME_EXTRA),
            changed_ns: time(field::CHANGE_TIME, field::CHANGE_TIME_EXTRA),
            ..Inode::new(number, u16_at(bytes, field::MODE), 0, 0)
        };
        if inode.kind() == Some(NodeKind::File) {
            inode.length_bytes |= u64::from(u32_at(bytes, field::SIZE_HIGH)) << 32;
        }
        for (index, pointer) in inode.pointers.iter_mut().enumerate() {
            *pointer = u32_at(bytes, field::BLOCKS + 4 * index);
        }
        inode
    }

    /// Writes the fields that this crate knows; others stay.
    pub fn encode(&self, bytes: &mut [u8]) {
        set_u16(bytes, field::MODE, self.mode);
        set_u16(bytes, field::LINK_COUNT, self.links);
        set_u32(bytes, field::FLAGS, self.flags);
        set_u32(bytes, field::SIZE_LOW, self.length_bytes as u32);
        if self.kind() == Some(NodeKind::File) {
            set_u32(bytes, field::SIZE_HIGH, (self.length_bytes >> 32) as u32);
        }
        set_u32(bytes, field::SECTOR_COUNT, self.sectors);
        set_u32(bytes, field::ATTRIBUTE_BLOCK, self.attribute_block);
        set_u32(bytes, field::DELETION_TIME, self.deletion);
        for (index, &pointer) in self.pointers.iter().enumerate() {
            set_u32(bytes, field::BLOCKS + 4 * index, pointer);
        }
        let has_extra = bytes.len() > field::MIN_LEN_BYTES && u16_at(bytes, field::EXTRA_LEN) >= 16;
        for (time_ns, low, extra) in [
            (self.accessed_ns, field::ACCESS_TIME, field::ACCESS_TIME_EXTRA),
            (
                self.modified_ns,
                field::MODIFICATION_TIME,
                field::MODIFICATION_TIME_EXTRA,
            ),
            (self.changed_ns, field::CHANGE_TIME, field::CHANGE_TIME_EXTRA),
        ] {
            let seconds = time_ns / NS_PER_SECOND;
            set_u32(bytes, low, seconds as u32);
            if has_extra {
                // Seconds are signed 32 bits wide, to which the extra field adds two more above.
                let epoch = (seconds.wrapping_add(1 << 31) >> 32) as u32 & 3;
                set_u32(bytes, extra, ((time_ns % NS_PER_SECOND) as u32) << 2 | epoch);
            }
        }
    }
}

fn decode_time(low: u32, extra: u32) -> u64 {
    let seconds = i64::from(low as i32) + (i64::from(extra & 3) << 32);
    // Times before 1970 cannot be told.
    u64::try_from(seconds).unwrap_or(0) * NS_PER_SECOND + u64::from(extra >> 2).min(NS_PER_SECOND - 1)
}

impl Volume {
    /// Returns an inode; its number must exist.
    pub(super) fn load_inode(&mut self, number: u32) -> Result<Inode, Error> {
        let (block, offset) = self.inode_place(number)?;
        let size = self.geometry.inode_size;
        Ok(Inode::decode(number, &self.cache.get(block)?[offset..offset + size]))
    }

    /// Returns an inode that a directory may name, and that is in use.
    pub(super) fn load_node(&mut self, number: u64) -> Result<Inode, Error> {
        let number = u32::try_from(number).map_err(|_| Error::Io)?;
        if !self.geometry.is_nameable(number) {
            return Err(Error::Io);
        }
        let inode = self.load_inode(number)?;
        if inode.links == 0 && !self.open_counts.contains_key(&number) {
            return Err(Error::Io);
        }
        Ok(inode)
    }

    /// Writes an inode.
    pub(super) fn store_inode(&mut self, inode: &Inode) -> Result<(), Error> {
        let (block, offset) = self.inode_place(inode.number)?;
        let size = self.geometry.inode_size;
        inode.encode(&mut self.cache.metadata_mut(block)?[offset..offset + size]);
        Ok(())
    }

    /// Writes a new inode, over whatever was there.
    pub(super) fn store_new_inode(&mut self, inode: &Inode) -> Result<(), Error> {
        let (block, offset) = self.inode_place(inode.number)?;
        let size = self.geometry.inode_size;
        let bytes = &mut self.cache.metadata_mut(block)?[offset..offset + size];
        bytes.fill(0);
        if size > field::MIN_LEN_BYTES {
            set_u16(bytes, field::EXTRA_LEN, field::EXTRA_LEN_BYTES);
        }
        inode.encode(bytes);
        Ok(())
    }

    fn inode_place(&mut self, number: u32) -> Result<(u32, usize), Error> {
        if number == 0 || number > self.geometry.inode_count {
            return Err(Error::Io);
        }
        let (group, index) = self.geometry.group_of_inode(number);
        let offset = index as usize * self.geometry.inode_size;
        let table = self.group(group)?.inode_table;
        Ok((
            table + (offset / self.geometry.block_size) as u32,
            offset % self.geometry.block_size,
        ))
    }

    /// Puts an inode onto the list of orphans, and stores it.
    pub(super) fn add_orphan(&mut self, inode: &mut Inode) -> Result<(), Error> {
        inode.deletion = self.orphan_head()?;
        self.set_orphan_head(inode.number)?;
        self.store_inode(inode)
    }

    /// Takes an inode off the list, and stores it.
    pub(super) fn remove_orphan(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let mut current = self.orphan_head()?;
        if current == inode.number {
            self.set_orphan_head(inode.deletion)?;
        } else {
            let mut left = self.geometry.inode_count;
            loop {
                let mut previous = self.load_inode(current)?;
                if previous.deletion == inode.number {
                    previous.deletion = inode.deletion;
                    self.store_inode(&previous)?;
                    break;
                }
                current = previous.deletion;
                left = left.checked_sub(1).ok_or(Error::Io)?;
            }
        }
        inode.deletion = 0;
        self.store_inode(inode)
    }

    /// Finishes what a crash has interrupted: frees the orphans without names, cuts the others to their lengths.
    pub(super) fn clear_orphans(&mut self) -> Result<(), Error> {
        let now_ns = self.now_ns;
        let mut left = self.geometry.inode_count;
        while let number @ 1.. = self.orphan_head()? {
            left = left.checked_sub(1).ok_or(Error::Io)?;
            if !self.geometry.is_nameable(number) {
                return Err(Error::Io);
            }
            self.change(now_ns, |volume| {
                let mut inode = volume.load_inode(number)?;
                if inode.links == 0 {
                    return volume.free_orphan(&mut inode);
                }
                volume.cut(&mut inode)?;
                volume.remove_orphan(&mut inode)
            })?;
        }
        Ok(())
    }

    /// Frees an orphan and everything it has.
    pub(super) fn free_orphan(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let is_directory = inode.is_directory();
        if !self.is_short_symlink(inode) {
            inode.length_bytes = 0;
            self.cut(inode)?;
        }
        self.free_attributes(inode)?;
        self.remove_orphan(inode)?;
        // Later than any inode number, or it would be taken for a link of the list.
        let seconds = (self.now_ns / NS_PER_SECOND) as u32;
        inode.deletion = seconds.max(self.geometry.inode_count.saturating_add(1));
        self.store_inode(inode)?;
        self.free_inode(inode.number, is_directory)
    }

    /// Tells whether a symbolic link's target lies in the inode itself.
    pub(super) fn is_short_symlink(&self, inode: &Inode) -> bool {
        let attribute_sectors = if inode.attribute_block == 0 {
            0
        } else {
            self.sectors_per_block()
        };
        inode.kind() == Some(NodeKind::Symlink) && inode.sectors == attribute_sectors
    }

    /// Gives up an inode's share in a block of extended attributes.
    fn free_attributes(&mut self, inode: &mut Inode) -> Result<(), Error> {
        const REFERENCE_COUNT: usize = 4;
        let block = core::mem::take(&mut inode.attribute_block);
        if block == 0 {
            return Ok(());
        }
        if !self.geometry.is_usable(block) {
            return Err(Error::Io);
        }
        inode.sectors = inode.sectors.saturating_sub(self.sectors_per_block());
        let count = u32_at(self.cache.get(block)?, REFERENCE_COUNT);
        if count > 1 {
            set_u32(self.cache.metadata_mut(block)?, REFERENCE_COUNT, count - 1);
            return Ok(());
        }
        self.free_block(block)
    }
}
