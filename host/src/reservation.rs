//! Ranges of this process's address space: reserved without memory behind them, then filled piece by piece.
//!
//! Every mapping of this crate lies in a [`Reservation`], so that nothing is ever mapped over what another part of the process
//! uses: a reservation is made with `MAP_FIXED_NOREPLACE` or at an address of the kernel's choice, and given back as a whole.
//!
//! Read first: [`Reservation`]. Limits: Linux 4.17 or later.

use std::io;
use std::os::fd::BorrowedFd;

/// Size of a page in bytes.
pub const PAGE_BYTES: u64 = abi::memory_map::PAGE_SIZE;

/// What a piece of a reservation may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing: an access faults.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

impl Protection {
    fn flags(self) -> libc::c_int {
        match self {
            Protection::None => libc::PROT_NONE,
            Protection::Read => libc::PROT_READ,
            Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Protection::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        }
    }
}

/// A range of addresses that belongs to its holder and is unmapped when dropped. It may start at address 0.
#[derive(Debug)]
pub struct Reservation {
    start: u64,
    len_bytes: u64,
}

impl Reservation {
    /// Reserves addresses of the kernel's choice.
    ///
    /// # Errors
    /// The kernel's, where there is no such range.
    pub fn anywhere(len_bytes: u64) -> io::Result<Reservation> {
        Self::map(0, len_bytes, 0)
    }

    /// Reserves exactly the addresses from `start` on. Fails where any of them is in use, and at address 0 without the privilege
    /// for it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn at(start: u64, len_bytes: u64) -> io::Result<Reservation> {
        let reservation = Self::map(start, len_bytes, libc::MAP_FIXED_NOREPLACE)?;
        if reservation.start == start {
            Ok(reservation)
        } else {
            Err(io::ErrorKind::AddrInUse.into())
        }
    }

    fn map(start: u64, len_bytes: u64, flags: libc::c_int) -> io::Result<Reservation> {
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: without MAP_FIXED, no existing mapping is changed.
        let address = unsafe { libc::mmap(start as *mut _, len_bytes as usize, libc::PROT_NONE, flags, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Reservation {
            start: address as u64,
            len_bytes,
        })
    }

    /// Returns the first address.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns the number of bytes reserved.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Puts private memory, zeroed, behind a piece.
    ///
    /// # Errors
    /// The kernel's.
    pub fn map_private(&mut self, offset: u64, len_bytes: u64, protection: Protection) -> io::Result<()> {
        self.map_piece(
            offset,
            len_bytes,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
        )
    }

    /// Puts a file behind the whole reservation, shared with all other mappings of it. Beyond the file's end nothing may be touched.
    ///
    /// # Errors
    /// The kernel's.
    pub fn map_shared(&mut self, file: BorrowedFd<'_>, protection: Protection) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        self.map_piece(0, self.len_bytes, protection, libc::MAP_SHARED, file.as_raw_fd())
    }

    fn map_piece(
        &mut self,
        offset: u64,
        len_bytes: u64,
        protection: Protection,
        flags: libc::c_int,
        file: libc::c_int,
    ) -> io::Result<()> {
        let address = self.check_piece(offset, len_bytes)?;
        if len_bytes == 0 {
            return Ok(());
        }
        // SAFETY: the piece lies in this reservation, so MAP_FIXED replaces nothing of anyone else's.
        let mapped = unsafe {
            let address = address as *mut libc::c_void;
            let flags = flags | libc::MAP_FIXED;
            libc::mmap(address, len_bytes as usize, protection.flags(), flags, file, 0)
        };
        if mapped == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    /// Changes what a mapped piece may be used for.
    ///
    /// # Errors
    /// The kernel's.
    pub fn protect(&mut self, offset: u64, len_bytes: u64, protection: Protection) -> io::Result<()> {
        let address = self.check_piece(offset, len_bytes)?;
        // SAFETY: the piece lies in this reservation. Whoever borrowed its bytes did so through `self`.
        let result = unsafe { libc::mprotect(address as *mut libc::c_void, len_bytes as usize, protection.flags()) };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Gives a mapped, readable piece its pages at once, rather than when they are touched. (Read pages of a shared, writable piece
    /// can be written without another fault, and Linux maps several at once.)
    ///
    /// # Errors
    /// The kernel's.
    pub fn populate(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        let address = self.check_piece(offset, len_bytes)?;
        // SAFETY: the piece lies in this reservation; its bytes stay what they are.
        let result = unsafe { libc::madvise(address as *mut _, len_bytes as usize, libc::MADV_POPULATE_READ) };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn check_piece(&self, offset: u64, len_bytes: u64) -> io::Result<u64> {
        let end = offset.checked_add(len_bytes);
        if offset.is_multiple_of(PAGE_BYTES) && end.is_some_and(|end| end <= self.len_bytes) {
            Ok(self.start + offset)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is this value's own; whoever handed out addresses in it answers for their lifetime.
        unsafe { libc::munmap(self.start as *mut libc::c_void, self.len_bytes as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_use_is_not_reserved_twice() {
        let first = Reservation::anywhere(2 * PAGE_BYTES).unwrap();
        assert!(Reservation::at(first.start() + PAGE_BYTES, PAGE_BYTES).is_err());
    }

    #[test]
    fn pieces_outside_the_reservation_are_refused() {
        let mut reservation = Reservation::anywhere(PAGE_BYTES).unwrap();
        assert!(
            reservation
                .map_private(0, 2 * PAGE_BYTES, Protection::ReadWrite)
                .is_err()
        );
        assert!(reservation.map_private(1, 1, Protection::ReadWrite).is_err());
        assert!(
            reservation
                .map_private(u64::MAX - PAGE_BYTES + 1, PAGE_BYTES, Protection::Read)
                .is_err()
        );
    }
}
