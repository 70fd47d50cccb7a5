//! Why an operation on a file failed.

/// Why an operation on a file failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No entry of that name.
    NotFound,
    /// The name is taken.
    Exists,
    /// It must be a directory and is not.
    NotDirectory,
    /// It is a directory and must not be.
    IsDirectory,
    /// The directory has entries.
    NotEmpty,
    /// Too many symbolic links in a row.
    SymlinkLoop,
    /// A name or path is too long.
    NameTooLong,
    /// The file system is full.
    NoSpace,
    /// The kernel has no memory for the operation itself.
    NoMemory,
    /// The path leaves its directory, or the file does not allow the operation.
    NotPermitted,
    /// The file was not opened for this.
    AccessDenied,
    /// The file system cannot be written.
    ReadOnly,
    /// The two places are in different file systems.
    CrossDevice,
    /// The request makes no sense.
    Invalid,
    /// The file would become longer than possible.
    FileTooBig,
    /// The file has too many names.
    TooManyLinks,
    /// The entry is in use.
    Busy,
    /// The file system does not do this.
    Unsupported,
    /// The device failed.
    Io,
}
