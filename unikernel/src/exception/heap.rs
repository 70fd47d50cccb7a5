//! The exceptions of a program: made by `throw`, freed when they are caught, or later if the program got a reference.
//!
//! A reference is the exception's address, and compiled code does not say where it keeps one. So what has references is found by
//! mark and sweep, conservatively: every word of the Wasm stack, of the modules' writable data, of tables and of the values
//! inside exceptions that is an exception's address keeps that exception. Linear memory cannot hold references. A collection
//! comes once as many bytes have been made as were in use after the last one, so it costs a constant time for each exception, on average.
//!
//! Read first: [`Exceptions::make`]. Limits: x86-64; a reference that the embedder of a module alone holds keeps nothing.

use crate::headroom;
use abi::handler_table::ExceptionHeader;
use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::arch::asm;
use core::mem::offset_of;
use core::ops::Range;
use core::ptr::NonNull;

/// Bytes that exceptions may take before the first collection.
const FIRST_LIMIT_BYTES: usize = 1 << 20;

const WORD: u64 = 8;

/// An exception, with what compiled code does not see in front of it. Its values follow.
#[repr(C, align(16))]
#[derive(Debug)]
struct Cell {
    /// Where it is in the list of all.
    position: usize,
    is_marked: bool,
    header: ExceptionHeader,
}

impl Cell {
    fn layout(value_count: u64) -> Option<Layout> {
        let values = usize::try_from(value_count)
            .ok()?
            .checked_mul(ExceptionHeader::VALUE_STRIDE)?;
        Layout::from_size_align(size_of::<Cell>().checked_add(values)?, align_of::<Cell>()).ok()
    }

    /// Returns the address that compiled code knows.
    fn exception(cell: NonNull<Cell>) -> u64 {
        cell.as_ptr() as u64 + offset_of!(Cell, header) as u64
    }
}

/// The exceptions that have not been freed.
#[derive(Debug, Default)]
pub struct Exceptions {
    cells: Vec<NonNull<Cell>>,
    len_bytes: usize,
    /// Bytes in use after the last collection.
    kept_len_bytes: usize,
}

impl Exceptions {
    /// Makes an empty heap.
    pub const fn new() -> Exceptions {
        Exceptions {
            cells: Vec::new(),
            len_bytes: 0,
            kept_len_bytes: 0,
        }
    }

    /// Makes an exception: `exception_new` of [`abi::builtins`]. Returns 0 when memory runs out.
    ///
    /// May free exceptions first. `roots` returns the ranges of addresses where the program may hold references; it gets the
    /// address from which on the stack counts.
    ///
    /// # Safety
    /// 1. The ranges of `roots` can be read, and the program has no reference to an exception elsewhere but in registers;
    /// 2. the caller runs on the stack among them, called by compiled code.
    pub unsafe fn make<R: Iterator<Item = Range<u64>>>(
        &mut self,
        tag: u64,
        value_count: u64,
        roots: impl Fn(u64) -> R,
    ) -> u64 {
        if self.len_bytes >= FIRST_LIMIT_BYTES.max(2 * self.kept_len_bytes) {
            // SAFETY: the caller's promises.
            unsafe { self.collect(&roots) };
        }
        let cell = self.allocate(tag, value_count).or_else(|| {
            // SAFETY: the caller's promises.
            unsafe { self.collect(&roots) };
            self.allocate(tag, value_count)
        });
        cell.map_or(0, Cell::exception)
    }

    fn allocate(&mut self, tag: u64, value_count: u64) -> Option<NonNull<Cell>> {
        let layout = Cell::layout(value_count)?;
        if !headroom::allows(layout.size()) || !headroom::reserve_item(&mut self.cells) {
            return None;
        }
        // SAFETY: the layout has room for the header, so it is not empty.
        let cell = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<Cell>())?;
        let header = ExceptionHeader {
            tag,
            is_referenced: 0,
            value_count: value_count as u32,
        };
        // SAFETY: the cell is new, aligned, and has room for this.
        unsafe {
            cell.write(Cell {
                position: self.cells.len(),
                is_marked: false,
                header,
            });
        }
        self.cells.push(cell);
        self.len_bytes += layout.size();
        Some(cell)
    }

    /// Frees an exception that has been caught, unless the program has a reference to it: `exception_drop` of [`abi::builtins`].
    ///
    /// # Safety
    /// The exception comes from [`make`](Self::make) and has not been freed.
    pub unsafe fn release(&mut self, exception: u64) {
        let cell = (exception - offset_of!(Cell, header) as u64) as *mut Cell;
        // SAFETY: the caller's promise; so there is a cell in front of the exception, and it is in the list.
        unsafe {
            if (*cell).header.is_referenced == 0 {
                let position = (*cell).position;
                let freed = self.cells.swap_remove(position);
                if let Some(moved) = self.cells.get(position) {
                    (*moved.as_ptr()).position = position;
                }
                self.free(freed);
            }
        }
    }

    /// # Safety
    /// The cell comes from `allocate` and is no longer in the list.
    unsafe fn free(&mut self, cell: NonNull<Cell>) {
        // SAFETY: the caller's promise; the number of values is what the cell was made for.
        unsafe {
            if let Some(layout) = Cell::layout(u64::from((*cell.as_ptr()).header.value_count)) {
                self.len_bytes -= layout.size();
                dealloc(cell.as_ptr().cast(), layout);
            }
        }
    }

    /// Frees the exceptions that no root leads to. Does nothing where memory does not suffice to note what was found.
    ///
    /// # Safety
    /// As [`make`](Self::make).
    #[inline(never)]
    unsafe fn collect<R: Iterator<Item = Range<u64>>>(&mut self, roots: impl Fn(u64) -> R) {
        let mut pending = Vec::new();
        if pending.try_reserve_exact(self.cells.len()).is_err() {
            return;
        }
        self.cells.sort_unstable();
        // What compiled code had in registers is there still, or in the frames of its callees, which are above this array.
        let registers = callee_saved_registers();
        for range in roots(registers.as_ptr() as u64) {
            // SAFETY: the caller's promise 1.
            unsafe { self.mark_words(range, &mut pending) };
        }
        while let Some(cell) = pending.pop() {
            let values = Cell::exception(cell) + ExceptionHeader::SIZE as u64;
            // SAFETY: the cell is in the list; so many values follow it.
            unsafe {
                let len_bytes = u64::from((*cell.as_ptr()).header.value_count) * ExceptionHeader::VALUE_STRIDE as u64;
                self.mark_words(values..values + len_bytes, &mut pending);
            }
        }
        // SAFETY: no root leads to a cell that is not marked, so nothing uses it again.
        unsafe { self.sweep() };
        self.kept_len_bytes = self.len_bytes;
    }

    /// Marks the exceptions whose addresses are among the words of a range, and appends those not met before to `pending`.
    ///
    /// # Safety
    /// The range can be read.
    unsafe fn mark_words(&self, range: Range<u64>, pending: &mut Vec<NonNull<Cell>>) {
        let Some((first, last)) = self.cells.first().zip(self.cells.last()) else {
            return;
        };
        let exceptions = Cell::exception(*first)..=Cell::exception(*last);
        let start = range.start.next_multiple_of(WORD);
        for address in (start..range.end.saturating_sub(WORD - 1)).step_by(WORD as usize) {
            // SAFETY: the caller's promise; the word is aligned and read as a plain number, whatever it is part of.
            let word = unsafe { (address as *const u64).read_volatile() };
            if !exceptions.contains(&word) {
                continue;
            }
            if let Ok(position) = self.cells.binary_search_by_key(&word, |&cell| Cell::exception(cell)) {
                let cell = self.cells[position];
                // SAFETY: the list holds cells that have not been freed.
                let is_marked = unsafe { &mut (*cell.as_ptr()).is_marked };
                if !*is_marked {
                    *is_marked = true;
                    pending.push(cell);
                }
            }
        }
    }

    /// Frees what is not marked, and takes the marks from the rest.
    ///
    /// # Safety
    /// Nothing uses an exception that is not marked.
    unsafe fn sweep(&mut self) {
        let mut kept = 0;
        for position in 0..self.cells.len() {
            let cell = self.cells[position];
            // SAFETY: the list holds cells that have not been freed; those not marked leave it.
            unsafe {
                if (*cell.as_ptr()).is_marked {
                    (*cell.as_ptr()).is_marked = false;
                    (*cell.as_ptr()).position = kept;
                    self.cells[kept] = cell;
                    kept += 1;
                } else {
                    self.free(cell);
                }
            }
        }
        self.cells.truncate(kept);
    }
}

impl Drop for Exceptions {
    fn drop(&mut self) {
        while let Some(cell) = self.cells.pop() {
            // SAFETY: the cell has just left the list, and the program that could use it has ended.
            unsafe { self.free(cell) };
        }
    }
}

/// Returns the registers in which a caller may keep values during a call.
#[inline(always)]
fn callee_saved_registers() -> [u64; 6] {
    let mut registers = [0; 6];
    // SAFETY: writes the six words of the array, and nothing else.
    unsafe {
        asm!(
            "mov [{to}], rbx",
            "mov [{to} + 8], rbp",
            "mov [{to} + 16], r12",
            "mov [{to} + 24], r13",
            "mov [{to} + 32], r14",
            "mov [{to} + 40], r15",
            to = in(reg) registers.as_mut_ptr(),
            options(nostack, preserves_flags),
        );
    }
    registers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes exceptions as compiled code that holds `held` would, until there have been `count`.
    fn make_many(exceptions: &mut Exceptions, held: &[u64], count: usize) {
        let range = held.as_ptr_range();
        let roots = |_: u64| core::iter::once(range.start as u64..range.end as u64);
        for _ in 0..count {
            // SAFETY: the test keeps no references but those in `held`, which can be read.
            assert_ne!(unsafe { exceptions.make(1, 2, roots) }, 0);
        }
    }

    fn make(exceptions: &mut Exceptions, tag: u64) -> u64 {
        // SAFETY: there are no references yet.
        unsafe { exceptions.make(tag, 1, |_| core::iter::empty()) }
    }

    #[test]
    fn what_nothing_refers_to_is_freed() {
        let mut exceptions = Exceptions::new();
        make_many(&mut exceptions, &[], 1_000_000);
        assert!(
            exceptions.len_bytes <= 2 * FIRST_LIMIT_BYTES,
            "{} bytes",
            exceptions.len_bytes
        );
    }

    #[test]
    fn what_a_root_or_an_exception_refers_to_is_kept() {
        let mut exceptions = Exceptions::new();
        let inner = make(&mut exceptions, 7);
        let outer = make(&mut exceptions, 8);
        // SAFETY: an exception of one value has room for it behind its header.
        unsafe { ((outer + ExceptionHeader::SIZE as u64) as *mut u64).write(inner) };
        make_many(&mut exceptions, &[3, outer], 100_000);
        // SAFETY: `outer` was held, and it holds `inner`.
        let tags = unsafe { [inner, outer].map(|exception| (*(exception as *const ExceptionHeader)).tag) };
        assert_eq!(tags, [7, 8]);
    }

    #[test]
    fn a_caught_exception_is_freed_at_once_unless_referenced() {
        let mut exceptions = Exceptions::new();
        let made = [1, 2, 3].map(|tag| make(&mut exceptions, tag));
        // SAFETY: the exceptions are new, and each is released once.
        unsafe {
            (*(made[1] as *mut ExceptionHeader)).is_referenced = 1;
            for exception in made {
                exceptions.release(exception);
            }
        }
        let left: Vec<u64> = exceptions.cells.iter().map(|&cell| Cell::exception(cell)).collect();
        assert_eq!(left, [made[1]]);
    }
}
