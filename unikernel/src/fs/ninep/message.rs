//! The bytes of 9P2000.L: little-endian numbers, counted strings, a header of length, type and tag.
//!
//! What is written always stays within a buffer, and what is read within the reply; a reply that ends too early is the server's
//! fault and [`Error::Io`]. Read first: [`Encoder`], [`Decoder`]. Reference: the protocol's description in diod, `protocol.md`.

use crate::fs::Error;

/// Length of the header of every message in bytes.
pub const HEADER_LEN_BYTES: usize = 7;

/// The types of requests; a reply has the next number.
#[allow(missing_docs, reason = "the names are the protocol's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Request {
    Lopen = 12,
    Lcreate = 14,
    Symlink = 16,
    Readlink = 22,
    Getattr = 24,
    Setattr = 26,
    Readdir = 40,
    Fsync = 50,
    Link = 70,
    Mkdir = 72,
    Renameat = 74,
    Unlinkat = 76,
    Version = 100,
    Attach = 104,
    Walk = 110,
    Read = 116,
    Write = 118,
    Clunk = 120,
}

/// The type of a reply that carries an error number of Linux.
pub const ERROR_REPLY: u8 = 7;

/// A request being written.
pub struct Encoder<'a> {
    buffer: &'a mut [u8],
    len_bytes: usize,
    has_overflowed: bool,
}

impl<'a> Encoder<'a> {
    /// Begins a request of that type and tag.
    pub fn new(buffer: &'a mut [u8], request: Request, tag: u16) -> Self {
        let mut encoder = Encoder {
            buffer,
            len_bytes: 0,
            has_overflowed: false,
        };
        encoder.u32(0).bytes(&[request as u8]).u16(tag);
        encoder
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len_bytes + bytes.len();
        match self.buffer.get_mut(self.len_bytes..end) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len_bytes = end;
            }
            None => self.has_overflowed = true,
        }
        self
    }

    /// Appends a number.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a number.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends a string with its length.
    pub fn string(&mut self, text: &[u8]) -> &mut Self {
        match u16::try_from(text.len()) {
            Ok(len_bytes) => self.u16(len_bytes).bytes(text),
            Err(_) => {
                self.has_overflowed = true;
                self
            }
        }
    }

    /// Completes the request and returns its length in bytes.
    ///
    /// # Errors
    /// [`Error::NameTooLong`] if it did not fit: only names can be that long.
    pub fn finish(self) -> Result<usize, Error> {
        match self.buffer.get_mut(..4) {
            Some(size) if !self.has_overflowed => {
                size.copy_from_slice(&(self.len_bytes as u32).to_le_bytes());
                Ok(self.len_bytes)
            }
            _ => Err(Error::NameTooLong),
        }
    }
}

/// What the server tells of a file's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qid {
    /// A set of the `QT_` bits.
    pub kind: u8,
    /// The number of the file, as long as it exists.
    pub path: u64,
}

impl Qid {
    /// It is a directory.
    pub const QT_DIRECTORY: u8 = 0x80;
    /// It is a symbolic link.
    pub const QT_SYMLINK: u8 = 0x02;
}

/// A reply being read.
#[derive(Clone, Copy, Debug)]
pub struct Decoder<'a>(pub &'a [u8]);

impl<'a> Decoder<'a> {
    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`Error::Io`] at the reply's end, as for all of these.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(Error::Io)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Error::Io)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_le_bytes)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// Takes a number.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// Takes a string.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn string(&mut self) -> Result<&'a [u8], Error> {
        let len_bytes = self.u16()?;
        self.bytes(usize::from(len_bytes))
    }

    /// Takes a file's identity.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    pub fn qid(&mut self) -> Result<Qid, Error> {
        let kind = self.u8()?;
        let _version = self.u32()?;
        let path = self.u64()?;
        Ok(Qid { kind, path })
    }
}

/// Returns what an error number of Linux means.
pub fn error_of_linux(number: u32) -> Error {
    match number {
        1 => Error::NotPermitted,
        2 => Error::NotFound,
        12 => Error::NoMemory,
        13 => Error::AccessDenied,
        16 | 26 => Error::Busy,
        17 => Error::Exists,
        18 => Error::CrossDevice,
        20 => Error::NotDirectory,
        21 => Error::IsDirectory,
        22 => Error::Invalid,
        27 => Error::FileTooBig,
        28 | 122 => Error::NoSpace,
        30 => Error::ReadOnly,
        31 => Error::TooManyLinks,
        36 => Error::NameTooLong,
        38 | 95 => Error::Unsupported,
        39 => Error::NotEmpty,
        40 => Error::SymlinkLoop,
        _ => Error::Io,
    }
}
