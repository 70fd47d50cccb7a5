//! The open descriptors: what each number stands for.
//!
//! A number that was closed is given out again, the lowest first. Read first: [`Descriptor`].

use super::errno::Errno;
use super::types::{Fd, fdflags};
use crate::fs::{Access, Device, Node};
use crate::headroom;
use crate::net::SocketId;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most descriptors that can be open at once.
const MAX_DESCRIPTORS: usize = 1 << 20;

/// What a descriptor stands for.
#[derive(Debug)]
pub enum DescriptorKind {
    /// A device: a standard stream, or a file of `/dev`.
    Device(Device),
    /// A regular file.
    File {
        /// The file.
        node: Node,
        /// Where the next read or write goes.
        offset: u64,
    },
    /// A directory.
    Directory {
        /// The directory.
        node: Node,
        /// The path under which the program finds it, if it was open from the start.
        preopen: Option<Box<[u8]>>,
    },
    /// A socket.
    Socket(SocketState),
}

/// A socket, which the network comes into being for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// It will listen as soon as the program uses it, at the address that the `listen=` word of this index names.
    ToListen(usize),
    /// It is open.
    Open {
        /// Its number in the network.
        socket: SocketId,
        /// It carries a stream, not datagrams.
        is_stream: bool,
    },
}

/// An open descriptor.
#[derive(Debug)]
pub struct Descriptor {
    /// What it stands for.
    pub kind: DescriptorKind,
    /// It can be read.
    pub can_read: bool,
    /// It can be written.
    pub can_write: bool,
    /// A set of [`fdflags`].
    pub flags: u32,
}

impl Descriptor {
    /// Makes a descriptor for a standard stream.
    pub const fn stream(device: Device) -> Self {
        Descriptor {
            kind: DescriptorKind::Device(device),
            can_read: matches!(device, Device::Stdin),
            can_write: !matches!(device, Device::Stdin),
            flags: 0,
        }
    }

    /// Tells whether writes go to the end of the file.
    pub const fn appends(&self) -> bool {
        self.flags & fdflags::APPEND != 0
    }

    /// Tells whether calls must not wait.
    pub const fn is_nonblocking(&self) -> bool {
        self.flags & fdflags::NONBLOCK != 0
    }

    /// Returns what it may do.
    pub const fn access(&self) -> Access {
        Access {
            read: self.can_read,
            write: self.can_write,
        }
    }

    /// Returns the node of a file or directory.
    pub const fn node(&self) -> Option<Node> {
        match self.kind {
            DescriptorKind::File { node, .. } | DescriptorKind::Directory { node, .. } => Some(node),
            DescriptorKind::Device(_) | DescriptorKind::Socket(_) => None,
        }
    }
}

/// The table of descriptors.
#[derive(Debug, Default)]
pub struct DescriptorTable {
    slots: Vec<Option<Descriptor>>,
    /// No slot below this one is free.
    first_free: usize,
}

impl DescriptorTable {
    /// Makes an empty table.
    pub const fn new() -> Self {
        DescriptorTable {
            slots: Vec::new(),
            first_free: 0,
        }
    }

    /// Adds a descriptor under the lowest free number.
    ///
    /// # Errors
    /// `Errno::Mfile` if too many are open, `Errno::Nomem`.
    pub fn insert(&mut self, descriptor: Descriptor) -> Result<Fd, Errno> {
        self.reserve()?;
        while self.slots.get(self.first_free).is_some_and(Option::is_some) {
            self.first_free += 1;
        }
        let fd = self.first_free;
        match self.slots.get_mut(fd) {
            Some(slot) => *slot = Some(descriptor),
            None => self.slots.push(Some(descriptor)),
        }
        self.first_free += 1;
        Ok(fd as Fd)
    }

    /// Makes sure that the next [`insert`](Self::insert) succeeds.
    ///
    /// # Errors
    /// As `insert`.
    pub fn reserve(&mut self) -> Result<(), Errno> {
        if self.first_free >= MAX_DESCRIPTORS {
            return Err(Errno::Mfile);
        }
        headroom::reserve_item(&mut self.slots)
            .then_some(())
            .ok_or(Errno::Nomem)
    }

    /// Returns a descriptor.
    ///
    /// # Errors
    /// `Errno::Badf` if the number is not open.
    pub fn get(&self, fd: Fd) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    /// Returns a descriptor for changing it.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_mut(&mut self, fd: Fd) -> Result<&mut Descriptor, Errno> {
        self.slots
            .get_mut(fd as usize)
            .and_then(Option::as_mut)
            .ok_or(Errno::Badf)
    }

    /// Iterates over the open descriptors.
    pub fn iter(&self) -> impl Iterator<Item = &Descriptor> {
        self.slots.iter().flatten()
    }

    /// Returns the node of an open directory.
    ///
    /// # Errors
    /// `Errno::Badf` if the number is not open or not a directory.
    pub fn directory(&self, fd: Fd) -> Result<Node, Errno> {
        match self.get(fd)?.kind {
            DescriptorKind::Directory { node, .. } => Ok(node),
            DescriptorKind::File { .. } | DescriptorKind::Device(_) | DescriptorKind::Socket(_) => Err(Errno::Badf),
        }
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove(&mut self, fd: Fd) -> Result<Descriptor, Errno> {
        let slot = self.slots.get_mut(fd as usize).ok_or(Errno::Badf)?;
        let descriptor = slot.take().ok_or(Errno::Badf)?;
        self.first_free = self.first_free.min(fd as usize);
        Ok(descriptor)
    }

    /// Moves a descriptor to the number of another open one and returns that other one.
    ///
    /// # Errors
    /// `Errno::Badf` if either number is not open.
    pub fn renumber(&mut self, from: Fd, to: Fd) -> Result<Option<Descriptor>, Errno> {
        self.get(from)?;
        self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.remove(from)?;
        Ok(self.slots[to as usize].replace(moved))
    }
}
