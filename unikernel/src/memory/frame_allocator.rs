//! Frames: physical memory in powers of two of 4 KiB, kept by a buddy system.
//!
//! The lists of the buddy system live in the free frames, which it sees through the direct map. So boot costs a few stores for
//! each memory region however large it is, and nothing is cleared before it is used.

use super::PhysAddr;
use crate::arch::SingleCore;
use abi::boot_info::{BootInfo, MemoryRegion};
use abi::memory_map::{DIRECT_MAP_BASE, PAGE_SIZE};
use buddy_system_allocator::Heap;
use core::alloc::Layout;
use core::ptr::NonNull;

/// Blocks reach 2^39 bytes, more than any machine's contiguous memory needs.
const ORDERS: usize = 40;

/// The first MiB holds firmware tables and the loader's structures.
const LOW_MEMORY_END: u64 = 0x10_0000;

/// The most parts of memory that are taken out of the loader's map.
const RESERVED_COUNT: usize = 4;

static FRAMES: SingleCore<Heap<ORDERS>> = SingleCore::new(Heap::new());

/// What of the loader's memory map is not free.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved([MemoryRegion; RESERVED_COUNT]);

impl Reserved {
    /// Reserves the first MiB, the image, and the command line and the boot module, which stay where the loader put them.
    pub(super) fn new(boot_info: &BootInfo, image: MemoryRegion) -> Self {
        let command_line = boot_info.command_line.as_ptr_range();
        let text = if boot_info.command_line.is_empty() {
            MemoryRegion::default()
        } else {
            MemoryRegion {
                start: command_line.start as u64 - DIRECT_MAP_BASE,
                end: command_line.end as u64 - DIRECT_MAP_BASE,
            }
        };
        let low = MemoryRegion {
            start: 0,
            end: LOW_MEMORY_END,
        };
        let mut regions = [low, image, text, boot_info.boot_module];
        regions.sort_unstable_by_key(|region| region.start);
        Reserved(regions)
    }

    /// Calls `visit` for each part of `region` that is not reserved, rounded to whole frames.
    fn for_each_free_part(&self, region: MemoryRegion, mut visit: impl FnMut(MemoryRegion)) {
        let mut start = region.start;
        let end_of_region = MemoryRegion {
            start: region.end,
            end: region.end,
        };
        for reserved in self.0.iter().chain([&end_of_region]) {
            let part = MemoryRegion {
                start: start.next_multiple_of(PAGE_SIZE),
                end: reserved.start.min(region.end) / PAGE_SIZE * PAGE_SIZE,
            };
            if part.start < part.end {
                visit(part);
            }
            start = start.max(reserved.end);
        }
    }
}

/// Adds the free memory among `regions` that lies in `window`. The direct map covers the window.
pub(super) fn add_memory(regions: &[MemoryRegion], reserved: &Reserved, window: MemoryRegion) {
    let mut frames = FRAMES.borrow_mut();
    for region in regions {
        let clipped = MemoryRegion {
            start: region.start.max(window.start),
            end: region.end.min(window.end),
        };
        reserved.for_each_free_part(clipped, |part| {
            let [start, end] =
                [part.start, part.end].map(|address| PhysAddr::new(address).to_direct_map().addr().get());
            // SAFETY: the loader reports the region as usable RAM, it overlaps nothing reserved, each part of it is added once,
            // and the direct map makes it readable and writable.
            unsafe { frames.add_to_heap(start, end) };
        });
    }
}

/// Returns the layout of a block of `frame_count` frames: a power of two, aligned to its size.
fn block_layout(frame_count: usize) -> Option<Layout> {
    let len_bytes = frame_count
        .checked_next_power_of_two()?
        .checked_mul(PAGE_SIZE as usize)?;
    Layout::from_size_align(len_bytes, len_bytes).ok()
}

/// Takes `frame_count` contiguous frames, rounded up to a power of two and aligned to that. Their content is arbitrary.
pub fn allocate_frames(frame_count: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let pointer = FRAMES.borrow_mut().alloc(block_layout(frame_count)?).ok()?;
    Some((PhysAddr::from_direct_map(pointer), pointer))
}

/// Takes frames as [`allocate_frames`] does, and fills them with zeros.
pub fn allocate_zeroed_frames(frame_count: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let (address, pointer) = allocate_frames(frame_count)?;
    // SAFETY: the frames were just taken, so they are writable and nobody else's.
    unsafe { pointer.write_bytes(0, frame_count * PAGE_SIZE as usize) };
    Some((address, pointer))
}

/// Takes one frame of zeros.
pub fn allocate_zeroed_frame() -> Option<(PhysAddr, NonNull<u8>)> {
    allocate_zeroed_frames(1)
}

/// Gives frames back.
///
/// # Safety
/// They were taken at `address` with the same `frame_count`, are given back once, and nothing refers to them any more.
pub unsafe fn free_frames(address: PhysAddr, frame_count: usize) {
    if let Some(layout) = block_layout(frame_count) {
        // SAFETY: the caller's promise; the layout is a function of the count.
        unsafe { FRAMES.borrow_mut().dealloc(address.to_direct_map(), layout) };
    }
}

/// Returns how many bytes of frames are free. They need not be contiguous.
pub fn available_bytes() -> u64 {
    let frames = FRAMES.borrow_mut();
    (frames.stats_total_bytes() - frames.stats_alloc_actual()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn reserved_parts_are_cut_out_and_edges_rounded_inwards() {
        let reserved = Reserved([
            MemoryRegion::default(),
            MemoryRegion {
                start: 0,
                end: 0x10_0000,
            },
            MemoryRegion {
                start: 0x10_0000,
                end: 0x14_0000,
            },
            MemoryRegion {
                start: 0x20_0010,
                end: 0x20_0020,
            },
        ]);
        let mut parts = Vec::new();
        let region = MemoryRegion {
            start: 0x8_0000,
            end: 0x30_0800,
        };
        reserved.for_each_free_part(region, |part| parts.push((part.start, part.end)));
        assert_eq!(parts, [(0x14_0000, 0x20_0000), (0x20_1000, 0x30_0000)]);
        parts.clear();
        reserved.for_each_free_part(
            MemoryRegion {
                start: 0x5000,
                end: 0x9_f000,
            },
            |part| parts.push((part.start, part.end)),
        );
        assert_eq!(parts, []);
    }
}
