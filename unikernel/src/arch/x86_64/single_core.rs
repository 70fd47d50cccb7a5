//! Global state of a machine with one CPU.

use core::cell::{RefCell, RefMut};

/// A value that belongs to the one flow of control of the kernel.
///
/// The borrow is checked as in [`RefCell`], which matters in one place: an exception may interrupt code that holds a borrow,
/// and its report must then do without that value ([`try_borrow_mut`](Self::try_borrow_mut)).
pub struct SingleCore<T>(RefCell<T>);

// SAFETY: only one CPU is ever started, interrupts run no Rust code, and exceptions never return to what they interrupted: two
// flows of control never reach the cell at the same time.
unsafe impl<T> Sync for SingleCore<T> {}

impl<T> SingleCore<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        SingleCore(RefCell::new(value))
    }

    /// Borrows the value. A second borrow while one is held is a bug of the kernel and panics.
    pub fn borrow_mut(&self) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }

    /// Borrows the value unless somebody holds it.
    pub fn try_borrow_mut(&self) -> Option<RefMut<'_, T>> {
        self.0.try_borrow_mut().ok()
    }
}
