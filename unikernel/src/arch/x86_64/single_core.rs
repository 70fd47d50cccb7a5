//! Global state of a machine with one CPU.

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that belongs to the one flow of control of the kernel, borrowed by one piece of code at a time.
///
/// An exception may interrupt code that holds a borrow. That code never goes on, so its borrow is void
/// ([`abandon_borrows`]): the report of the exception may use the value, in whatever state it was left.
pub struct SingleCore<T> {
    is_borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: only one CPU is ever started, interrupts run no Rust code, and exceptions never return to what they interrupted: two
// flows of control never reach the cell at the same time.
unsafe impl<T> Sync for SingleCore<T> {}

/// Whether the code that held borrows is dead.
static ABANDONED: AtomicBool = AtomicBool::new(false);

/// Declares all present borrows void.
///
/// # Safety
/// The code that holds them never goes on.
pub unsafe fn abandon_borrows() {
    ABANDONED.store(true, Ordering::Relaxed);
}

impl<T> SingleCore<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        SingleCore {
            is_borrowed: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Borrows the value. A second borrow while one is held is a bug of the kernel and panics.
    pub fn borrow_mut(&self) -> Borrow<'_, T> {
        self.try_borrow_mut()
            .expect("no borrow is held across a call that borrows again")
    }

    /// Borrows the value unless somebody alive holds it.
    pub fn try_borrow_mut(&self) -> Option<Borrow<'_, T>> {
        if self.is_borrowed.replace(true) && !ABANDONED.load(Ordering::Relaxed) {
            return None;
        }
        Some(Borrow { cell: self })
    }
}

/// A borrowed value.
pub struct Borrow<'a, T> {
    cell: &'a SingleCore<T>,
}

impl<T> Deref for Borrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the cell gives out one `Borrow` at a time; an earlier one belongs to code that never goes on.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for Borrow<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for Borrow<'_, T> {
    fn drop(&mut self) {
        self.cell.is_borrowed.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_borrow_is_given_out_at_a_time() {
        let cell = SingleCore::new(1);
        let mut first = cell.borrow_mut();
        *first += 1;
        assert!(cell.try_borrow_mut().is_none());
        drop(first);
        assert_eq!(*cell.borrow_mut(), 2);
    }
}
