//! Four-level page tables: the entries, and mapping a range with the largest pages that fit.
//!
//! Tables are frames, seen through the direct map. Reference: Intel SDM volume 3, chapter 4.5.

use super::frame_allocator::{allocate_frames, allocate_zeroed_frame};
use super::{OutOfMemory, PhysAddr};
use crate::arch::cpu;
use abi::memory_map::{LARGE_PAGE_SIZE, PAGE_SIZE};

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLED: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;

/// Levels count from 0, the tables whose entries are 4 KiB pages, to 3, the root.
const ROOT_LEVEL: u32 = 3;
const LARGE_LEVEL: u32 = 1;
const HUGE_LEVEL: u32 = 2;
const HUGE_PAGE_SIZE: u64 = 1 << 30;

/// What may be done with mapped memory. There is no value for writing and executing the same page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    ReadWrite,
    ReadExecute,
    /// Reads and writes that bypass the cache, for device registers.
    Device,
}

impl Access {
    const fn bits(self) -> u64 {
        match self {
            Access::Read => PRESENT | NO_EXECUTE,
            Access::ReadWrite => PRESENT | WRITABLE | NO_EXECUTE,
            Access::ReadExecute => PRESENT,
            Access::Device => PRESENT | WRITABLE | NO_EXECUTE | WRITE_THROUGH | CACHE_DISABLED,
        }
    }
}

/// The largest page that a mapping may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LargestPage {
    Large,
    Huge,
}

/// A tree of page tables.
pub(super) struct PageTable {
    root: PhysAddr,
}

impl PageTable {
    /// Makes an empty one.
    pub(super) fn new() -> Result<Self, OutOfMemory> {
        let (root, _) = allocate_zeroed_frame().ok_or(OutOfMemory)?;
        Ok(PageTable { root })
    }

    /// Returns the frame of the root table.
    pub(super) fn root(&self) -> PhysAddr {
        self.root
    }

    /// Maps `len_bytes` from `virtual_start` to the memory from `start`. All three are multiples of the page size.
    ///
    /// # Errors
    /// If frames for tables run out; what is mapped by then stays mapped.
    pub(super) fn map(
        &mut self,
        virtual_start: u64,
        start: PhysAddr,
        len_bytes: u64,
        access: Access,
        largest: LargestPage,
    ) -> Result<(), OutOfMemory> {
        let mut offset = 0;
        while offset < len_bytes {
            let (address, frame) = (virtual_start + offset, start.add(offset));
            let level = largest_level(address | frame.as_u64(), len_bytes - offset, largest);
            let entry = self.entry(address, level)?;
            let large = if level == 0 { 0 } else { LARGE };
            // SAFETY: `entry` points to an entry of a table of this tree, which only this code writes.
            unsafe { entry.write_volatile(frame.as_u64() | access.bits() | large | GLOBAL) };
            offset += page_size(level);
        }
        Ok(())
    }

    /// Makes the root entries of `alias` equal to those of `original`, for as many root entries as `len_bytes` covers.
    pub(super) fn alias(&mut self, original: u64, alias: u64, len_bytes: u64) -> Result<(), OutOfMemory> {
        for offset in (0..len_bytes).step_by(page_size(ROOT_LEVEL) as usize) {
            // Asking for an entry one level down makes the table that both are to share.
            self.entry(original + offset, HUGE_LEVEL)?;
            let from = self.entry(original + offset, ROOT_LEVEL)?;
            let to = self.entry(alias + offset, ROOT_LEVEL)?;
            // SAFETY: both point to entries of the root table, which only this code writes.
            unsafe { to.write_volatile(from.read_volatile()) };
        }
        Ok(())
    }

    /// Returns the frame address behind `address`, if it is mapped.
    pub(super) fn translate(&self, address: u64) -> Option<PhysAddr> {
        let mut table = self.root;
        for level in (0..=ROOT_LEVEL).rev() {
            // SAFETY: `table` is a table of this tree and the index is below 512.
            let entry = unsafe { entry_pointer(table, address, level).read_volatile() };
            if entry & PRESENT == 0 {
                return None;
            }
            if level == 0 || entry & LARGE != 0 {
                let offset_mask = page_size(level) - 1;
                return Some(PhysAddr::new(
                    entry & ADDRESS_MASK & !offset_mask | address & offset_mask,
                ));
            }
            table = PhysAddr::new(entry & ADDRESS_MASK);
        }
        None
    }

    /// Returns the entry for `address` at `level`, making the tables above it.
    fn entry(&mut self, address: u64, level: u32) -> Result<*mut u64, OutOfMemory> {
        let mut table = self.root;
        for above in (level + 1..=ROOT_LEVEL).rev() {
            let pointer = entry_pointer(table, address, above);
            // SAFETY: `table` is a table of this tree and the index is below 512; only this code writes it.
            let entry = unsafe { pointer.read_volatile() };
            table = if entry & PRESENT == 0 {
                let (child, _) = allocate_zeroed_frame().ok_or(OutOfMemory)?;
                // SAFETY: as above. The widest rights, for the last entry on the way narrows them.
                unsafe { pointer.write_volatile(child.as_u64() | PRESENT | WRITABLE) };
                child
            } else if entry & LARGE != 0 {
                self.split(pointer, entry, above, address)?
            } else {
                PhysAddr::new(entry & ADDRESS_MASK)
            };
        }
        Ok(entry_pointer(table, address, level))
    }

    /// Replaces a large page by a table of smaller ones that map the same.
    fn split(&mut self, pointer: *mut u64, entry: u64, level: u32, address: u64) -> Result<PhysAddr, OutOfMemory> {
        let (child, _) = allocate_frames(1).ok_or(OutOfMemory)?;
        let still_large = if level - 1 == 0 { 0 } else { LARGE };
        let rights = entry & !(ADDRESS_MASK | LARGE) | still_large;
        let first = entry & ADDRESS_MASK & !(page_size(level) - 1);
        for index in 0..512 {
            let frame = first + index * page_size(level - 1);
            // SAFETY: the frame was just taken and holds 512 entries.
            unsafe {
                child
                    .to_direct_map()
                    .cast::<u64>()
                    .add(index as usize)
                    .write_volatile(frame | rights)
            };
        }
        // SAFETY: the entry belongs to this tree; the table it now names maps the same memory with the same rights.
        unsafe { pointer.write_volatile(child.as_u64() | PRESENT | WRITABLE) };
        cpu::invalidate_page(address);
        Ok(child)
    }
}

fn entry_pointer(table: PhysAddr, address: u64, level: u32) -> *mut u64 {
    let index = address >> (12 + 9 * level) & 511;
    table.add(index * 8).to_direct_map().cast().as_ptr()
}

const fn page_size(level: u32) -> u64 {
    PAGE_SIZE << (9 * level)
}

/// Returns the level whose pages fit an address (of both kinds, joined) and what is left to map.
fn largest_level(addresses: u64, len_bytes: u64, largest: LargestPage) -> u32 {
    let fits = |size: u64| addresses.is_multiple_of(size) && len_bytes >= size;
    match largest {
        LargestPage::Huge if fits(HUGE_PAGE_SIZE) => HUGE_LEVEL,
        _ if fits(LARGE_PAGE_SIZE) => LARGE_LEVEL,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_page_that_fits_is_chosen() {
        assert_eq!(largest_level(0x20_0000, 0x20_0000, LargestPage::Huge), 1);
        assert_eq!(largest_level(0x20_1000, 0x20_0000, LargestPage::Huge), 0);
        assert_eq!(largest_level(0x4000_0000, 0x4000_0000, LargestPage::Huge), 2);
        assert_eq!(largest_level(0x4000_0000, 0x4000_0000, LargestPage::Large), 1);
        assert_eq!(largest_level(0x4000_0000, 0x1000, LargestPage::Huge), 0);
    }

    #[test]
    fn nothing_is_writable_and_executable() {
        for access in [Access::Read, Access::ReadWrite, Access::ReadExecute, Access::Device] {
            assert!(access.bits() & WRITABLE == 0 || access.bits() & NO_EXECUTE != 0);
        }
    }
}
