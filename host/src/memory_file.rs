//! The file behind a linear memory: in huge pages where Linux gives them, as the guest's kernel has them.
//!
//! A page fault of 4 KiB costs microseconds and an entry of the TLB; one of 2 MiB costs about the same for 512 times as much. Files of
//! `memfd_create` have small pages unless the administrator chose otherwise, but a file system in memory that is mounted for the
//! purpose says for itself which pages it wants. There is one for each process, attached to no folder, so that it goes away with
//! the process. Mounting is a privilege, as mapping address 0 is: without it, and on Linux before 5.2, the file is one of
//! `memfd_create`.
//!
//! Linux makes a page huge at a fault only if the mapping covers all of it, so the last one, of which the memory's length leaves
//! out some, is allocated beforehand.
//!
//! Read first: [`MemoryFile`]. Limits: pages that were small when they were touched stay small.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

/// Size of a huge page in bytes.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// The length from which the file ends with a huge page: before, most of that would be idle.
const FIRST_HUGE_BYTES: u64 = HUGE_PAGE_BYTES / 2;

// From Linux's `mount.h`.
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

/// A file without a name whose bytes are zero until they are written, and take no memory.
#[derive(Debug)]
pub struct MemoryFile {
    file: File,
    has_huge_pages: bool,
    len_bytes: u64,
}

impl MemoryFile {
    /// Makes a file of length 0.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<MemoryFile> {
        let (file, has_huge_pages) = match in_huge_pages() {
            Ok(file) => (file, true),
            Err(_) => (in_small_pages()?, false),
        };
        Ok(MemoryFile {
            file,
            has_huge_pages,
            len_bytes: 0,
        })
    }

    /// Tells whether pages are huge where the file is long enough.
    pub fn has_huge_pages(&self) -> bool {
        self.has_huge_pages
    }

    /// Makes the file long enough for `len_bytes`. It never becomes shorter.
    ///
    /// # Errors
    /// The kernel's.
    pub fn reach(&mut self, len_bytes: u64) -> io::Result<()> {
        if len_bytes <= self.len_bytes {
            return Ok(());
        }
        if self.has_huge_pages && len_bytes >= FIRST_HUGE_BYTES {
            self.len_bytes = len_bytes.next_multiple_of(HUGE_PAGE_BYTES);
            self.file.set_len(self.len_bytes)?;
            self.allocate_last()
        } else {
            self.len_bytes = len_bytes;
            self.file.set_len(len_bytes)
        }
    }

    /// Allocates the last huge page. It is zeroed when it is touched.
    fn allocate_last(&self) -> io::Result<()> {
        let start = self.len_bytes - HUGE_PAGE_BYTES;
        // SAFETY: no pointers are passed.
        let result = unsafe { libc::fallocate(self.file.as_raw_fd(), 0, start as i64, HUGE_PAGE_BYTES as i64) };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn in_small_pages() -> io::Result<File> {
    // SAFETY: the name is a C string.
    let descriptor = unsafe { libc::memfd_create(c"linear memory".as_ptr(), libc::MFD_CLOEXEC) };
    Ok(File::from(owned(descriptor.into())?))
}

fn in_huge_pages() -> io::Result<File> {
    static MOUNT: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let mount = MOUNT
        .get_or_init(|| mount().ok())
        .as_ref()
        .ok_or(io::ErrorKind::Unsupported)?;
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let descriptor = unsafe { libc::openat(mount.as_raw_fd(), c".".as_ptr(), flags, 0o600) };
    Ok(File::from(owned(descriptor.into())?))
}

/// Mounts a file system in memory, without a limit to its size.
fn mount() -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), FSOPEN_CLOEXEC) })?;
    configure(&context, FSCONFIG_SET_STRING, Some((c"huge", c"within_size")))?;
    configure(&context, FSCONFIG_SET_STRING, Some((c"size", c"0")))?;
    configure(&context, FSCONFIG_CMD_CREATE, None)?;
    // SAFETY: no pointers are passed.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, 0) })
}

fn configure(context: &OwnedFd, command: libc::c_uint, option: Option<(&CStr, &CStr)>) -> io::Result<()> {
    let (key, value) = option.map_or((std::ptr::null(), std::ptr::null()), |(key, value)| {
        (key.as_ptr(), value.as_ptr())
    });
    // SAFETY: key and value are C strings, or null where the command takes none.
    let result = unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes what a system call returned: a new descriptor, or an error.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(result as libc::c_int) })
}
