//! The memory that files may use.
//!
//! Everything a file system allocates is taken from a budget first and then reserved fallibly, so running out is an error of the
//! one operation ([`Error::NoSpace`]), never the end of the kernel.

use crate::fs::Error;
use crate::headroom;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An amount of memory.
#[derive(Debug)]
pub struct Budget {
    left_bytes: u64,
}

impl Budget {
    /// Makes a budget of that many bytes.
    pub const fn new(limit_bytes: u64) -> Self {
        Budget {
            left_bytes: limit_bytes,
        }
    }

    /// Takes memory out of the budget.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if there is not so much left; nothing is taken then.
    pub fn take(&mut self, len_bytes: usize) -> Result<(), Error> {
        let left_bytes = self.left_bytes.checked_sub(len_bytes as u64);
        self.left_bytes = left_bytes
            .filter(|_| headroom::allows(len_bytes))
            .ok_or(Error::NoSpace)?;
        Ok(())
    }

    /// Gives memory back.
    pub fn give_back(&mut self, len_bytes: usize) {
        self.left_bytes = self.left_bytes.saturating_add(len_bytes as u64);
    }

    /// Reserves room for at least `additional` more elements, growing geometrically.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn reserve<T>(&mut self, vector: &mut Vec<T>, additional: usize) -> Result<(), Error> {
        let wanted = vector.len().checked_add(additional).ok_or(Error::NoSpace)?;
        if wanted <= vector.capacity() {
            return Ok(());
        }
        self.reserve_capacity(vector, wanted.max(vector.capacity().saturating_mul(2)).max(4))
    }

    /// Reserves room for `capacity` elements in all.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn reserve_capacity<T>(&mut self, vector: &mut Vec<T>, capacity: usize) -> Result<(), Error> {
        let before = vector.capacity();
        if capacity <= before {
            return Ok(());
        }
        let taken = (capacity - before).checked_mul(size_of::<T>()).ok_or(Error::NoSpace)?;
        self.take(taken)?;
        if vector.try_reserve_exact(capacity - vector.len()).is_err() {
            self.give_back(taken);
            return Err(Error::NoSpace);
        }
        // The allocator may have given more than asked; what is given back later must be what was taken.
        let extra = (vector.capacity() - capacity) * size_of::<T>();
        self.left_bytes = self.left_bytes.saturating_sub(extra as u64);
        Ok(())
    }

    /// Gives back what a vector holds.
    pub fn release<T>(&mut self, vector: Vec<T>) {
        self.give_back(vector.capacity() * size_of::<T>());
    }

    /// Copies bytes into memory of their own.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn copy(&mut self, bytes: &[u8]) -> Result<Box<[u8]>, Error> {
        let mut copy = Vec::new();
        self.reserve_capacity(&mut copy, bytes.len())?;
        copy.extend_from_slice(bytes);
        Ok(copy.into_boxed_slice())
    }
}
