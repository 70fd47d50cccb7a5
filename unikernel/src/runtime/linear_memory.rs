//! Linear memories: their first mapping, their growth, and the segments copied into them.
//!
//! A memory is mapped exactly up to its length, in pages of 4 KiB, so that the next access beyond it faults.

use super::module;
use crate::memory::{self, OutOfMemory};
use abi::instance::{ActiveSegment, MemoryInstance};
use abi::memory_map::{KERNEL_RESERVE_LEN_BYTES, PAGE_SIZE, WINDOW_ALIAS_BASE, WINDOW_STRIDE};

/// What `memory_grow` returns when it fails.
const GROW_FAILED: u64 = u64::MAX;

/// The most bytes that a memory with 32-bit addresses holds.
const MAX_LEN_BYTES_32: u64 = 1 << 32;

/// Maps all memories at their minimum size, filled with zeros.
///
/// # Errors
/// If the machine has too little memory.
pub(super) fn map_all() -> Result<(), OutOfMemory> {
    for &instance in module::memories() {
        // SAFETY: the module's array holds addresses of its memory instances in writable data, and no compiled code runs yet.
        let instance = unsafe { &mut *instance };
        instance.length_bytes = 0;
        let reserve_len_bytes = KERNEL_RESERVE_LEN_BYTES.min(memory::available_bytes() / 16);
        extend(instance, instance.minimum_pages, reserve_len_bytes).ok_or(OutOfMemory)?;
    }
    Ok(())
}

/// Copies the active segments into the memories, which are mapped.
pub(super) fn copy_active_segments() {
    for segment in module::active_segments() {
        let instance = module::memories()[segment.memory_index as usize];
        // SAFETY: as in `map_all`.
        let base = unsafe { (*instance).base };
        copy_segment(segment, base);
    }
}

fn copy_segment(segment: &ActiveSegment, base: u64) {
    let source = segment.start as *const u8;
    let destination = (WINDOW_ALIAS_BASE + base + segment.offset) as *mut u8;
    // SAFETY: the compiler lists a segment only if it lies within the memory's minimum size, which is mapped; its bytes are
    // read-only data of the image, so the areas do not overlap.
    unsafe { destination.copy_from_nonoverlapping(source, segment.length_bytes as usize) };
}

/// Grows a memory by `delta_pages` and returns its old length in pages; `None`, with nothing changed, if that cannot be, or would leave
/// less than `reserve_len_bytes`.
fn extend(instance: &mut MemoryInstance, delta_pages: u64, reserve_len_bytes: u64) -> Option<u64> {
    let old_pages = instance.length_bytes >> instance.page_size_log2;
    let new_pages = old_pages.checked_add(delta_pages)?;
    let new_len_bytes = new_pages.checked_mul(1 << instance.page_size_log2)?;
    let limit = if instance.is_64 != 0 {
        WINDOW_STRIDE
    } else {
        MAX_LEN_BYTES_32
    };
    if new_pages > instance.maximum_pages || new_len_bytes > limit {
        return None;
    }
    let mapped_len_bytes = instance.length_bytes.next_multiple_of(PAGE_SIZE);
    let wanted_len_bytes = new_len_bytes.next_multiple_of(PAGE_SIZE);
    if wanted_len_bytes > mapped_len_bytes {
        let (start, len_bytes) = (instance.base + mapped_len_bytes, wanted_len_bytes - mapped_len_bytes);
        memory::map_linear_memory(start, len_bytes, reserve_len_bytes).ok()?;
    }
    instance.length_bytes = new_len_bytes;
    Some(old_pages)
}

#[unsafe(export_name = "wasmetal.memory_grow")]
extern "C" fn memory_grow(memory: *mut MemoryInstance, delta_pages: u64) -> u64 {
    // SAFETY: compiled code passes the address of one of its memory instances, which nobody else holds during a call.
    let instance = unsafe { &mut *memory };
    extend(instance, delta_pages, KERNEL_RESERVE_LEN_BYTES).unwrap_or(GROW_FAILED)
}

/// Returns the length in bytes of the memory in whose window `address` lies, and the offset in that window.
pub(super) fn find_window(address: u64) -> Option<(u64, u64)> {
    module::memories().iter().find_map(|&instance| {
        // SAFETY: as in `map_all`; the program has stopped, so nothing writes the instance.
        let (base, length_bytes) = unsafe { ((*instance).base, (*instance).length_bytes) };
        let offset = address.checked_sub(base)?;
        (offset < WINDOW_STRIDE).then_some((length_bytes, offset))
    })
}
