//! The shape of a volume, read from its superblock and checked once: whoever has a [`Geometry`] can divide by its fields, and
//! knows which blocks and inodes exist.

use super::layout::{feature, group, inode, superblock as field, u16_at, u32_at};

/// The shape of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Length of a block in bytes: 1,024, 2,048 or 4,096.
    pub block_size: usize,
    /// Number of blocks.
    pub block_count: u32,
    /// Number of inodes.
    pub inode_count: u32,
    /// The block of the superblock: the first one that belongs to a group.
    pub first_block: u32,
    /// Blocks of each group but the last one.
    pub blocks_per_group: u32,
    /// Inodes of each group.
    pub inodes_per_group: u32,
    /// Length of an inode in bytes.
    pub inode_size: usize,
    /// Number of the first inode that is not reserved.
    pub first_inode: u32,
    /// Number of groups.
    pub group_count: u32,
    /// The inode that is the journal.
    pub journal_inode: u32,
    /// Files may be 2 GiB and more.
    pub has_large_files: bool,
}

/// Why a superblock is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeometryError {
    /// It is none.
    NotExt,
    /// Its numbers contradict each other or the length of the disk.
    Corrupt,
    /// There is no journal.
    NoJournal,
    /// It has features that are not understood.
    UnknownFeatures,
}

impl Geometry {
    /// Reads a superblock of 1,024 bytes. The disk is `disk_len_bytes` long.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn parse(bytes: &[u8], disk_len_bytes: u64) -> Result<Self, GeometryError> {
        if u16_at(bytes, field::MAGIC) != field::MAGIC_VALUE {
            return Err(GeometryError::NotExt);
        }
        let unknown = u32_at(bytes, field::INCOMPATIBLE) & !feature::INCOMPATIBLE_KNOWN;
        let unknown_for_writing = u32_at(bytes, field::READ_ONLY_COMPATIBLE) & !feature::READ_ONLY_COMPATIBLE_KNOWN;
        if unknown != 0 || unknown_for_writing != 0 {
            return Err(GeometryError::UnknownFeatures);
        }
        if u32_at(bytes, field::COMPATIBLE) & feature::HAS_JOURNAL == 0 {
            return Err(GeometryError::NoJournal);
        }
        Self::read(bytes)
            .filter(|geometry| geometry.is_sound(disk_len_bytes))
            .ok_or(GeometryError::Corrupt)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let log_block_size = u32_at(bytes, field::LOG_BLOCK_SIZE);
        let has_revision = u32_at(bytes, field::REVISION) > 0;
        let mut geometry = Geometry {
            block_size: 1024usize.checked_shl(log_block_size).filter(|&size| size <= 4096)?,
            block_count: u32_at(bytes, field::BLOCK_COUNT),
            inode_count: u32_at(bytes, field::INODE_COUNT),
            first_block: u32_at(bytes, field::FIRST_DATA_BLOCK),
            blocks_per_group: u32_at(bytes, field::BLOCKS_PER_GROUP),
            inodes_per_group: u32_at(bytes, field::INODES_PER_GROUP),
            inode_size: if has_revision {
                usize::from(u16_at(bytes, field::INODE_SIZE))
            } else {
                inode::MIN_LEN_BYTES
            },
            first_inode: if has_revision {
                u32_at(bytes, field::FIRST_INODE)
            } else {
                inode::FIRST
            },
            group_count: 0,
            journal_inode: u32_at(bytes, field::JOURNAL_INODE),
            has_large_files: u32_at(bytes, field::READ_ONLY_COMPATIBLE) & feature::LARGE_FILE != 0,
        };
        let blocks = geometry.block_count.checked_sub(geometry.first_block)?;
        geometry.group_count =
            blocks.checked_add(geometry.blocks_per_group.checked_sub(1)?)? / geometry.blocks_per_group;
        Some(geometry)
    }

    fn is_sound(&self, disk_len_bytes: u64) -> bool {
        let bits_per_block = self.block_size as u32 * 8;
        let inode_sizes = inode::MIN_LEN_BYTES..=self.block_size;
        self.first_block == u32::from(self.block_size == 1024)
            && self.group_count > 0
            && u64::from(self.block_count) * self.block_size as u64 <= disk_len_bytes
            && self.blocks_per_group <= bits_per_block
            && self.blocks_per_group.is_multiple_of(8)
            && (8..=bits_per_block).contains(&self.inodes_per_group)
            && self.inodes_per_group.is_multiple_of(8)
            && inode_sizes.contains(&self.inode_size)
            && self.inode_size.is_power_of_two()
            && u64::from(self.group_count) * u64::from(self.inodes_per_group) == u64::from(self.inode_count)
            && (inode::FIRST..self.inode_count).contains(&self.first_inode)
            && (1..=self.inode_count).contains(&self.journal_inode)
            && self.descriptor_blocks() < self.blocks_per_group
    }

    /// Returns the number of blocks of group descriptors, which follow the superblock.
    pub const fn descriptor_blocks(&self) -> u32 {
        self.group_count.div_ceil((self.block_size / group::LEN_BYTES) as u32)
    }

    /// Tells whether a block can be used by a file.
    pub const fn is_usable(&self, block: u32) -> bool {
        block > self.first_block + self.descriptor_blocks() && block < self.block_count
    }

    /// Returns the group and the index in it of a block that [is usable](Self::is_usable).
    pub const fn group_of_block(&self, block: u32) -> (u32, u32) {
        let index = block - self.first_block;
        (index / self.blocks_per_group, index % self.blocks_per_group)
    }

    /// Returns the first block of a group.
    pub const fn first_block_of(&self, group: u32) -> u32 {
        self.first_block + group * self.blocks_per_group
    }

    /// Returns the number of blocks of a group.
    pub fn blocks_of(&self, group: u32) -> u32 {
        (self.block_count - self.first_block_of(group)).min(self.blocks_per_group)
    }

    /// Tells whether an inode is one that a directory may name.
    pub fn is_nameable(&self, number: u32) -> bool {
        number == inode::ROOT || (self.first_inode..=self.inode_count).contains(&number)
    }

    /// Returns the group and the index in it of an inode.
    pub const fn group_of_inode(&self, number: u32) -> (u32, u32) {
        let index = number - 1;
        (index / self.inodes_per_group, index % self.inodes_per_group)
    }

    /// Returns the block of the group descriptor and the offset in it.
    pub const fn descriptor_place(&self, number: u32) -> (u32, usize) {
        let per_block = (self.block_size / group::LEN_BYTES) as u32;
        (
            self.first_block + 1 + number / per_block,
            (number % per_block) as usize * group::LEN_BYTES,
        )
    }

    /// Returns the block of the superblock and the offset in it.
    pub const fn superblock_place(&self) -> (u32, usize) {
        (self.first_block, if self.first_block == 0 { field::OFFSET } else { 0 })
    }
}
