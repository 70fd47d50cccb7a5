//! Tables that grow: `table_grow` and `table_fill`.
//!
//! A table begins in the image's data, with the room that its minimum takes. When it outgrows that it moves to the kernel heap,
//! with room to spare, so that growing by one element is cheap on average.

use crate::arch::SingleCore;
use crate::headroom;
use abi::instance::TableInstance;
use abi::memory_map::IMAGE_BASE;
use alloc::alloc::{alloc, dealloc};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ops::Range;

/// What `table_grow` returns when it fails.
const GROW_FAILED: u64 = u64::MAX;

/// The most elements of a table, whatever its maximum says; the JavaScript embedding has the same limit.
const MAX_LENGTH: u64 = 10_000_000;

/// The tables whose elements are on the heap.
static TABLES_ON_HEAP: SingleCore<Vec<usize>> = SingleCore::new(Vec::new());

/// Returns the addresses of the elements that are not in the image.
pub(super) fn areas_on_heap() -> impl Iterator<Item = Range<u64>> {
    let tables = TABLES_ON_HEAP.borrow_mut();
    (0..tables.len()).map(move |position| {
        // SAFETY: `move_to_heap` has put the address of a table instance there; compiled code does not run during a call.
        let table = unsafe { &*(tables[position] as *const TableInstance) };
        table.elements..table.elements + table.length * 8
    })
}

#[unsafe(export_name = "wasmetal.table_grow")]
extern "C" fn table_grow(table: *mut TableInstance, delta: u64, value: u64) -> u64 {
    // SAFETY: compiled code passes the address of one of its table instances, which nobody else holds during a call.
    let table = unsafe { &mut *table };
    let old_length = table.length;
    let Some(new_length) = old_length.checked_add(delta) else {
        return GROW_FAILED;
    };
    if delta != 0 && new_length > table.maximum.min(MAX_LENGTH) {
        return GROW_FAILED;
    }
    if new_length > table.capacity && !move_to_heap(table, new_length) {
        return GROW_FAILED;
    }
    table_fill(table.elements + old_length * 8, value, delta);
    table.length = new_length;
    old_length
}

/// Gives a table room for at least `length` elements, and tells whether memory sufficed.
fn move_to_heap(table: &mut TableInstance, length: u64) -> bool {
    let capacity = length.next_power_of_two().min(table.maximum).max(length);
    let Ok(layout) = Layout::array::<u64>(capacity as usize) else {
        return false;
    };
    let old_layout = heap_layout(table);
    let mut tables = TABLES_ON_HEAP.borrow_mut();
    if !headroom::allows(layout.size()) || old_layout.is_none() && tables.try_reserve(1).is_err() {
        return false;
    }
    // SAFETY: the layout is not empty, for `length` exceeds the old capacity.
    let elements = unsafe { alloc(layout) }.cast::<u64>();
    if elements.is_null() {
        return false;
    }
    let old_elements = table.elements as *mut u64;
    if table.length != 0 {
        // SAFETY: the new area has room for more than `table.length` elements, the old one holds them, and they are apart.
        unsafe { elements.copy_from_nonoverlapping(old_elements, table.length as usize) };
    }
    match old_layout {
        // SAFETY: an area outside the image is one that this function allocated with that capacity.
        Some(old_layout) => unsafe { dealloc(old_elements.cast(), old_layout) },
        None => tables.push((&raw const *table).addr()),
    }
    table.elements = elements as u64;
    table.capacity = capacity;
    true
}

/// Returns the layout of the table's area if that is on the heap rather than in the image.
fn heap_layout(table: &TableInstance) -> Option<Layout> {
    if table.elements >= IMAGE_BASE || table.capacity == 0 {
        return None;
    }
    Layout::array::<u64>(table.capacity as usize).ok()
}

#[unsafe(export_name = "wasmetal.table_fill")]
extern "C" fn table_fill(first_element: u64, value: u64, count: u64) {
    let first = first_element as *mut u64;
    for index in 0..count as usize {
        // SAFETY: compiled code checks that the elements lie within the table's room, `table_grow` that they do; elements are
        // 8 bytes, aligned.
        unsafe { first.add(index).write(value) };
    }
}
