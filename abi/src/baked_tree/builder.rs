//! Builds a file tree in memory and encodes it.
//!
//! Nodes are numbered breadth-first with each directory's children sorted by name, so the order of additions leaves no trace.

use super::{
    HEADER_LEN_BYTES, KIND_DIRECTORY, KIND_FILE, KIND_SYMLINK, MAGIC, NODE_LEN_BYTES, PREOPEN_LEN_BYTES, hash_child,
};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

const CONTENT_ALIGN_BYTES: usize = 16;

/// Why a tree cannot hold an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The name is empty, `.`, `..`, or contains `/` or a zero byte.
    InvalidName(Vec<u8>),
    /// The directory has an entry of that name.
    DuplicateName(Vec<u8>),
    /// The guest path is used by another preopen.
    DuplicatePreopen(Vec<u8>),
    /// The tree has more than 2^31 nodes, or a guest path of 4 GiB.
    TooLarge,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::InvalidName(name) => write!(formatter, "invalid file name `{}`", name.escape_ascii()),
            EncodeError::DuplicateName(name) => write!(formatter, "two entries named `{}`", name.escape_ascii()),
            EncodeError::DuplicatePreopen(path) => {
                write!(
                    formatter,
                    "two directories for the guest path `{}`",
                    path.escape_ascii()
                )
            }
            EncodeError::TooLarge => formatter.write_str("the file tree has too many entries"),
        }
    }
}

impl core::error::Error for EncodeError {}

/// A directory of a [`Builder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId(usize);

#[derive(Debug)]
enum Entry {
    Directory(DirectoryId),
    File { contents: Vec<u8>, mtime_ns: u64 },
    Symlink { target: Vec<u8>, mtime_ns: u64 },
}

#[derive(Debug)]
struct Directory {
    mtime_ns: u64,
    entries: BTreeMap<Vec<u8>, Entry>,
}

/// A file tree under construction.
#[derive(Debug, Default)]
pub struct Builder {
    directories: Vec<Directory>,
    preopens: Vec<(Vec<u8>, DirectoryId)>,
}

impl Builder {
    /// Makes a tree without nodes.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Tells whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.preopens.is_empty()
    }

    /// Adds a directory that the program finds open under `guest_path`.
    ///
    /// # Errors
    /// [`EncodeError::DuplicatePreopen`] if that path is taken.
    pub fn add_preopen(&mut self, guest_path: &[u8], mtime_ns: u64) -> Result<DirectoryId, EncodeError> {
        if self.preopens.iter().any(|(path, _)| path == guest_path) {
            return Err(EncodeError::DuplicatePreopen(guest_path.to_vec()));
        }
        let directory = self.new_directory(mtime_ns);
        self.preopens.push((guest_path.to_vec(), directory));
        Ok(directory)
    }

    /// Adds an empty directory.
    ///
    /// # Errors
    /// If the name is not one or is taken.
    pub fn add_directory(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        mtime_ns: u64,
    ) -> Result<DirectoryId, EncodeError> {
        let directory = DirectoryId(self.directories.len());
        self.add(parent, name, Entry::Directory(directory))?;
        Ok(self.new_directory(mtime_ns))
    }

    /// Adds a regular file.
    ///
    /// # Errors
    /// If the name is not one or is taken.
    pub fn add_file(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        contents: Vec<u8>,
        mtime_ns: u64,
    ) -> Result<(), EncodeError> {
        self.add(parent, name, Entry::File { contents, mtime_ns })
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// If the name is not one or is taken.
    pub fn add_symlink(
        &mut self,
        parent: DirectoryId,
        name: &[u8],
        target: &[u8],
        mtime_ns: u64,
    ) -> Result<(), EncodeError> {
        let target = target.to_vec();
        self.add(parent, name, Entry::Symlink { target, mtime_ns })
    }

    /// Encodes the tree; the tree without nodes is no bytes.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] if the numbers do not fit.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let nodes = self.number_nodes();
        let node_count = u32::try_from(nodes.len()).map_err(|_| EncodeError::TooLarge)?;
        let slot_count = node_count
            .checked_mul(2)
            .and_then(u32::checked_next_power_of_two)
            .ok_or(EncodeError::TooLarge)?;
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        for word in [node_count, self.preopens.len() as u32, slot_count, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        debug_assert_eq!(out.len(), HEADER_LEN_BYTES);
        let records_len_bytes =
            self.preopens.len() * PREOPEN_LEN_BYTES + nodes.len() * NODE_LEN_BYTES + slot_count as usize * 4;
        let mut tail = Tail {
            start: out.len() + records_len_bytes,
            bytes: Vec::new(),
        };
        self.write_preopens(&mut out, &mut tail)?;
        for node in &nodes {
            node.write(&mut out, &mut tail);
        }
        write_slots(&mut out, &nodes, slot_count);
        debug_assert_eq!(out.len(), tail.start);
        out.extend_from_slice(&tail.bytes);
        Ok(out)
    }

    fn new_directory(&mut self, mtime_ns: u64) -> DirectoryId {
        self.directories.push(Directory {
            mtime_ns,
            entries: BTreeMap::new(),
        });
        DirectoryId(self.directories.len() - 1)
    }

    fn add(&mut self, parent: DirectoryId, name: &[u8], entry: Entry) -> Result<(), EncodeError> {
        if name.is_empty() || name == b"." || name == b".." || name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(EncodeError::InvalidName(name.to_vec()));
        }
        let entries = &mut self.directories[parent.0].entries;
        if entries.contains_key(name) {
            return Err(EncodeError::DuplicateName(name.to_vec()));
        }
        entries.insert(name.to_vec(), entry);
        Ok(())
    }

    fn write_preopens(&self, out: &mut Vec<u8>, tail: &mut Tail) -> Result<(), EncodeError> {
        for (node, (path, _)) in self.preopens.iter().enumerate() {
            let path_len_bytes = u32::try_from(path.len()).map_err(|_| EncodeError::TooLarge)?;
            out.extend_from_slice(&tail.push(path).to_le_bytes());
            out.extend_from_slice(&path_len_bytes.to_le_bytes());
            out.extend_from_slice(&(node as u32).to_le_bytes());
        }
        Ok(())
    }

    /// Numbers all nodes breadth-first: the preopens' directories first, then the children of node 0, of node 1, and so on.
    fn number_nodes(&self) -> Vec<NumberedNode<'_>> {
        let mut nodes: Vec<NumberedNode<'_>> = self
            .preopens
            .iter()
            .map(|&(_, directory)| self.directory_node(0, b"", directory))
            .collect();
        let mut next = 0;
        while next < nodes.len() {
            if let NumberedKind::Directory { id, .. } = nodes[next].kind {
                let first_child = nodes.len();
                for (name, entry) in &self.directories[id.0].entries {
                    nodes.push(self.entry_node(next as u32, name, entry));
                }
                nodes[next].kind = NumberedKind::Directory { id, first_child };
            }
            next += 1;
        }
        nodes
    }

    fn entry_node<'a>(&'a self, parent: u32, name: &'a [u8], entry: &'a Entry) -> NumberedNode<'a> {
        let (kind, mtime_ns) = match entry {
            Entry::Directory(id) => return self.directory_node(parent, name, *id),
            Entry::File { contents, mtime_ns } => (NumberedKind::File(contents), *mtime_ns),
            Entry::Symlink { target, mtime_ns } => (NumberedKind::Symlink(target), *mtime_ns),
        };
        NumberedNode {
            parent,
            name,
            kind,
            child_count: 0,
            mtime_ns,
        }
    }

    fn directory_node<'a>(&'a self, parent: u32, name: &'a [u8], id: DirectoryId) -> NumberedNode<'a> {
        NumberedNode {
            parent,
            name,
            kind: NumberedKind::Directory { id, first_child: 0 },
            child_count: self.directories[id.0].entries.len(),
            mtime_ns: self.directories[id.0].mtime_ns,
        }
    }
}

#[derive(Clone, Copy)]
enum NumberedKind<'a> {
    Directory { id: DirectoryId, first_child: usize },
    File(&'a [u8]),
    Symlink(&'a [u8]),
}

struct NumberedNode<'a> {
    parent: u32,
    name: &'a [u8],
    kind: NumberedKind<'a>,
    child_count: usize,
    mtime_ns: u64,
}

impl NumberedNode<'_> {
    fn write(&self, out: &mut Vec<u8>, tail: &mut Tail) {
        let (kind, start, len) = match self.kind {
            NumberedKind::Directory { first_child, .. } => (KIND_DIRECTORY, first_child as u64, self.child_count),
            NumberedKind::File(contents) => (KIND_FILE, tail.push_aligned(contents), contents.len()),
            NumberedKind::Symlink(target) => (KIND_SYMLINK, tail.push(target), target.len()),
        };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&self.parent.to_le_bytes());
        for word in [
            tail.push(self.name),
            self.name.len() as u64,
            start,
            len as u64,
            self.mtime_ns,
        ] {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }
}

/// The bytes behind the records, addressed by their offset in the whole encoding.
struct Tail {
    start: usize,
    bytes: Vec<u8>,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) -> u64 {
        let offset = self.start + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        offset as u64
    }

    fn push_aligned(&mut self, bytes: &[u8]) -> u64 {
        let end = (self.start + self.bytes.len()).next_multiple_of(CONTENT_ALIGN_BYTES);
        self.bytes.resize(end - self.start, 0);
        self.push(bytes)
    }
}

fn write_slots(out: &mut Vec<u8>, nodes: &[NumberedNode<'_>], slot_count: u32) {
    let mut slots = alloc::vec![0u32; slot_count as usize];
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| !node.name.is_empty()) {
        let mut slot = hash_child(node.parent, node.name) & (slot_count - 1);
        while slots[slot as usize] != 0 {
            slot = (slot + 1) & (slot_count - 1);
        }
        slots[slot as usize] = index as u32 + 1;
    }
    for slot in slots {
        out.extend_from_slice(&slot.to_le_bytes());
    }
}
