//! Multiboot2: the boot information that GRUB passes in `ebx`, read with the crate `multiboot2`.

use crate::LoaderInfo;
use crate::memory_regions::MemoryRegions;
use abi::boot_info::{BootProtocol, MemoryRegion};
use abi::memory_map::DIRECT_MAP_BASE;
use multiboot2::{BootInformation, BootInformationHeader, MemoryAreaType};

/// What a multiboot2 loader leaves in `eax`.
pub(crate) const LOADER_MAGIC: u32 = multiboot2::MAGIC;

/// Reads the boot information, or returns `None` if it is damaged.
///
/// # Safety
/// As for [`read_loader_info`](crate::read_loader_info): `info` points to boot information that is mapped and not written any
/// more.
pub(crate) unsafe fn read_boot_information(info: *const u8) -> Option<LoaderInfo> {
    // SAFETY: the caller's promise; the crate checks alignment, length and the closing tag.
    let information: BootInformation<'static> =
        unsafe { BootInformation::load(info.cast::<BootInformationHeader>()) }.ok()?;
    let mut memory = MemoryRegions::new();
    for area in information.memory_map_tag()?.memory_areas() {
        if area.typ() == MemoryAreaType::Available {
            memory.push(area.start_address(), area.size());
        }
    }
    // The crate hands out tags by reference to itself; the bytes they stand on live as long as the machine.
    let command_line = information.command_line_tag().map_or(&[][..], |tag| {
        let text = tag.cmdline().unwrap_or_default();
        // SAFETY: the text lies in the boot information, which the caller promises to stay as it is.
        unsafe { core::slice::from_raw_parts(text.as_ptr(), text.len()) }
    });
    let boot_module = information.module_tags().next().map(|tag| MemoryRegion {
        start: tag.start_address().into(),
        end: tag.end_address().into(),
    });
    let rsdp_pointer = match (information.rsdp_v2_tag(), information.rsdp_v1_tag()) {
        (Some(tag), _) => core::ptr::from_ref(tag).addr(),
        (None, Some(tag)) => core::ptr::from_ref(tag).addr(),
        (None, None) => DIRECT_MAP_BASE as usize,
    };
    Some(LoaderInfo {
        protocol: BootProtocol::Multiboot2,
        memory,
        command_line,
        boot_module: boot_module.unwrap_or_default(),
        rsdp_address: rsdp_address(rsdp_pointer as u64 - DIRECT_MAP_BASE),
    })
}

/// Returns the address of the root pointer that a tag at `tag_address` carries a copy of behind its eight-byte head.
fn rsdp_address(tag_address: u64) -> u64 {
    const TAG_HEAD_LEN_BYTES: u64 = 8;
    if tag_address == 0 {
        0
    } else {
        tag_address + TAG_HEAD_LEN_BYTES
    }
}
