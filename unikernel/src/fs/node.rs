//! The seam between descriptors and storage: what a file system can do with its nodes.
//!
//! A node is a file, directory, symbolic link or device, named by a number that only its file system understands. Paths, open
//! modes and offsets are not known here. Read first: [`FileSystem`]. Limits: one thread; `now_ns` is the wall clock, passed in
//! where an operation stamps times, and ignored by file systems whose server keeps the time.

use super::Error;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The number of a node within its file system. It means that node for as long as the node has names or is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// A node and the file system it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Number of the file system (see [`Mounts`](super::Mounts)).
    pub mount: u32,
    /// The node.
    pub id: NodeId,
}

/// A device that is part of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Always at its end; swallows everything.
    Null,
    /// Endless zeros.
    Zero,
    /// Endless random bytes.
    Random,
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device.
    Device(Device),
}

/// Attributes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: NodeKind,
    /// Number of names.
    pub links: u64,
    /// Length in bytes; for a symbolic link, of its target.
    pub length_bytes: u64,
    /// Time of the last access in nanoseconds since 1970.
    pub accessed_ns: u64,
    /// Time of the last change of the contents in nanoseconds since 1970.
    pub modified_ns: u64,
    /// Time of the last change of the attributes in nanoseconds since 1970.
    pub changed_ns: u64,
}

/// A node that a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The node.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
}

/// What to create.
#[derive(Clone, Copy, Debug)]
pub enum NewNode<'a> {
    /// An empty file.
    File,
    /// An empty directory.
    Directory,
    /// A symbolic link with that target.
    Symlink(&'a [u8]),
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryEntry<'a> {
    /// Name.
    pub name: &'a [u8],
    /// The node.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Position after this entry. Positions are not reused: a listing that goes on from one shows every entry that was there all
    /// the time exactly once, whatever was added and removed meanwhile.
    pub next_position: u64,
}

/// What a descriptor may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Read it.
    pub read: bool,
    /// Write it.
    pub write: bool,
}

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteAt {
    /// At that offset.
    Offset(u64),
    /// At the end of the file.
    End,
}

/// A file system. Names are single components: not empty, neither `.` nor `..`, without `/`.
pub trait FileSystem {
    /// Returns the attributes of a node.
    fn metadata(&mut self, node: NodeId) -> Result<Metadata, Error>;

    /// Finds an entry of a directory.
    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<Found, Error>;

    /// Appends the target of a symbolic link to `target`.
    fn read_link(&mut self, link: NodeId, target: &mut Vec<u8>) -> Result<(), Error>;

    /// Notes that a descriptor refers to the node: it outlives its last name until [`close`](Self::close).
    fn open(&mut self, node: NodeId, access: Access) -> Result<(), Error>;

    /// Undoes one [`open`](Self::open) with the same access.
    fn close(&mut self, node: NodeId, access: Access);

    /// Says that of the nodes that are not open, none is meant any more: a file system that pays for each node it has shown (as a
    /// client of a server does) can forget them. Their numbers, when they are shown again, are the same.
    fn forget_unopened(&mut self) {}

    /// Reads from a file; returns the number of bytes, 0 at its end.
    fn read(&mut self, file: NodeId, offset: u64, buffer: &mut [u8]) -> Result<usize, Error>;

    /// Writes to a file; returns the number of bytes taken (fewer than asked only when the rest found no space) and the offset
    /// after them.
    fn write(&mut self, file: NodeId, at: WriteAt, bytes: &[u8], now_ns: u64) -> Result<(usize, u64), Error>;

    /// Cuts a file or extends it with zeros.
    fn set_length(&mut self, file: NodeId, length_bytes: u64, now_ns: u64) -> Result<(), Error>;

    /// Sets times, in nanoseconds since 1970; `None` leaves one as it is.
    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Error>;

    /// Creates a node. Fails if the name is taken.
    fn create(&mut self, directory: NodeId, name: &[u8], new: NewNode<'_>, now_ns: u64) -> Result<NodeId, Error>;

    /// Gives a node that is not a directory another name. Fails if the name is taken.
    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error>;

    /// Removes a name of a node that is not a directory.
    fn unlink(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error>;

    /// Removes an empty directory.
    fn remove_directory(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error>;

    /// Moves an entry, replacing what has the new name as POSIX's `rename` does.
    fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8]), now_ns: u64) -> Result<(), Error>;

    /// Shows the entries of a directory after `position` (0: from the start), without `.` and `..`, until `visit` breaks.
    fn read_directory(
        &mut self,
        directory: NodeId,
        position: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Ends the use of the file system: everything becomes durable.
    fn finish(&mut self) {}

    /// Makes a node's data (and its attributes, unless `data_only`) durable, as far as the file system can.
    fn sync(&mut self, node: NodeId, data_only: bool) -> Result<(), Error>;
}
