//! Rights of descriptors, for the programs that still look at them.
//!
//! Rights were preview 1's capability bits. Current runtimes no longer let a program narrow them: what a descriptor may do follows
//! from how it was opened, and the bits are computed when a program asks. We do the same as Wasmtime.

/// Synchronise data.
pub const FD_DATASYNC: u64 = 1 << 0;
/// Read.
pub const FD_READ: u64 = 1 << 1;
/// Seek.
pub const FD_SEEK: u64 = 1 << 2;
/// Change flags.
pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
/// Synchronise data and metadata.
pub const FD_SYNC: u64 = 1 << 4;
/// Tell the offset.
pub const FD_TELL: u64 = 1 << 5;
/// Write.
pub const FD_WRITE: u64 = 1 << 6;
/// Advise on access.
pub const FD_ADVISE: u64 = 1 << 7;
/// Reserve space.
pub const FD_ALLOCATE: u64 = 1 << 8;
/// Create directories.
pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
/// Create files.
pub const PATH_CREATE_FILE: u64 = 1 << 10;
/// Make links to files in it.
pub const PATH_LINK_SOURCE: u64 = 1 << 11;
/// Make links in it.
pub const PATH_LINK_TARGET: u64 = 1 << 12;
/// Open files.
pub const PATH_OPEN: u64 = 1 << 13;
/// List entries.
pub const FD_READDIR: u64 = 1 << 14;
/// Read symbolic links.
pub const PATH_READLINK: u64 = 1 << 15;
/// Rename files in it.
pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
/// Rename files to it.
pub const PATH_RENAME_TARGET: u64 = 1 << 17;
/// Get attributes by path.
pub const PATH_FILESTAT_GET: u64 = 1 << 18;
/// Set the size by path.
pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
/// Set times by path.
pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
/// Get attributes.
pub const FD_FILESTAT_GET: u64 = 1 << 21;
/// Set the size.
pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
/// Set times.
pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
/// Make symbolic links.
pub const PATH_SYMLINK: u64 = 1 << 24;
/// Remove directories.
pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
/// Remove files.
pub const PATH_UNLINK_FILE: u64 = 1 << 26;
/// Poll.
pub const POLL_FD_READWRITE: u64 = 1 << 27;
/// Shut a socket down.
pub const SOCK_SHUTDOWN: u64 = 1 << 28;
/// Accept connections.
pub const SOCK_ACCEPT: u64 = 1 << 29;

/// All rights.
pub const ALL: u64 = (1 << 30) - 1;

/// What a socket allows.
pub const SOCKET: u64 =
    FD_READ | FD_WRITE | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE | SOCK_SHUTDOWN | SOCK_ACCEPT;

/// What a preopened directory allows.
pub const PREOPEN_BASE: u64 = PATH_CREATE_DIRECTORY
    | PATH_CREATE_FILE
    | PATH_LINK_SOURCE
    | PATH_LINK_TARGET
    | PATH_OPEN
    | FD_READDIR
    | PATH_READLINK
    | PATH_RENAME_SOURCE
    | PATH_RENAME_TARGET
    | PATH_SYMLINK
    | PATH_REMOVE_DIRECTORY
    | PATH_UNLINK_FILE
    | PATH_FILESTAT_GET
    | PATH_FILESTAT_SET_TIMES
    | FD_FILESTAT_GET
    | FD_FILESTAT_SET_TIMES;

/// What descriptors opened through a preopened directory may allow.
pub const PREOPEN_INHERITING: u64 = PREOPEN_BASE
    | FD_DATASYNC
    | FD_READ
    | FD_SEEK
    | FD_FDSTAT_SET_FLAGS
    | FD_SYNC
    | FD_TELL
    | FD_WRITE
    | FD_ADVISE
    | FD_ALLOCATE
    | FD_FILESTAT_SET_SIZE
    | POLL_FD_READWRITE;

/// What no directory allows.
pub const NOT_OF_DIRECTORIES: u64 = FD_SEEK | FD_FILESTAT_SET_SIZE | PATH_FILESTAT_SET_SIZE;
