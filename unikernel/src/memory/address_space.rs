//! The final address space: the picture of [`abi::memory_map`] in page tables.
//!
//! Built once while the boot code's tables are in use, then extended by linear memory that grows, device registers and stacks.
//! What is missing from it is missing on purpose: the lower half holds nothing but linear memory, so that every address that a
//! Wasm program can name is its memory or a fault.

use super::frame_allocator::{self, Reserved, allocate_frames, allocate_zeroed_frames, available_bytes};
use super::page_table::{Access, LargestPage, PageTable};
use super::{OutOfMemory, PhysAddr};
use crate::arch::{SingleCore, cpu};
use abi::boot_info::{BootInfo, MemoryRegion};
use abi::memory_map::{DIRECT_MAP_BASE, IMAGE_BASE, LARGE_PAGE_SIZE, PAGE_SIZE, STACKS_BASE, WINDOW_ALIAS_BASE};
use core::ops::Range;

/// Unmapped memory below each stack. Larger than any frame of the kernel, which does not probe its stack.
const STACK_GUARD_LEN_BYTES: u64 = 2 * 1024 * 1024;

/// One root entry of the page tables spans this much, which is room for 32 windows.
const WINDOWS_LEN_BYTES: u64 = 1 << 39;

struct AddressSpace {
    page_table: PageTable,
    next_stack: u64,
}

static ADDRESS_SPACE: SingleCore<Option<AddressSpace>> = SingleCore::new(None);

unsafe extern "C" {
    #[link_name = "wasmetal.image.rodata_start"]
    static RODATA_START: u8;
    #[link_name = "wasmetal.image.rodata_end"]
    static RODATA_END: u8;
    #[link_name = "wasmetal.image.text_start"]
    static TEXT_START: u8;
    #[link_name = "wasmetal.image.text_end"]
    static TEXT_END: u8;
    #[link_name = "wasmetal.image.data_start"]
    static DATA_START: u8;
    #[link_name = "wasmetal.image.data_end"]
    static DATA_END: u8;
}

/// Returns the image's segments: first byte, end, and what may be done there.
fn image_segments() -> [(u64, u64, Access); 3] {
    let address = |symbol: *const u8| symbol as u64;
    [
        (
            address(&raw const RODATA_START),
            address(&raw const RODATA_END),
            Access::Read,
        ),
        (
            address(&raw const TEXT_START),
            address(&raw const TEXT_END),
            Access::ReadExecute,
        ),
        (
            address(&raw const DATA_START),
            address(&raw const DATA_END),
            Access::ReadWrite,
        ),
    ]
}

/// Returns the addresses of the image's writable data, the program's and the kernel's.
pub fn image_data() -> Range<u64> {
    let [_, _, (start, end, _)] = image_segments();
    start..end
}

/// Returns the bytes of the boot module; none if the loader passed none, or it does not lie in memory. The final page tables must be in
/// use.
pub fn boot_module(boot_info: &BootInfo) -> &'static [u8] {
    let module = boot_info.boot_module;
    let is_inside =
        |region: &MemoryRegion| (region.start..region.end).contains(&module.start) && module.end <= region.end;
    if module.end <= module.start || !boot_info.memory_regions().iter().any(is_inside) {
        return &[];
    }
    let start = PhysAddr::new(module.start).to_direct_map();
    // SAFETY: 1. The module lies in RAM, which the direct map shows. 2. Its frames are reserved, so nobody writes them any more.
    unsafe { core::slice::from_raw_parts(start.as_ptr(), (module.end - module.start) as usize) }
}

/// A stack with a guard region below it.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// First byte of the guard region.
    pub guard_start: u64,
    /// First byte of the stack itself.
    pub start: u64,
    /// First byte after it, where the stack pointer begins.
    pub top: u64,
}

/// Makes the frame allocator and the final page tables and switches to them.
///
/// # Errors
/// If memory does not suffice for the page tables.
pub fn initialize(boot_info: &BootInfo) -> Result<(), OutOfMemory> {
    let segments = image_segments();
    let image = MemoryRegion {
        start: segments[0].0 - IMAGE_BASE,
        end: segments[2].1 - IMAGE_BASE,
    };
    let reserved = Reserved::new(boot_info, image);
    let regions = boot_info.memory_regions();
    let early = MemoryRegion {
        start: 0,
        end: boot_info.direct_map_end,
    };
    frame_allocator::add_memory(regions, &reserved, early);

    let mut page_table = PageTable::new()?;
    for (start, end, access) in segments {
        page_table.map(
            start,
            PhysAddr::new(start - IMAGE_BASE),
            end - start,
            access,
            LargestPage::Large,
        )?;
    }
    let largest = if has_huge_pages() {
        LargestPage::Huge
    } else {
        LargestPage::Large
    };
    for region in regions {
        let start = region.start / LARGE_PAGE_SIZE * LARGE_PAGE_SIZE;
        let end = region.end.next_multiple_of(LARGE_PAGE_SIZE);
        page_table.map(
            DIRECT_MAP_BASE + start,
            PhysAddr::new(start),
            end - start,
            Access::ReadWrite,
            largest,
        )?;
    }
    page_table.alias(0, WINDOW_ALIAS_BASE, WINDOWS_LEN_BYTES)?;
    // SAFETY: the image, which holds the code and the boot stack, and the direct map, which holds everything else that exists,
    // are mapped where the boot code's tables have them.
    unsafe { cpu::set_page_table_root(page_table.root().as_u64()) };
    *ADDRESS_SPACE.borrow_mut() = Some(AddressSpace {
        page_table,
        next_stack: STACKS_BASE,
    });
    let late = MemoryRegion {
        start: boot_info.direct_map_end,
        end: u64::MAX,
    };
    frame_allocator::add_memory(regions, &reserved, late);
    Ok(())
}

fn has_huge_pages() -> bool {
    cpu::cpuid(0x8000_0001).edx & (1 << 26) != 0
}

fn with_address_space<T>(act: impl FnOnce(&mut AddressSpace) -> T) -> T {
    let mut guard = ADDRESS_SPACE.borrow_mut();
    act(guard
        .as_mut()
        .expect("memory::initialize runs before anything that maps"))
}

/// Maps a new stack of `len_bytes`, rounded up to whole pages, with a guard region below it.
///
/// # Errors
/// If memory runs out.
pub fn map_stack(len_bytes: u64) -> Result<Stack, OutOfMemory> {
    with_address_space(|space| {
        let len_bytes = len_bytes.checked_next_multiple_of(PAGE_SIZE).ok_or(OutOfMemory)?;
        if len_bytes > available_bytes() {
            return Err(OutOfMemory);
        }
        let guard_start = space.next_stack;
        let start = guard_start + STACK_GUARD_LEN_BYTES;
        space.next_stack = start + len_bytes;
        map_new_frames(&mut space.page_table, start, len_bytes, false)?;
        Ok(Stack {
            guard_start,
            start,
            top: start + len_bytes,
        })
    })
}

/// Maps linear memory from `start` on with `len_bytes` of zeros, whole pages both, with large frames where they fit.
///
/// # Errors
/// If less than `reserve_len_bytes` of memory would be left; then nothing is mapped.
pub fn map_linear_memory(start: u64, len_bytes: u64, reserve_len_bytes: u64) -> Result<(), OutOfMemory> {
    let available = available_bytes();
    // One table maps 2 MiB, and the range may begin and end within one; a few more stand above them.
    let tables_len_bytes = (len_bytes / LARGE_PAGE_SIZE + 6) * PAGE_SIZE;
    if len_bytes
        .saturating_add(tables_len_bytes)
        .saturating_add(reserve_len_bytes)
        > available
    {
        return Err(OutOfMemory);
    }
    with_address_space(|space| map_new_frames(&mut space.page_table, start, len_bytes, true))
}

/// Maps new frames, the largest blocks that are to be had.
fn map_new_frames(page_table: &mut PageTable, start: u64, len_bytes: u64, zeroed: bool) -> Result<(), OutOfMemory> {
    let mut offset = 0;
    while offset < len_bytes {
        let address = start + offset;
        let (frame, block_len_bytes) = allocate_block(address, len_bytes - offset, zeroed)?;
        page_table.map(address, frame, block_len_bytes, Access::ReadWrite, LargestPage::Large)?;
        offset += block_len_bytes;
    }
    Ok(())
}

/// Takes a block of frames for `address`: as large as its alignment, the rest to map, a large page and free memory allow.
fn allocate_block(address: u64, rest_len_bytes: u64, zeroed: bool) -> Result<(PhysAddr, u64), OutOfMemory> {
    let largest_for_rest = 1 << rest_len_bytes.ilog2();
    let alignment = 1 << address.trailing_zeros().min(LARGE_PAGE_SIZE.trailing_zeros());
    let mut len_bytes = largest_for_rest.min(alignment);
    while len_bytes >= PAGE_SIZE {
        let frame_count = (len_bytes / PAGE_SIZE) as usize;
        let block = if zeroed {
            allocate_zeroed_frames(frame_count)
        } else {
            allocate_frames(frame_count)
        };
        if let Some((frame, _)) = block {
            return Ok((frame, len_bytes));
        }
        len_bytes /= 2;
    }
    Err(OutOfMemory)
}

/// Maps a device's registers in the direct map and returns where; `None` if frames for tables run out.
pub fn map_device(start: PhysAddr, len_bytes: u64) -> Option<core::ptr::NonNull<u8>> {
    let first = start.as_u64() / PAGE_SIZE * PAGE_SIZE;
    let end = start
        .as_u64()
        .checked_add(len_bytes)?
        .checked_next_multiple_of(PAGE_SIZE)?;
    if end > WINDOW_ALIAS_BASE - DIRECT_MAP_BASE {
        return None;
    }
    with_address_space(|space| {
        let address = DIRECT_MAP_BASE + first;
        space.page_table.map(
            address,
            PhysAddr::new(first),
            end - first,
            Access::Device,
            LargestPage::Large,
        )
    })
    .ok()?;
    for page in (first..end).step_by(PAGE_SIZE as usize) {
        cpu::invalidate_page(DIRECT_MAP_BASE + page);
    }
    Some(start.to_direct_map())
}

/// Returns the guest-physical address behind `address`, if it is mapped.
pub fn physical_address(address: u64) -> Option<PhysAddr> {
    with_address_space(|space| space.page_table.translate(address))
}
