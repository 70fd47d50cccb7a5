//! From the first instruction to the kernel's entry: PVH and multiboot2, early page tables, long mode.
//!
//! ```text
//! loader ─▶ wasmetal.boot_entry (32-bit, paging off) ─▶ long mode ─▶ boot_main ─▶ wasmetal.kernel_main(&BootInfo)
//!           long_mode.s                                             this file     crate `unikernel`
//! ```
//!
//! Both protocols enter at the same instruction in nearly the same state, so there is one stub; which protocol it was is told by
//! the magic number in `eax`. Each protocol has a folder: its header as the loader wants it, in assembly, and the reading of
//! what it passes, in Rust. Their common result is [`BootInfo`].
//!
//! The image is linked at `abi::memory_map::IMAGE_BASE` + its physical address. Code that runs before paging is on subtracts that base from
//! each symbol by hand.
//!
//! Read first: `long_mode.s`, then `boot_main` in `entry.rs`. Limits: the early page tables map the first GiB of memory, so the image and
//! what the loader passes must lie there; the kernel replaces them at once.
//!
//! References: Xen's `docs/misc/pvh.pandoc` and `start_info.h`; Multiboot2 Specification 2.0; Intel SDM volume 3, 10.8.5.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(test, allow(dead_code, reason = "tests lack the entry, which calls the rest"))]

#[cfg(not(test))]
mod entry;
mod memory_regions;
mod multiboot2;
mod pvh;

use abi::boot_info::{BootInfo, BootProtocol, MemoryRegion};
use abi::memory_map::DIRECT_MAP_BASE;
use memory_regions::MemoryRegions;

/// End of the guest-physical memory that `long_mode.s` maps.
const EARLY_MAP_END: u64 = 1 << 30;

/// What a protocol's folder reads out of its structures.
struct LoaderInfo {
    protocol: BootProtocol,
    memory: MemoryRegions,
    command_line: &'static [u8],
    boot_module: MemoryRegion,
    rsdp_address: u64,
}

impl LoaderInfo {
    fn into_boot_info(self, start_tsc: u64) -> BootInfo {
        let (memory_regions, memory_region_count) = self.memory.into_parts();
        BootInfo {
            protocol: self.protocol,
            memory_regions,
            memory_region_count,
            command_line: self.command_line,
            boot_module: self.boot_module,
            rsdp_address: self.rsdp_address,
            direct_map_end: EARLY_MAP_END,
            start_tsc,
        }
    }
}

/// Reads what the loader passed; `magic` and `info_address` are `eax` and `ebx` at the first instruction.
///
/// # Safety
/// `info_address` is the guest-physical address of the structure that the protocol told by `magic` defines. It and what it
/// points to lie in memory below [`EARLY_MAP_END`], mapped at [`DIRECT_MAP_BASE`], and nobody writes them from now on.
unsafe fn read_loader_info(magic: u32, info_address: u32) -> Option<LoaderInfo> {
    let info = direct_map_pointer(u64::from(info_address));
    if magic == multiboot2::LOADER_MAGIC {
        // SAFETY: the caller's promise, for multiboot2.
        unsafe { multiboot2::read_boot_information(info, u64::from(info_address)) }
    } else {
        // SAFETY: the caller's promise, for PVH.
        unsafe { pvh::read_start_info(info) }
    }
}

/// Returns where the early page tables show guest-physical `address`.
fn direct_map_pointer(address: u64) -> *const u8 {
    (DIRECT_MAP_BASE + address) as *const u8
}
