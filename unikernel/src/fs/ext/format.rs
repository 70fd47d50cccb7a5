//! Making a volume: an empty file system, with a journal, on a disk of zeros.
//!
//! ```text
//! block 0: superblock | group descriptors | block bitmap | inode bitmap | inode table | data …      (each group alike;
//! first group's data: root, lost+found, journal                          superblock copies in groups 1, 3ⁿ, 5ⁿ, 7ⁿ)
//! ```
//!
//! Limits: blocks of 4 KiB; a last group too small for its own tables is left out.

use super::directory::write_first_block;
use super::geometry::Geometry;
use super::inode::Inode;
use super::layout::{entry, feature, group, inode, journal, set_big_u32, set_u16, set_u32, superblock as field};
use crate::fs::block_device::{BlockDevice, DeviceError, SECTOR_LEN_BYTES};
use alloc::vec;
use alloc::vec::Vec;

const BLOCK_SIZE: usize = 4096;
const BLOCKS_PER_GROUP: u32 = 8 * BLOCK_SIZE as u32;
const INODE_SIZE: usize = 256;
const INODES_PER_BLOCK: u32 = (BLOCK_SIZE / INODE_SIZE) as u32;
/// One inode for so many bytes, as `mke2fs` has it.
const BYTES_PER_INODE: u64 = 16 * 1024;
/// Data blocks that make a last group worth having.
const MIN_GROUP_DATA: u32 = 64;
const JOURNAL_INODE: u32 = 8;
const LOST_AND_FOUND: u32 = inode::FIRST;
const POINTERS_PER_BLOCK: usize = BLOCK_SIZE / 4;

/// The least size of a volume in bytes.
pub const MIN_VOLUME_BYTES: u64 = 8 << 20;
/// The greatest size of a volume in bytes: one block of group descriptors for each group would be no harm, but nobody needs more.
pub const MAX_VOLUME_BYTES: u64 = 8 << 40;

/// Why no volume was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The disk is too small or too large.
    #[error("a volume has between 8 MiB and 8 TiB")]
    Size,
    /// Writing failed.
    #[error("the disk could not be written")]
    Device,
}

impl From<DeviceError> for FormatError {
    fn from(DeviceError: DeviceError) -> Self {
        FormatError::Device
    }
}

/// Makes a volume on a disk of zeros.
///
/// # Errors
/// See [`FormatError`].
pub fn format(device: &mut dyn BlockDevice, uuid: [u8; 16], now_ns: u64) -> Result<(), FormatError> {
    let size_bytes = device.sector_count() * SECTOR_LEN_BYTES as u64;
    if !(MIN_VOLUME_BYTES..=MAX_VOLUME_BYTES).contains(&size_bytes) {
        return Err(FormatError::Size);
    }
    let plan = Plan::new(size_bytes);
    let mut writer = Writer {
        device,
        plan,
        uuid,
        now_ns,
    };
    for number in (0..plan.geometry.group_count).rev() {
        writer.write_group_bitmaps(number)?;
    }
    writer.write_inodes()?;
    writer.write_directories()?;
    writer.write_journal()?;
    // The first superblock comes last, when everything it speaks of is there.
    for number in (0..plan.geometry.group_count).rev() {
        if has_superblock(number) {
            writer.write_descriptors(number)?;
        }
    }
    Ok(writer.device.flush()?)
}

/// Where everything goes.
#[derive(Clone, Copy)]
struct Plan {
    geometry: Geometry,
    journal_len: u32,
}

impl Plan {
    fn new(size_bytes: u64) -> Self {
        let mut block_count = (size_bytes / BLOCK_SIZE as u64) as u32;
        loop {
            let plan = Plan::with_blocks(block_count);
            let last = plan.geometry.group_count - 1;
            let data = plan.geometry.blocks_of(last).checked_sub(plan.overhead(last));
            if last == 0 || data.is_some_and(|data| data >= MIN_GROUP_DATA) {
                return plan;
            }
            block_count = plan.geometry.first_block_of(last);
        }
    }

    fn with_blocks(block_count: u32) -> Self {
        let group_count = block_count.div_ceil(BLOCKS_PER_GROUP);
        let inodes = u64::from(block_count) * BLOCK_SIZE as u64 / BYTES_PER_INODE;
        let per_group = (inodes as u32 / group_count)
            .next_multiple_of(INODES_PER_BLOCK)
            .max(INODES_PER_BLOCK * 4);
        let journal_len = match block_count {
            0..32_768 => 1024,
            32_768..262_144 => 4096,
            _ => 8192,
        };
        let geometry = Geometry {
            block_size: BLOCK_SIZE,
            block_count,
            inode_count: per_group * group_count,
            first_block: 0,
            blocks_per_group: BLOCKS_PER_GROUP,
            inodes_per_group: per_group,
            inode_size: INODE_SIZE,
            first_inode: inode::FIRST,
            group_count,
            journal_inode: JOURNAL_INODE,
            has_large_files: true,
        };
        Plan { geometry, journal_len }
    }

    fn table_blocks(&self) -> u32 {
        self.geometry.inodes_per_group / INODES_PER_BLOCK
    }

    /// The first block of a group that is not the superblock's or a descriptor's: its block bitmap.
    fn block_bitmap(&self, number: u32) -> u32 {
        let copies = if has_superblock(number) {
            1 + self.geometry.descriptor_blocks()
        } else {
            0
        };
        self.geometry.first_block_of(number) + copies
    }

    fn overhead(&self, number: u32) -> u32 {
        self.block_bitmap(number) - self.geometry.first_block_of(number) + 2 + self.table_blocks()
    }

    fn root_block(&self) -> u32 {
        self.overhead(0)
    }

    /// The blocks that lead to the journal's, behind those of the two directories.
    fn journal_pointers(&self) -> u32 {
        self.root_block() + 2
    }

    fn journal_pointer_count(&self) -> u32 {
        let behind_first = (self.journal_len as usize - 12).div_ceil(POINTERS_PER_BLOCK) as u32;
        // The second and following blocks of pointers hang below one more.
        if behind_first > 1 {
            behind_first + 1
        } else {
            behind_first
        }
    }

    fn journal_start(&self) -> u32 {
        self.journal_pointers() + self.journal_pointer_count()
    }

    /// Number of blocks in use in a group.
    fn used_blocks(&self, number: u32) -> u32 {
        if number == 0 {
            self.journal_start() + self.journal_len
        } else {
            self.overhead(number)
        }
    }

    fn used_inodes(number: u32) -> u32 {
        if number == 0 { LOST_AND_FOUND } else { 0 }
    }
}

/// Tells whether a group has a copy of the superblock: 0, 1, and the powers of 3, 5 and 7.
fn has_superblock(number: u32) -> bool {
    let is_power =
        |base: u32| core::iter::successors(Some(base), |power| power.checked_mul(base)).any(|power| power == number);
    number <= 1 || [3, 5, 7].into_iter().any(is_power)
}

struct Writer<'a> {
    device: &'a mut dyn BlockDevice,
    plan: Plan,
    uuid: [u8; 16],
    now_ns: u64,
}

impl Writer<'_> {
    fn write(&mut self, block: u32, bytes: &[u8]) -> Result<(), DeviceError> {
        self.device
            .write(u64::from(block) * (BLOCK_SIZE / SECTOR_LEN_BYTES) as u64, bytes)
    }

    fn write_group_bitmaps(&mut self, number: u32) -> Result<(), DeviceError> {
        let geometry = self.plan.geometry;
        let blocks = bitmap(self.plan.used_blocks(number), geometry.blocks_of(number));
        let inodes = bitmap(Plan::used_inodes(number), geometry.inodes_per_group);
        let place = self.plan.block_bitmap(number);
        self.write(place, &blocks)?;
        self.write(place + 1, &inodes)
    }

    /// Writes the superblock and the group descriptors into a group.
    fn write_descriptors(&mut self, copy: u32) -> Result<(), DeviceError> {
        let geometry = self.plan.geometry;
        let mut bytes = vec![0; (1 + geometry.descriptor_blocks() as usize) * BLOCK_SIZE];
        let offset = if copy == 0 { field::OFFSET } else { 0 };
        self.fill_superblock(&mut bytes[offset..offset + field::LEN_BYTES], copy);
        for number in 0..geometry.group_count {
            let start = BLOCK_SIZE + number as usize * group::LEN_BYTES;
            let descriptor = &mut bytes[start..start + group::LEN_BYTES];
            let place = self.plan.block_bitmap(number);
            set_u32(descriptor, group::BLOCK_BITMAP, place);
            set_u32(descriptor, group::INODE_BITMAP, place + 1);
            set_u32(descriptor, group::INODE_TABLE, place + 2);
            let free_blocks = geometry.blocks_of(number) - self.plan.used_blocks(number);
            set_u16(descriptor, group::FREE_BLOCK_COUNT, free_blocks as u16);
            let free_inodes = geometry.inodes_per_group - Plan::used_inodes(number);
            set_u16(descriptor, group::FREE_INODE_COUNT, free_inodes as u16);
            set_u16(descriptor, group::DIRECTORY_COUNT, if number == 0 { 2 } else { 0 });
        }
        self.write(geometry.first_block_of(copy), &bytes)
    }

    fn fill_superblock(&self, bytes: &mut [u8], copy: u32) {
        let geometry = self.plan.geometry;
        let free_blocks = (0..geometry.group_count)
            .map(|number| geometry.blocks_of(number) - self.plan.used_blocks(number))
            .sum();
        let seconds = (self.now_ns / 1_000_000_000) as u32;
        let log_block_size = (BLOCK_SIZE / 1024).ilog2();
        for (offset, value) in [
            (field::INODE_COUNT, geometry.inode_count),
            (field::BLOCK_COUNT, geometry.block_count),
            (field::FREE_BLOCK_COUNT, free_blocks),
            (field::FREE_INODE_COUNT, geometry.inode_count - LOST_AND_FOUND),
            (field::FIRST_DATA_BLOCK, geometry.first_block),
            (field::LOG_BLOCK_SIZE, log_block_size),
            (field::LOG_CLUSTER_SIZE, log_block_size),
            (field::BLOCKS_PER_GROUP, BLOCKS_PER_GROUP),
            (field::CLUSTERS_PER_GROUP, BLOCKS_PER_GROUP),
            (field::INODES_PER_GROUP, geometry.inodes_per_group),
            (field::WRITE_TIME, seconds),
            (field::LAST_CHECK, seconds),
            (field::MKFS_TIME, seconds),
            (field::REVISION, 1),
            (field::FIRST_INODE, geometry.first_inode),
            (field::COMPATIBLE, feature::HAS_JOURNAL),
            (field::INCOMPATIBLE, feature::FILE_TYPE),
            (
                field::READ_ONLY_COMPATIBLE,
                feature::SPARSE_SUPER | feature::LARGE_FILE | feature::EXTRA_INODE_SIZE,
            ),
            (field::JOURNAL_INODE, JOURNAL_INODE),
        ] {
            set_u32(bytes, offset, value);
        }
        for (offset, value) in [
            (field::MAX_MOUNT_COUNT, u16::MAX),
            (field::MAGIC, field::MAGIC_VALUE),
            (field::STATE, field::STATE_CLEAN),
            (field::ERROR_BEHAVIOUR, 1),
            (field::INODE_SIZE, INODE_SIZE as u16),
            (field::GROUP_NUMBER, copy as u16),
            (field::MIN_EXTRA_INODE_SIZE, inode::EXTRA_LEN_BYTES),
            (field::WANT_EXTRA_INODE_SIZE, inode::EXTRA_LEN_BYTES),
        ] {
            set_u16(bytes, offset, value);
        }
        bytes[field::UUID..field::UUID + 16].copy_from_slice(&self.uuid);
        let name = b"wasmetal";
        bytes[field::VOLUME_NAME..field::VOLUME_NAME + name.len()].copy_from_slice(name);
    }

    fn write_inodes(&mut self) -> Result<(), DeviceError> {
        let mut table = vec![0; BLOCK_SIZE];
        let directory = |number, links, block| {
            let mut directory = Inode::new(number, inode::KIND_DIRECTORY | 0o755, links, self.now_ns);
            directory.length_bytes = BLOCK_SIZE as u64;
            directory.sectors = (BLOCK_SIZE / SECTOR_LEN_BYTES) as u32;
            directory.pointers[0] = block;
            directory
        };
        let root_block = self.plan.root_block();
        let root = directory(inode::ROOT, 3, root_block);
        let lost_and_found = directory(LOST_AND_FOUND, 2, root_block + 1);
        for inode in [root, lost_and_found, self.journal_inode()] {
            let start = (inode.number as usize - 1) * INODE_SIZE;
            let bytes = &mut table[start..start + INODE_SIZE];
            set_u16(bytes, inode::EXTRA_LEN, inode::EXTRA_LEN_BYTES);
            inode.encode(bytes);
        }
        self.write(self.plan.block_bitmap(0) + 2, &table)
    }

    fn journal_inode(&self) -> Inode {
        let mut inode = Inode::new(JOURNAL_INODE, inode::KIND_FILE | 0o600, 1, self.now_ns);
        let blocks = self.plan.journal_len + self.plan.journal_pointer_count();
        inode.length_bytes = u64::from(self.plan.journal_len) * BLOCK_SIZE as u64;
        inode.sectors = blocks * (BLOCK_SIZE / SECTOR_LEN_BYTES) as u32;
        for (pointer, block) in inode.pointers[..12].iter_mut().zip(self.plan.journal_start()..) {
            *pointer = block;
        }
        inode.pointers[12] = self.plan.journal_pointers();
        if self.plan.journal_pointer_count() > 1 {
            inode.pointers[13] = self.plan.journal_pointers() + 1;
        }
        inode
    }

    fn write_directories(&mut self) -> Result<(), DeviceError> {
        let mut root = vec![0; BLOCK_SIZE];
        write_first_block(&mut root, inode::ROOT, inode::ROOT);
        // `.` and `..` take 12 bytes each; the new entry, the rest of the block.
        let name = b"lost+found";
        set_u16(&mut root, 12 + entry::LEN, 12);
        let rest = &mut root[24..];
        set_u32(rest, entry::INODE, LOST_AND_FOUND);
        set_u16(rest, entry::LEN, (BLOCK_SIZE - 24) as u16);
        rest[entry::NAME_LEN] = name.len() as u8;
        rest[entry::KIND] = entry::KIND_DIRECTORY;
        rest[entry::NAME..entry::NAME + name.len()].copy_from_slice(name);
        let place = self.plan.root_block();
        self.write(place, &root)?;
        let mut lost_and_found = vec![0; BLOCK_SIZE];
        write_first_block(&mut lost_and_found, LOST_AND_FOUND, inode::ROOT);
        self.write(place + 1, &lost_and_found)
    }

    fn write_journal(&mut self) -> Result<(), DeviceError> {
        let start = self.plan.journal_start();
        let pointers: Vec<u8> = (start + 12..start + self.plan.journal_len)
            .flat_map(u32::to_le_bytes)
            .collect();
        let place = self.plan.journal_pointers();
        let mut parts = pointers.chunks(BLOCK_SIZE);
        let padded = |part: &[u8]| {
            let mut block = vec![0; BLOCK_SIZE];
            block[..part.len()].copy_from_slice(part);
            block
        };
        if let Some(first) = parts.next() {
            self.write(place, &padded(first))?;
        }
        let mut index = Vec::new();
        for (part, block) in parts.zip(place + 2..) {
            self.write(block, &padded(part))?;
            index.extend(block.to_le_bytes());
        }
        if !index.is_empty() {
            self.write(place + 1, &padded(&index))?;
        }
        let mut superblock = vec![0; BLOCK_SIZE];
        for (offset, value) in [
            (journal::MAGIC, journal::MAGIC_VALUE),
            (journal::BLOCK_KIND, journal::KIND_SUPERBLOCK),
            (journal::BLOCK_SIZE, BLOCK_SIZE as u32),
            (journal::BLOCK_COUNT, self.plan.journal_len),
            (journal::FIRST, 1),
            (journal::FIRST_SEQUENCE, 1),
            (journal::USER_COUNT, 1),
        ] {
            set_big_u32(&mut superblock, offset, value);
        }
        superblock[journal::UUID..journal::UUID + 16].copy_from_slice(&self.uuid);
        self.write(start, &superblock)
    }
}

/// Returns a bitmap whose first `used` bits are set, and those from `end` on, which stand for nothing.
fn bitmap(used: u32, end: u32) -> Vec<u8> {
    let mut bytes = vec![0u8; BLOCK_SIZE];
    for index in (0..used).chain(end..8 * BLOCK_SIZE as u32) {
        bytes[index as usize / 8] |= 1 << (index % 8);
    }
    bytes
}
