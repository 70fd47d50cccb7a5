//! Addresses as types.

use abi::memory_map::DIRECT_MAP_BASE;
use core::ptr::NonNull;

/// A guest-physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhysAddr(u64);

impl PhysAddr {
    /// Wraps an address.
    pub const fn new(address: u64) -> Self {
        PhysAddr(address)
    }

    /// Returns the address as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the address `offset` bytes further on.
    pub const fn add(self, offset: u64) -> Self {
        PhysAddr(self.0 + offset)
    }

    /// Returns where the direct map shows this address. Whether anything is mapped there is another question.
    pub fn to_direct_map(self) -> NonNull<u8> {
        let address = DIRECT_MAP_BASE + self.0;
        // The direct map lies in the upper half, so its addresses are never 0.
        NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
    }

    /// Returns the guest-physical address behind a pointer into the direct map.
    pub fn from_direct_map(pointer: NonNull<u8>) -> Self {
        PhysAddr(pointer.addr().get() as u64 - DIRECT_MAP_BASE)
    }
}
