//! Linear memories of this process: each has a window of addresses, as in the guest, and a second view for the host.
//!
//! The bytes are a [`MemoryFile`] mapped twice. The window is what compiled code uses: memory 0 is at address 0
//! where the process may map that, which makes the generated code the very same as the guest's. The alias is what Rust code
//! uses, so that guest address 0 is never a null pointer. Growth opens more of the window; what is closed faults, byte-exact at
//! page ends.
//!
//! Read first: [`LinearMemory`]. Limits: a 64-bit memory ends at its window's 16 GiB.

use crate::memory_file::MemoryFile;
use crate::reservation::{PAGE_BYTES, Protection, Reservation};
use abi::instance::MemoryInstance;
use abi::memory_map::{WASM_PAGE_SIZE, WINDOW_REACH, WINDOW_STRIDE};
use std::io;
use std::os::fd::AsFd;
use unikernel::trap_report::MemoryFault;

/// Windows are looked for below this address: a position-independent executable and its libraries lie above.
const WINDOWS_END: u64 = 0x5000_0000_0000;

/// A first length of at most so many bytes gets its pages at once, as in the guest.
const EAGER_BYTES: u64 = 16 << 20;

/// So does later growth by at most so many bytes, if the pages are parts of huge ones, which are there already.
const EAGER_GROWTH_BYTES: u64 = 1 << 20;

/// The addresses of one linear memory, reserved before the module is compiled, for compiled code has the address in it.
#[derive(Debug)]
pub struct Window {
    reservation: Reservation,
}

impl Window {
    /// Reserves the lowest free window.
    ///
    /// # Errors
    /// The kernel's last, where no window is free.
    pub fn reserve(is_64: bool) -> io::Result<Window> {
        let len_bytes = if is_64 { WINDOW_STRIDE } else { WINDOW_REACH };
        let mut last_error = io::ErrorKind::OutOfMemory.into();
        for base in (0..WINDOWS_END).step_by(WINDOW_STRIDE as usize) {
            match Reservation::at(base, len_bytes) {
                Ok(reservation) => return Ok(Window { reservation }),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    /// Returns the address of byte 0.
    pub fn base(&self) -> u64 {
        self.reservation.start()
    }
}

/// A linear memory. Its length never falls.
#[derive(Debug)]
pub struct LinearMemory {
    window: Window,
    alias: Reservation,
    /// What both show.
    file: MemoryFile,
    /// Bytes that the window shows: the memory's length, rounded up to a page. The alias shows all of the file.
    mapped_bytes: u64,
    /// Address of the instance that compiled code reads; it lies in the data of the module that defines the memory.
    instance: u64,
}

impl LinearMemory {
    /// Makes a memory of length 0 for the instance at that address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(mut window: Window, instance: u64) -> io::Result<LinearMemory> {
        let file = MemoryFile::new()?;
        let len_bytes = window.reservation.len_bytes();
        let mut alias = Reservation::anywhere(len_bytes)?;
        alias.map_shared(file.as_fd(), Protection::ReadWrite)?;
        window.reservation.map_shared(file.as_fd(), Protection::None)?;
        Ok(LinearMemory {
            window,
            alias,
            file,
            mapped_bytes: 0,
            instance,
        })
    }

    /// Returns the address of the instance that this is the memory of.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Returns the address at which Rust code finds byte 0.
    pub fn alias(&self) -> *mut u8 {
        self.alias.start() as *mut u8
    }

    /// Returns what an access to an address in the window means, for a message.
    pub fn fault(&self, address: u64) -> Option<MemoryFault> {
        let offset = address.checked_sub(self.window.base())?;
        let is_within = offset < self.window.reservation.len_bytes();
        // The length as mapped is the memory's wherever the MMU checks bounds.
        is_within.then_some(MemoryFault {
            offset,
            length_bytes: self.mapped_bytes,
        })
    }

    /// Grows by `delta_pages` and returns the old length in pages; `None` if the maximum or the window does not allow it.
    ///
    /// # Safety
    /// The instance must be mapped, and nothing else may refer to it during the call.
    pub unsafe fn grow(&mut self, delta_pages: u64) -> Option<u64> {
        // SAFETY: the caller's duty.
        let instance = unsafe { &mut *(self.instance as *mut MemoryInstance) };
        let old_pages = instance.length_bytes >> instance.page_size_log2;
        let new_pages = old_pages.checked_add(delta_pages)?;
        let limit_bytes = if instance.is_64 == 0 {
            1 << 32
        } else {
            self.window.reservation.len_bytes() - WASM_PAGE_SIZE
        };
        if new_pages > instance.maximum_pages || new_pages > limit_bytes >> instance.page_size_log2 {
            return None;
        }
        let new_bytes = new_pages << instance.page_size_log2;
        self.map_up_to(new_bytes.next_multiple_of(PAGE_BYTES)).ok()?;
        instance.length_bytes = new_bytes;
        Some(old_pages)
    }

    fn map_up_to(&mut self, end: u64) -> io::Result<()> {
        let delta_bytes = end - self.mapped_bytes;
        if delta_bytes == 0 {
            return Ok(());
        }
        self.file.reach(end)?;
        let window = &mut self.window.reservation;
        window.protect(self.mapped_bytes, delta_bytes, Protection::ReadWrite)?;
        let eager_bytes = match (self.mapped_bytes, self.file.has_huge_pages()) {
            (0, _) => EAGER_BYTES,
            (_, true) => EAGER_GROWTH_BYTES,
            (_, false) => 0,
        };
        if delta_bytes <= eager_bytes {
            window.populate(self.mapped_bytes, delta_bytes)?;
        }
        self.mapped_bytes = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(window: &Window, maximum_pages: u64) -> MemoryInstance {
        MemoryInstance {
            base: window.base(),
            length_bytes: 0,
            minimum_pages: 0,
            maximum_pages,
            page_size_log2: 16,
            is_64: 0,
            reach_bytes: WINDOW_REACH,
        }
    }

    #[test]
    fn both_views_show_the_same_bytes_after_growth() {
        let window = Window::reserve(false).unwrap();
        let mut described = instance(&window, 3);
        let base = window.base();
        let mut memory = LinearMemory::new(window, &raw mut described as u64).unwrap();
        // SAFETY: `described` is only used through `memory` meanwhile; the last byte of two pages is mapped after the growth.
        let (old_pages, seen) = unsafe {
            let old_pages = (memory.grow(1), memory.grow(1));
            memory.alias().add(131_071).write(7);
            (old_pages, ((base + 131_071) as *const u8).read())
        };
        assert_eq!((old_pages, seen), ((Some(0), Some(1)), 7));
    }

    #[test]
    fn growth_past_the_maximum_changes_nothing() {
        let window = Window::reserve(false).unwrap();
        let mut described = instance(&window, 1);
        let mut memory = LinearMemory::new(window, &raw mut described as u64).unwrap();
        // SAFETY: as above.
        let grown = unsafe { (memory.grow(2), memory.grow(u64::MAX), memory.grow(1), memory.grow(1)) };
        assert_eq!(grown, (None, None, Some(0), None));
        assert_eq!(described.length_bytes, 65536);
    }
}
