//! The kernel's heap: the global allocator over the frame allocator.
//!
//! Blocks up to 2 KiB come from lists of equal-sized blocks, cut from a frame at a time, so that taking and giving back is a few
//! instructions whatever else is allocated. Larger ones are whole blocks of frames. Limits: a frame that was cut stays with its
//! size; sizes are rounded up to powers of two.

use super::PhysAddr;
use super::frame_allocator::{allocate_frames, free_frames};
use crate::arch::SingleCore;
use abi::memory_map::PAGE_SIZE;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

const SMALLEST_LOG2: u32 = 4;
const LARGEST_LOG2: u32 = 11;
const CLASS_COUNT: usize = (LARGEST_LOG2 - SMALLEST_LOG2 + 1) as usize;

/// A free block's first word: the next free block of its size.
struct FreeBlock {
    next: *mut FreeBlock,
}

struct FreeLists([*mut FreeBlock; CLASS_COUNT]);

/// The allocator.
struct KernelHeap(SingleCore<FreeLists>);

#[cfg_attr(not(test), global_allocator)]
#[cfg_attr(test, expect(dead_code, reason = "tests run on the host's allocator"))]
static HEAP: KernelHeap = KernelHeap(SingleCore::new(FreeLists([ptr::null_mut(); CLASS_COUNT])));

/// Returns the size class of a request, or `None` if it takes whole frames.
fn class_of(layout: Layout) -> Option<usize> {
    let len_bytes = layout.size().max(layout.align()).max(1 << SMALLEST_LOG2);
    let log2 = len_bytes.checked_next_power_of_two()?.trailing_zeros();
    (log2 <= LARGEST_LOG2).then(|| (log2 - SMALLEST_LOG2) as usize)
}

/// Returns how many frames a large request takes. Blocks of frames are aligned to their size.
fn frame_count_of(layout: Layout) -> usize {
    layout.size().max(layout.align()).div_ceil(PAGE_SIZE as usize)
}

impl FreeLists {
    fn take(&mut self, class: usize) -> *mut u8 {
        if self.0[class].is_null() {
            self.refill(class);
        }
        let block = self.0[class];
        if !block.is_null() {
            // SAFETY: blocks in a list are free memory of the heap, and their first word is the link that `give` wrote.
            self.0[class] = unsafe { (*block).next };
        }
        block.cast()
    }

    fn give(&mut self, class: usize, block: *mut u8) {
        let block = block.cast::<FreeBlock>();
        // SAFETY: the block is at least 16 bytes of the heap, aligned to its size, and no longer in use.
        unsafe { block.write(FreeBlock { next: self.0[class] }) };
        self.0[class] = block;
    }

    fn refill(&mut self, class: usize) {
        let Some((_, frame)) = allocate_frames(1) else { return };
        for offset in (0..PAGE_SIZE as usize)
            .step_by(1 << (class as u32 + SMALLEST_LOG2))
            .rev()
        {
            // SAFETY: the offset lies in the frame that was just taken.
            self.give(class, unsafe { frame.add(offset) }.as_ptr());
        }
    }
}

// SAFETY: blocks are disjoint, of the size and alignment asked for, and stay until they are given back: each is a part of a frame
// that the heap owns, or a block of frames. Nothing in here unwinds.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => self.0.borrow_mut().take(class),
            None => allocate_frames(frame_count_of(layout)).map_or(ptr::null_mut(), |(_, pointer)| pointer.as_ptr()),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (class_of(layout), NonNull::new(block)) {
            (Some(class), _) => self.0.borrow_mut().give(class, block),
            // SAFETY: the caller promises that `alloc` returned the block for this layout, so it is a block of that many frames.
            (None, Some(block)) => unsafe { free_frames(PhysAddr::from_direct_map(block), frame_count_of(layout)) },
            (None, None) => {}
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_len_bytes: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_len_bytes, layout.align()) };
        let fits_in_place = match (class_of(layout), class_of(new_layout)) {
            (Some(old), Some(new)) => old == new,
            (None, None) => {
                frame_count_of(layout).next_power_of_two() == frame_count_of(new_layout).next_power_of_two()
            }
            _ => false,
        };
        if fits_in_place {
            return block;
        }
        // SAFETY: the caller's promises for `realloc` cover those of the three calls; the blocks do not overlap.
        unsafe {
            let new_block = self.alloc(new_layout);
            if !new_block.is_null() {
                ptr::copy_nonoverlapping(block, new_block, layout.size().min(new_len_bytes));
                self.dealloc(block, layout);
            }
            new_block
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fall_into_their_classes() {
        let class = |len_bytes, align| class_of(Layout::from_size_align(len_bytes, align).unwrap());
        assert_eq!(class(1, 1), Some(0));
        assert_eq!(class(17, 8), Some(1));
        assert_eq!(class(8, 64), Some(2));
        assert_eq!(class(2048, 8), Some(7));
        assert_eq!(class(2049, 8), None);
    }
}
