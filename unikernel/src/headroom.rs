//! Memory that stays with the kernel, however much a program asks for.
//!
//! Much that the kernel allocates is small and cannot be refused: frames in flight, requests to devices, what comes up at its first
//! use. So whatever a program can have without end (files, descriptors, sockets, tables, exceptions) is asked for here first, and
//! is an error of the call where it would leave too little. Growing linear memory leaves more
//! ([`abi::memory_map::KERNEL_RESERVE_LEN_BYTES`]).
//!
//! Read first: [`allows`]. Limits: it is less in a machine that has hardly more memory than the program needs to start; and in a Linux
//! process everything is allowed.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};
use hashbrown::HashMap;

/// Bytes for each byte of a full map's entries that a larger one may take: twice the buckets, an eighth of them empty, and tags.
const MAP_GROWTH: usize = 3;

#[cfg(feature = "kernel")]
mod machine {
    use crate::arch::SingleCore;
    use crate::memory::available_bytes;

    /// What is to be left, in bytes: this much, or a share of what is free when the program starts.
    const MOST_BYTES: u64 = 512 * 1024;
    const SHARE: u64 = 4;

    static HEADROOM_BYTES: SingleCore<u64> = SingleCore::new(0);

    /// Sets memory aside: from now on programs ask.
    pub fn establish() {
        *HEADROOM_BYTES.borrow_mut() = MOST_BYTES.min(available_bytes() / SHARE);
    }

    pub(super) fn spare_bytes() -> u64 {
        if cfg!(test) {
            // Unit tests run in a Linux process, with its memory.
            return u64::MAX;
        }
        available_bytes().saturating_sub(*HEADROOM_BYTES.borrow_mut())
    }
}
#[cfg(feature = "kernel")]
pub use machine::establish;

#[cfg(not(feature = "kernel"))]
mod machine {
    pub(super) fn spare_bytes() -> u64 {
        u64::MAX
    }
}

/// Tells whether a program may have so many bytes more.
pub fn allows(len_bytes: usize) -> bool {
    machine::spare_bytes() >= (len_bytes as u64).max(1)
}

/// Makes room for one more item; `false` if memory is short.
pub fn reserve_item<T>(items: &mut Vec<T>) -> bool {
    let is_full = items.len() == items.capacity();
    (!is_full || allows(2 * items.len() * size_of::<T>())) && items.try_reserve(1).is_ok()
}

/// Makes room for one more entry; `false` if memory is short.
pub fn reserve_entry<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) -> bool {
    let is_full = map.len() == map.capacity();
    (!is_full || allows(MAP_GROWTH * map.len() * size_of::<(K, V)>())) && map.try_reserve(1).is_ok()
}
