//! The types of WASI preview 1 that calls pass through linear memory, with the specification's names, numbers and layouts.

use super::errno::Errno;
use super::guest_memory::GuestValue;

/// A number that names an open descriptor.
pub type Fd = u32;

/// The kind of a file.
#[allow(missing_docs, reason = "the names are the specification's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Filetype {
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketDgram = 5,
    SocketStream = 6,
    SymbolicLink = 7,
}

/// Flags of an open descriptor: `fdflags`.
pub mod fdflags {
    /// Writes go to the end of the file.
    pub const APPEND: u32 = 1 << 0;
    /// Data is synchronised on each write.
    pub const DSYNC: u32 = 1 << 1;
    /// Calls do not wait.
    pub const NONBLOCK: u32 = 1 << 2;
    /// Reads are synchronised.
    pub const RSYNC: u32 = 1 << 3;
    /// Data and metadata are synchronised on each write.
    pub const SYNC: u32 = 1 << 4;
    /// All flags.
    pub const ALL: u32 = (1 << 5) - 1;
}

/// Flags of `path_open`: `oflags`.
pub mod oflags {
    /// Create the file if it does not exist.
    pub const CREAT: u32 = 1 << 0;
    /// Fail if it is not a directory.
    pub const DIRECTORY: u32 = 1 << 1;
    /// Fail if it exists.
    pub const EXCL: u32 = 1 << 2;
    /// Truncate it.
    pub const TRUNC: u32 = 1 << 3;
    /// All flags.
    pub const ALL: u32 = (1 << 4) - 1;
}

/// Flags that say which times to set: `fstflags`.
pub mod fstflags {
    /// Set the access time to the given value.
    pub const ATIM: u32 = 1 << 0;
    /// Set the access time to now.
    pub const ATIM_NOW: u32 = 1 << 1;
    /// Set the modification time to the given value.
    pub const MTIM: u32 = 1 << 2;
    /// Set the modification time to now.
    pub const MTIM_NOW: u32 = 1 << 3;
    /// All flags.
    pub const ALL: u32 = (1 << 4) - 1;
}

/// `lookupflags`: follow a symbolic link at the end of the path.
pub const LOOKUP_SYMLINK_FOLLOW: u32 = 1;

/// `subclockflags`: the timeout is a point in time.
pub const SUBSCRIPTION_CLOCK_ABSTIME: u16 = 1;

/// `eventrwflags`: the other side has closed.
pub const EVENT_FD_READWRITE_HANGUP: u16 = 1;

/// A buffer in linear memory: `iovec` and `ciovec`.
#[derive(Clone, Copy, Debug)]
pub struct Iovec {
    /// Address.
    pub buf: u32,
    /// Length in bytes.
    pub buf_len: u32,
}

impl GuestValue for Iovec {
    const SIZE: u32 = 8;
    const ALIGN: u32 = 4;

    fn decode(bytes: &[u8]) -> Self {
        Iovec {
            buf: u32::decode(&bytes[..4]),
            buf_len: u32::decode(&bytes[4..]),
        }
    }

    fn encode(&self, bytes: &mut [u8]) {
        self.buf.encode(&mut bytes[..4]);
        self.buf_len.encode(&mut bytes[4..]);
    }
}

/// Attributes of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fdstat {
    /// Kind of file.
    pub filetype: Filetype,
    /// Flags.
    pub flags: u32,
    /// What may be done with it.
    pub rights_base: u64,
    /// What may be done with descriptors opened through it.
    pub rights_inheriting: u64,
}

impl Fdstat {
    /// Encodes the attributes.
    pub fn to_bytes(self) -> Block<24> {
        let mut bytes = [0; 24];
        bytes[0] = self.filetype as u8;
        bytes[2..4].copy_from_slice(&(self.flags as u16).to_le_bytes());
        bytes[8..16].copy_from_slice(&self.rights_base.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.rights_inheriting.to_le_bytes());
        Block(bytes)
    }
}

/// Attributes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filestat {
    /// Number of the file system.
    pub dev: u64,
    /// Number of the file within it.
    pub ino: u64,
    /// Kind of file.
    pub filetype: Filetype,
    /// Number of names.
    pub nlink: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last access in nanoseconds since 1970.
    pub atim: u64,
    /// Time of the last change of its contents in nanoseconds since 1970.
    pub mtim: u64,
    /// Time of the last change of its attributes in nanoseconds since 1970.
    pub ctim: u64,
}

impl Filestat {
    /// Returns what is known about something that is not in a file system.
    pub const fn without_file(filetype: Filetype) -> Self {
        Filestat {
            dev: 0,
            ino: 0,
            filetype,
            nlink: 0,
            size: 0,
            atim: 0,
            mtim: 0,
            ctim: 0,
        }
    }

    /// Encodes the attributes.
    pub fn to_bytes(self) -> Block<64> {
        let mut bytes = [0; 64];
        for (index, word) in [
            self.dev,
            self.ino,
            self.filetype as u64,
            self.nlink,
            self.size,
            self.atim,
            self.mtim,
            self.ctim,
        ]
        .into_iter()
        .enumerate()
        {
            bytes[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        Block(bytes)
    }
}

/// An encoded structure of `N` bytes that is aligned to 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<const N: usize>(pub [u8; N]);

impl<const N: usize> GuestValue for Block<N> {
    const SIZE: u32 = N as u32;
    const ALIGN: u32 = 8;

    fn decode(bytes: &[u8]) -> Self {
        let mut block = [0; N];
        block.copy_from_slice(bytes);
        Block(block)
    }

    fn encode(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }
}

/// From where `fd_seek` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The start of the file.
    Set,
    /// The current offset.
    Cur,
    /// The end of the file.
    End,
}

impl Whence {
    /// Decodes preview 1's numbers.
    ///
    /// # Errors
    /// `Errno::Inval` for any other number.
    pub fn from_number(number: u32) -> Result<Whence, Errno> {
        match number {
            0 => Ok(Whence::Set),
            1 => Ok(Whence::Cur),
            2 => Ok(Whence::End),
            _ => Err(Errno::Inval),
        }
    }
}

/// Fails with `Errno::Inval` if `flags` has a bit that is not in `known`.
///
/// # Errors
/// See above.
pub fn check_flags(flags: u32, known: u32) -> Result<(), Errno> {
    if flags & !known == 0 { Ok(()) } else { Err(Errno::Inval) }
}
