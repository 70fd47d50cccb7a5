//! Where things are on the disk: offsets of fields, and the numbers that stand in them.
//!
//! The format is that of Linux's `ext3`: little-endian but for the journal, which is big-endian. Reference: the kernel's
//! documentation of ext4's data structures (`filesystems/ext4`), for the features named in [`feature`].

/// Fields of the superblock, which starts at [`SUPERBLOCK_OFFSET`](superblock::OFFSET) bytes into the disk.
pub mod superblock {
    /// Where the superblock starts on the disk, in bytes.
    pub const OFFSET: usize = 1024;
    /// Its length in bytes.
    pub const LEN_BYTES: usize = 1024;
    pub const MAGIC_VALUE: u16 = 0xef53;

    pub const INODE_COUNT: usize = 0;
    pub const BLOCK_COUNT: usize = 4;
    pub const FREE_BLOCK_COUNT: usize = 12;
    pub const FREE_INODE_COUNT: usize = 16;
    pub const FIRST_DATA_BLOCK: usize = 20;
    pub const LOG_BLOCK_SIZE: usize = 24;
    pub const LOG_CLUSTER_SIZE: usize = 28;
    pub const BLOCKS_PER_GROUP: usize = 32;
    pub const CLUSTERS_PER_GROUP: usize = 36;
    pub const INODES_PER_GROUP: usize = 40;
    pub const WRITE_TIME: usize = 48;
    pub const MAX_MOUNT_COUNT: usize = 54;
    pub const MAGIC: usize = 56;
    pub const STATE: usize = 58;
    pub const ERROR_BEHAVIOUR: usize = 60;
    pub const LAST_CHECK: usize = 64;
    pub const REVISION: usize = 76;
    pub const FIRST_INODE: usize = 84;
    pub const INODE_SIZE: usize = 88;
    pub const GROUP_NUMBER: usize = 90;
    pub const COMPATIBLE: usize = 92;
    pub const INCOMPATIBLE: usize = 96;
    pub const READ_ONLY_COMPATIBLE: usize = 100;
    pub const UUID: usize = 104;
    pub const VOLUME_NAME: usize = 120;
    pub const JOURNAL_INODE: usize = 224;
    pub const LAST_ORPHAN: usize = 232;
    pub const MKFS_TIME: usize = 264;
    pub const MIN_EXTRA_INODE_SIZE: usize = 348;
    pub const WANT_EXTRA_INODE_SIZE: usize = 350;

    pub const STATE_CLEAN: u16 = 1;
}

/// Feature bits of the superblock.
pub mod feature {
    /// Compatible: there is a journal.
    pub const HAS_JOURNAL: u32 = 0x4;
    /// Incompatible: directory entries say what they name.
    pub const FILE_TYPE: u32 = 0x2;
    /// Incompatible: the journal must be replayed before anything else.
    pub const RECOVER: u32 = 0x4;
    /// The incompatible features that are understood.
    pub const INCOMPATIBLE_KNOWN: u32 = FILE_TYPE | RECOVER;
    /// Read-only compatible: copies of the superblock in a few groups only.
    pub const SPARSE_SUPER: u32 = 0x1;
    /// Read-only compatible: files of 2 GiB and more.
    pub const LARGE_FILE: u32 = 0x2;
    /// Read-only compatible: inodes have a part for further fields.
    pub const EXTRA_INODE_SIZE: u32 = 0x40;
    /// The read-only compatible features that are understood.
    pub const READ_ONLY_COMPATIBLE_KNOWN: u32 = SPARSE_SUPER | LARGE_FILE | EXTRA_INODE_SIZE;
}

/// Fields of a group descriptor.
pub mod group {
    pub const LEN_BYTES: usize = 32;
    pub const BLOCK_BITMAP: usize = 0;
    pub const INODE_BITMAP: usize = 4;
    pub const INODE_TABLE: usize = 8;
    pub const FREE_BLOCK_COUNT: usize = 12;
    pub const FREE_INODE_COUNT: usize = 14;
    pub const DIRECTORY_COUNT: usize = 16;
}

/// Fields of an inode.
pub mod inode {
    pub const ROOT: u32 = 2;
    /// The number of the first inode that is not reserved, in the first revision and by default.
    pub const FIRST: u32 = 11;
    pub const MIN_LEN_BYTES: usize = 128;

    pub const MODE: usize = 0;
    pub const SIZE_LOW: usize = 4;
    pub const ACCESS_TIME: usize = 8;
    pub const CHANGE_TIME: usize = 12;
    pub const MODIFICATION_TIME: usize = 16;
    pub const DELETION_TIME: usize = 20;
    pub const LINK_COUNT: usize = 26;
    pub const SECTOR_COUNT: usize = 28;
    pub const FLAGS: usize = 32;
    pub const BLOCKS: usize = 40;
    pub const ATTRIBUTE_BLOCK: usize = 104;
    pub const SIZE_HIGH: usize = 108;
    pub const EXTRA_LEN: usize = 128;
    pub const CHANGE_TIME_EXTRA: usize = 132;
    pub const MODIFICATION_TIME_EXTRA: usize = 136;
    pub const ACCESS_TIME_EXTRA: usize = 140;

    /// The part of the fields behind the first 128 bytes that is used, in bytes.
    pub const EXTRA_LEN_BYTES: u16 = 32;
    /// The directory has an index over its entries, which whoever changes it without keeping the index removes.
    pub const FLAG_INDEX: u32 = 0x1000;
    /// The file may not change.
    pub const FLAG_IMMUTABLE: u32 = 0x10;

    pub const KIND_MASK: u16 = 0xf000;
    pub const KIND_DIRECTORY: u16 = 0x4000;
    pub const KIND_FILE: u16 = 0x8000;
    pub const KIND_SYMLINK: u16 = 0xa000;
}

/// Fields of a directory entry, and the numbers for what it names.
pub mod entry {
    pub const INODE: usize = 0;
    pub const LEN: usize = 4;
    pub const NAME_LEN: usize = 6;
    pub const KIND: usize = 7;
    pub const NAME: usize = 8;

    pub const KIND_FILE: u8 = 1;
    pub const KIND_DIRECTORY: u8 = 2;
    pub const KIND_SYMLINK: u8 = 7;
}

/// Fields of the journal's blocks; big-endian.
pub mod journal {
    pub const MAGIC_VALUE: u32 = 0xc03b_3998;
    pub const MAGIC: usize = 0;
    pub const BLOCK_KIND: usize = 4;
    pub const SEQUENCE: usize = 8;
    /// Length of the fields that every block but a copy begins with.
    pub const HEADER_LEN_BYTES: usize = 12;

    pub const KIND_DESCRIPTOR: u32 = 1;
    pub const KIND_COMMIT: u32 = 2;
    pub const KIND_SUPERBLOCK: u32 = 4;
    pub const KIND_REVOKE: u32 = 5;

    /// Fields of the journal's superblock.
    pub const BLOCK_SIZE: usize = 12;
    pub const BLOCK_COUNT: usize = 16;
    pub const FIRST: usize = 20;
    pub const FIRST_SEQUENCE: usize = 24;
    pub const START: usize = 28;
    pub const INCOMPATIBLE: usize = 40;
    pub const UUID: usize = 48;
    pub const USER_COUNT: usize = 64;
    /// Incompatible: there may be revoke blocks. The only feature that is understood.
    pub const FEATURE_REVOKE: u32 = 1;

    pub const TAG_LEN_BYTES: usize = 8;
    pub const TAG_UUID_LEN_BYTES: usize = 16;
    pub const TAG_FLAGS: usize = 6;
    pub const TAG_ESCAPED: u16 = 1;
    pub const TAG_SAME_UUID: u16 = 2;
    pub const TAG_LAST: u16 = 8;

    /// In a revoke block: how much of it is used, and where the block numbers start.
    pub const REVOKE_LEN: usize = 12;
    pub const REVOKE_BLOCKS: usize = 16;
    /// In a commit block: the time.
    pub const COMMIT_SECONDS: usize = 48;
}

/// Reads a field. Fields lie within the structures that the callers pass, whose lengths are fixed.
pub fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    bytes[offset..]
        .first_chunk()
        .map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// See [`u16_at`].
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// See [`u16_at`]; for the journal.
pub fn big_u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32_at(bytes, offset).swap_bytes()
}

/// Writes a field; see [`u16_at`].
pub fn set_u16(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

/// See [`set_u16`].
pub fn set_u32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// See [`set_u16`]; for the journal.
pub fn set_big_u32(bytes: &mut [u8], offset: usize, value: u32) {
    set_u32(bytes, offset, value.swap_bytes());
}
