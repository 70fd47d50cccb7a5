//! PVH: the start info that QEMU's `-kernel`, Firecracker and Cloud Hypervisor pass in `ebx`.
//!
//! Layout: `struct hvm_start_info`, `struct hvm_modlist_entry` and `struct hvm_memmap_table_entry` of Xen's public header `arch-x86/hvm/start_info.h`.
//! Limits: version 0 has no memory map and is refused.

use crate::memory_regions::MemoryRegions;
use crate::{LoaderInfo, direct_map_pointer};
use abi::boot_info::{BootProtocol, MemoryRegion};
use core::ffi::CStr;

const START_INFO_MAGIC: u32 = 0x336e_c578;
const MEMORY_TYPE_RAM: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    start: u64,
    len_bytes: u64,
    kind: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ModuleEntry {
    address: u64,
    len_bytes: u64,
    command_line: u64,
    reserved: u64,
}

/// Reads the start info, or returns `None` if there is none.
///
/// # Safety
/// As for [`read_loader_info`](crate::read_loader_info): `info` points to memory that is mapped and not written any more, and so
/// do the addresses in it if its magic number is right.
pub(crate) unsafe fn read_start_info(info: *const u8) -> Option<LoaderInfo> {
    // SAFETY: the caller promises readable memory; alignment is not assumed, and every bit pattern is a valid value.
    let start_info = unsafe { info.cast::<StartInfo>().read_unaligned() };
    if start_info.magic != START_INFO_MAGIC || start_info.version == 0 {
        return None;
    }
    let mut memory = MemoryRegions::new();
    let entries = direct_map_pointer(start_info.memory_map).cast::<MemoryMapEntry>();
    for index in 0..start_info.memory_map_entries as usize {
        // SAFETY: the loader says that so many entries are there; see above for alignment and values.
        let entry = unsafe { entries.add(index).read_unaligned() };
        if entry.kind == MEMORY_TYPE_RAM {
            memory.push(entry.start, entry.len_bytes);
        }
    }
    let command_line = if start_info.command_line == 0 {
        &[][..]
    } else {
        // SAFETY: the protocol says that it is a string that ends with zero, and the caller that it is not written any more.
        unsafe { CStr::from_ptr(direct_map_pointer(start_info.command_line).cast()) }.to_bytes()
    };
    let boot_module = if start_info.module_count == 0 {
        MemoryRegion::default()
    } else {
        let modules = direct_map_pointer(start_info.module_list).cast::<ModuleEntry>();
        // SAFETY: the loader says that an entry is there; see above for alignment and values.
        let module = unsafe { modules.read_unaligned() };
        MemoryRegion {
            start: module.address,
            end: module.address.saturating_add(module.len_bytes),
        }
    };
    Some(LoaderInfo {
        protocol: BootProtocol::Pvh,
        memory,
        command_line,
        boot_module,
        rsdp_address: start_info.rsdp,
    })
}
