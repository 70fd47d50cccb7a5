//! Multiboot2: the boot information that GRUB passes in `ebx`.
//!
//! It is read by hand: five kinds of tags are of interest, and every image carries the reader. Layout: Multiboot2 Specification 2.0,
//! section 3.6: a length, then tags, each with a kind and a length and at a multiple of eight bytes. Limits: what follows a tag that
//! cannot be right is not read.

use crate::LoaderInfo;
use crate::memory_regions::MemoryRegions;
use abi::boot_info::{BootProtocol, MemoryRegion};

/// What a multiboot2 loader leaves in `eax`.
pub(crate) const LOADER_MAGIC: u32 = 0x36d7_6289;

const HEAD_LEN_BYTES: usize = 8;
const TAG_HEAD_LEN_BYTES: usize = 8;
const TAG_ALIGNMENT: usize = 8;

/// Kinds of tags.
mod tag {
    pub(super) const END: u32 = 0;
    pub(super) const COMMAND_LINE: u32 = 1;
    /// First and end address, and words of its own, of something that was loaded beside the kernel.
    pub(super) const MODULE: u32 = 3;
    pub(super) const MEMORY_MAP: u32 = 6;
    /// A copy of the ACPI root pointer, of version 1 or later.
    pub(super) const RSDP_V1: u32 = 14;
    pub(super) const RSDP_V2: u32 = 15;
}

const MEMORY_TYPE_AVAILABLE: u32 = 1;
/// Length of a memory map's entry as far as it is known; the map says how long its entries are.
const MEMORY_ENTRY_LEN_BYTES: usize = 20;

/// Reads the boot information, which lies at the guest-physical `address`, or returns `None` if it has no memory map.
///
/// # Safety
/// As for [`read_loader_info`](crate::read_loader_info): `info` points to boot information that is mapped and not written any
/// more.
pub(crate) unsafe fn read_boot_information(info: *const u8, address: u64) -> Option<LoaderInfo> {
    // SAFETY: the caller promises readable memory, and the information begins with its length; alignment is not assumed.
    let len_bytes = unsafe { info.cast::<u32>().read_unaligned() };
    // SAFETY: the caller promises that all of the information is mapped and not written any more.
    let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(info, len_bytes as usize) };
    parse(bytes, address)
}

fn parse(bytes: &'static [u8], address: u64) -> Option<LoaderInfo> {
    let mut memory = None;
    let mut command_line = &[][..];
    let (mut boot_module, mut rsdp_v1, mut rsdp_v2) = (None, None, None);
    let mut offset = HEAD_LEN_BYTES;
    while let Some((kind, contents)) = bytes.get(offset..).and_then(split_tag) {
        let contents_address = address + (offset + TAG_HEAD_LEN_BYTES) as u64;
        match kind {
            tag::END => break,
            tag::COMMAND_LINE => command_line = contents.split(|&byte| byte == 0).next().unwrap_or_default(),
            tag::MODULE => boot_module = boot_module.or(parse_module(contents)),
            tag::MEMORY_MAP => memory = parse_memory_map(contents),
            tag::RSDP_V1 => rsdp_v1 = Some(contents_address),
            tag::RSDP_V2 => rsdp_v2 = Some(contents_address),
            _ => {}
        }
        offset += (TAG_HEAD_LEN_BYTES + contents.len()).next_multiple_of(TAG_ALIGNMENT);
    }
    Some(LoaderInfo {
        protocol: BootProtocol::Multiboot2,
        memory: memory?,
        command_line,
        boot_module: boot_module.unwrap_or_default(),
        rsdp_address: rsdp_v2.or(rsdp_v1).unwrap_or(0),
    })
}

/// Returns the kind and the contents of the tag that `bytes` begin with.
fn split_tag(bytes: &'static [u8]) -> Option<(u32, &'static [u8])> {
    let len_bytes = read_u32(bytes, 4)? as usize;
    Some((read_u32(bytes, 0)?, bytes.get(TAG_HEAD_LEN_BYTES..len_bytes)?))
}

fn parse_module(contents: &[u8]) -> Option<MemoryRegion> {
    Some(MemoryRegion {
        start: u64::from(read_u32(contents, 0)?),
        end: u64::from(read_u32(contents, 4)?),
    })
}

fn parse_memory_map(contents: &[u8]) -> Option<MemoryRegions> {
    let entry_len_bytes = read_u32(contents, 0)? as usize;
    if entry_len_bytes < MEMORY_ENTRY_LEN_BYTES {
        return None;
    }
    let mut memory = MemoryRegions::new();
    for entry in contents.get(8..)?.chunks_exact(entry_len_bytes) {
        if read_u32(entry, 16)? == MEMORY_TYPE_AVAILABLE {
            memory.push(read_u64(entry, 0)?, read_u64(entry, 8)?);
        }
    }
    Some(memory)
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    let (number, _) = bytes.get(offset..)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*number))
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    let (number, _) = bytes.get(offset..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: u32, contents: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((TAG_HEAD_LEN_BYTES as u32 + contents.len() as u32).to_le_bytes());
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(TAG_ALIGNMENT), 0);
        bytes
    }

    fn memory_map(regions: &[(u64, u64, u32)]) -> Vec<u8> {
        let mut contents = [24u32.to_le_bytes(), [0; 4]].concat();
        for (start, len_bytes, kind) in regions {
            contents.extend(start.to_le_bytes());
            contents.extend(len_bytes.to_le_bytes());
            contents.extend(kind.to_le_bytes());
            contents.extend([0; 4]);
        }
        tag(tag::MEMORY_MAP, &contents)
    }

    fn parse_tags(tags: &[Vec<u8>]) -> Option<LoaderInfo> {
        let bytes = [vec![0; HEAD_LEN_BYTES], tags.concat(), tag(tag::END, &[])].concat();
        parse(bytes.leak(), 0x1000)
    }

    #[test]
    fn memory_command_line_and_root_pointer_are_found_among_other_tags() {
        let tags = [
            tag(99, b"something"),
            tag(tag::COMMAND_LINE, b"log=debug\0"),
            tag(tag::MODULE, &[0, 0, 2, 0, 9, 0, 2, 0, b'a', 0]),
            tag(tag::MODULE, &[0; 9]),
            memory_map(&[(0, 0x9000, 1), (0x9000, 0x1000, 2), (0x10_0000, 0x100_0000, 1)]),
            tag(tag::RSDP_V2, b"RSD PTR "),
            tag(tag::RSDP_V1, b"RSD PTR "),
        ];
        let info = parse_tags(&tags).expect("a memory map");
        assert_eq!(info.command_line, b"log=debug");
        assert_eq!((info.boot_module.start, info.boot_module.end), (0x2_0000, 0x2_0009));
        let offset = HEAD_LEN_BYTES + tags[..5].iter().map(Vec::len).sum::<usize>() + TAG_HEAD_LEN_BYTES;
        assert_eq!(info.rsdp_address, 0x1000 + offset as u64);
        let (regions, count) = info.memory.into_parts();
        assert_eq!(count, 2);
        assert_eq!((regions[1].start, regions[1].end), (0x10_0000, 0x110_0000));
    }

    #[test]
    fn damaged_information_ends_where_it_makes_no_sense() {
        assert!(parse_tags(&[]).is_none(), "without a memory map");
        assert!(
            parse_tags(&[tag(tag::MEMORY_MAP, &[4, 0, 0, 0, 0, 0, 0, 0])]).is_none(),
            "entries too short"
        );
        let mut endless = tag(99, b"");
        endless[4] = 0;
        assert!(
            parse_tags(&[endless, memory_map(&[])]).is_none(),
            "a tag shorter than its head"
        );
        let map = memory_map(&[(0, 0x9000, 1)]);
        for len_bytes in 0..map.len() {
            let bytes = [vec![0; HEAD_LEN_BYTES], map[..len_bytes].to_vec()].concat();
            assert!(parse(bytes.leak(), 0).is_none(), "{len_bytes} bytes of it");
        }
    }
}
