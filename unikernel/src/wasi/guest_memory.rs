//! The one place that reads and writes linear memory on behalf of a WASI call.
//!
//! A guest address is a number until [`GuestMemory`] has checked it. The check yields a [`GuestPtr`] or a [`GuestSlice`]; only
//! through these is memory reached, so an address that was not checked cannot be dereferenced. Linear memory never shrinks,
//! hence a check stays true.
//!
//! Values are copied byte by byte in little-endian order ([`GuestValue`]), so their alignment is checked for the
//! specification's sake, not for ours. Limits: one thread, memories of at most 4 GiB.
#![allow(unsafe_code, reason = "this module is the border to linear memory")]

use super::errno::Errno;
use super::types::Block;
use abi::instance::MemoryInstance;
use core::marker::PhantomData;
use core::slice;

/// A value with a layout in linear memory.
pub trait GuestValue: Sized {
    /// Size in bytes.
    const SIZE: u32;
    /// Alignment in bytes, a power of two.
    const ALIGN: u32;

    /// Decodes a value from exactly `SIZE` bytes.
    fn decode(bytes: &[u8]) -> Self;

    /// Encodes the value into exactly `SIZE` bytes.
    fn encode(&self, bytes: &mut [u8]);
}

macro_rules! guest_integers {
    ($($integer:ty),*) => {$(
        impl GuestValue for $integer {
            const SIZE: u32 = size_of::<$integer>() as u32;
            const ALIGN: u32 = Self::SIZE;

            fn decode(bytes: &[u8]) -> Self {
                let mut value = [0; size_of::<$integer>()];
                value.copy_from_slice(bytes);
                <$integer>::from_le_bytes(value)
            }

            fn encode(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

guest_integers!(u8, u16, u32, u64);

/// The address of one value. Holding it proves that the address is aligned for `T` and that all bytes of the value lie within
/// the linear memory that made it.
#[derive(Debug)]
pub struct GuestPtr<T> {
    address: u32,
    value: PhantomData<T>,
}

impl<T> Clone for GuestPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GuestPtr<T> {}

/// The address of `count` values in a row. Holding it proves the same as [`GuestPtr`], for each of them.
#[derive(Debug)]
pub struct GuestSlice<T> {
    address: u32,
    count: u32,
    value: PhantomData<T>,
}

impl<T> Clone for GuestSlice<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GuestSlice<T> {}

impl<T: GuestValue> GuestSlice<T> {
    /// Returns the number of values.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns the address of the value of that index.
    ///
    /// # Panics
    /// If there are not so many.
    pub const fn get(self, index: u32) -> GuestPtr<T> {
        assert!(index < self.count, "index out of range");
        GuestPtr {
            address: self.address + index * T::SIZE,
            value: PhantomData,
        }
    }

    /// Returns the addresses of the values, in order.
    pub fn iter(self) -> impl Iterator<Item = GuestPtr<T>> {
        (0..self.count).map(move |index| self.get(index))
    }
}

/// Linear memory, as the kernel reaches it.
#[derive(Debug)]
pub struct GuestMemory {
    first_byte: *mut u8,
    instance: *const MemoryInstance,
}

impl GuestMemory {
    /// Makes the memory of a program that has none: every access is a fault.
    pub const fn none() -> Self {
        static EMPTY: MemoryInstance = MemoryInstance {
            base: 0,
            length_bytes: 0,
            minimum_pages: 0,
            maximum_pages: 0,
            page_size_log2: 16,
            is_64: 0,
            reach_bytes: 0,
        };
        // The three conditions of `new` hold of a memory without a byte.
        GuestMemory {
            first_byte: core::ptr::null_mut(),
            instance: &raw const EMPTY,
        }
    }

    /// Makes a view of the memory that `instance` describes, whose byte 0 the kernel finds at `first_byte`.
    ///
    /// # Safety
    /// For as long as the view exists:
    /// 1. `instance` can be read, and its `length_bytes` never falls;
    /// 2. `length_bytes` bytes from `first_byte` (not null) can be read and written;
    /// 3. nothing else accesses these bytes during a call of a method or while what a method returned is borrowed, and nothing
    ///    changes `length_bytes` during a call of a method.
    pub const unsafe fn new(instance: *const MemoryInstance, first_byte: *mut u8) -> Self {
        GuestMemory { first_byte, instance }
    }

    /// Returns the current length in bytes.
    fn length_bytes(&self) -> u64 {
        // SAFETY: `instance` can be read and is not being changed: conditions 1 and 3 of `new`. The read is volatile because
        // compiled code changes the length between calls, behind the compiler's back.
        unsafe { (&raw const (*self.instance).length_bytes).read_volatile() }
    }

    /// Checks the address of a value.
    ///
    /// # Errors
    /// `Errno::Fault` if the value leaves linear memory, `Errno::Inval` if the address is not aligned.
    pub fn pointer<T: GuestValue>(&self, address: u32) -> Result<GuestPtr<T>, Errno> {
        self.slice::<T>(address, 1).map(|slice| GuestPtr {
            address: slice.address,
            value: PhantomData,
        })
    }

    /// Checks the address of `count` values in a row.
    ///
    /// # Errors
    /// As [`pointer`](Self::pointer).
    pub fn slice<T: GuestValue>(&self, address: u32, count: u32) -> Result<GuestSlice<T>, Errno> {
        if u64::from(address) + u64::from(count) * u64::from(T::SIZE) > self.length_bytes() {
            return Err(Errno::Fault);
        }
        if !address.is_multiple_of(T::ALIGN) {
            return Err(Errno::Inval);
        }
        Ok(GuestSlice {
            address,
            count,
            value: PhantomData,
        })
    }

    /// Reads a value.
    #[inline(always)]
    pub fn read<T: GuestValue>(&self, pointer: GuestPtr<T>) -> T {
        T::decode(self.area(pointer.address, u64::from(T::SIZE)))
    }

    /// Writes a value.
    pub fn write<T: GuestValue>(&mut self, pointer: GuestPtr<T>, value: T) {
        self.write_here(pointer, value);
    }

    /// As [`write`](Self::write), without a call: for functions that are called often.
    #[inline(always)]
    pub fn write_here<T: GuestValue>(&mut self, pointer: GuestPtr<T>, value: T) {
        value.encode(self.area_mut(pointer.address, u64::from(T::SIZE)));
    }

    /// Borrows bytes.
    #[inline(always)]
    pub fn bytes(&self, slice: GuestSlice<u8>) -> &[u8] {
        self.area(slice.address, u64::from(slice.count))
    }

    /// Borrows bytes for writing.
    #[inline(always)]
    pub fn bytes_mut(&mut self, slice: GuestSlice<u8>) -> &mut [u8] {
        self.area_mut(slice.address, u64::from(slice.count))
    }

    /// Borrows encoded structures.
    pub fn blocks<const N: usize>(&self, slice: GuestSlice<Block<N>>) -> &[[u8; N]] {
        self.area(slice.address, u64::from(slice.count) * N as u64)
            .as_chunks()
            .0
    }

    /// Borrows an area whose check has succeeded before; for a proof that another memory made, the check is repeated here.
    #[inline(always)]
    fn area(&self, address: u32, len_bytes: u64) -> &[u8] {
        if len_bytes == 0 {
            return &[];
        }
        assert!(
            u64::from(address) + len_bytes <= self.length_bytes(),
            "the proof is of another memory"
        );
        // SAFETY: 1. the area is not empty and lies within `length_bytes`, so it can be read (condition 2 of `new`); 2. any
        // byte is a valid `u8`; 3. nothing writes it while it is borrowed (condition 3, and `&self`); 4. it is at most 4 GiB.
        unsafe { slice::from_raw_parts(self.first_byte.wrapping_add(address as usize), len_bytes as usize) }
    }

    /// As [`area`](Self::area), for writing.
    #[inline(always)]
    fn area_mut(&mut self, address: u32, len_bytes: u64) -> &mut [u8] {
        if len_bytes == 0 {
            return &mut [];
        }
        assert!(
            u64::from(address) + len_bytes <= self.length_bytes(),
            "the proof is of another memory"
        );
        // SAFETY: as in `area`; in addition `&mut self` excludes every other borrow.
        unsafe { slice::from_raw_parts_mut(self.first_byte.wrapping_add(address as usize), len_bytes as usize) }
    }

    /// Makes a linear memory of that many bytes, which lives until the test process ends.
    #[cfg(test)]
    pub fn for_tests(len_bytes: usize) -> Self {
        use alloc::boxed::Box;
        let bytes = alloc::vec![0; len_bytes].leak();
        let instance = Box::leak(Box::new(MemoryInstance {
            base: 0,
            length_bytes: len_bytes as u64,
            minimum_pages: 0,
            maximum_pages: 0,
            page_size_log2: 16,
            is_64: 0,
            reach_bytes: 0,
        }));
        // SAFETY: both live for ever, have the stated length, and nobody else has their addresses.
        unsafe { GuestMemory::new(instance, bytes.as_mut_ptr()) }
    }
}
