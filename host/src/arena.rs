//! Where modules are loaded: 2 GiB of addresses, so that calls and references between them reach with 32 bits.
//!
//! The process's own functions are further away than that. Compiled code reaches them through thunks (`jmp [rip + 2]` and the
//! address), which have pages of their own next to the modules. Writable pages are never executable, nor the reverse.
//!
//! Read first: [`Arena`], [`LoadedImage`].

use crate::reservation::{PAGE_BYTES, Protection, Reservation};
use linker::{MemoryImage, Permissions};
use std::collections::HashMap;
use std::io;

/// Bytes of addresses that modules may take: what a 32-bit displacement reaches, less a page.
const ARENA_BYTES: u64 = (1 << 31) - PAGE_BYTES;

/// `jmp qword ptr [rip + 2]`, and two bytes that nothing executes.
const THUNK_CODE: [u8; 8] = [0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc];

const THUNK_BYTES: u64 = 16;

/// The range that modules are loaded into.
#[derive(Debug)]
pub struct Arena {
    reservation: Reservation,
    /// Offset of the first byte that is free.
    next: u64,
    /// Thunk of each function of the process.
    thunks: HashMap<u64, u64>,
}

/// The place of one module, to give back.
#[derive(Debug)]
pub struct LoadedImage {
    start: u64,
    len_bytes: u64,
}

impl Arena {
    /// Reserves an arena.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<Arena> {
        Ok(Arena {
            reservation: Reservation::anywhere(ARENA_BYTES)?,
            next: 0,
            thunks: HashMap::new(),
        })
    }

    /// Returns the address that the next image must be linked at.
    pub fn next_address(&self) -> u64 {
        self.reservation.start() + self.next
    }

    /// Makes thunks for functions of the process that have none yet.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add_thunks(&mut self, functions: impl IntoIterator<Item = u64>) -> io::Result<()> {
        let mut functions: Vec<u64> = functions
            .into_iter()
            .filter(|function| !self.thunks.contains_key(function))
            .collect();
        functions.sort_unstable();
        functions.dedup();
        if functions.is_empty() {
            return Ok(());
        }
        let bytes: Vec<u8> = functions
            .iter()
            .flat_map(|function| THUNK_CODE.into_iter().chain(function.to_le_bytes()))
            .collect();
        let start = self.next_address();
        self.map(start, &bytes, bytes.len() as u64, Protection::ReadExecute)?;
        self.thunks
            .extend(functions.into_iter().zip((start..).step_by(THUNK_BYTES as usize)));
        Ok(())
    }

    /// Returns the address of a function's thunk.
    pub fn thunk(&self, function: u64) -> Option<u64> {
        self.thunks.get(&function).copied()
    }

    /// Maps an image that was linked at [`next_address`](Self::next_address).
    ///
    /// # Errors
    /// The kernel's, and one where the arena is full.
    pub fn load(&mut self, image: &MemoryImage) -> io::Result<LoadedImage> {
        let start = self.next_address();
        for segment in &image.segments {
            let protection = match segment.permissions {
                Permissions::ReadOnly => Protection::Read,
                Permissions::ReadExecute => Protection::ReadExecute,
                Permissions::ReadWrite => Protection::ReadWrite,
            };
            self.map(segment.address, &segment.bytes, segment.size_bytes, protection)?;
        }
        Ok(LoadedImage {
            start,
            len_bytes: self.next_address() - start,
        })
    }

    /// Unmaps an image.
    ///
    /// # Safety
    /// Nothing may refer to the image's code or data any more.
    ///
    /// # Errors
    /// The kernel's.
    pub unsafe fn unload(&mut self, image: LoadedImage) -> io::Result<()> {
        self.reservation.map_private(
            image.start - self.reservation.start(),
            image.len_bytes,
            Protection::None,
        )
    }

    /// Maps `bytes` and zeros up to `len_bytes` at `address`, which lies behind everything mapped so far.
    fn map(&mut self, address: u64, bytes: &[u8], len_bytes: u64, protection: Protection) -> io::Result<()> {
        let offset = address - self.reservation.start();
        let len_bytes = len_bytes.next_multiple_of(PAGE_BYTES);
        if offset < self.next || bytes.len() as u64 > len_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if len_bytes == 0 {
            return Ok(());
        }
        self.reservation.map_private(offset, len_bytes, Protection::ReadWrite)?;
        // SAFETY: `len_bytes` bytes from there on have just been mapped for writing, and nobody else knows of them.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        self.reservation.protect(offset, len_bytes, protection)?;
        self.next = offset + len_bytes;
        Ok(())
    }
}
