//! The read-only file tree that travels in an image: directories, files and symbolic links, ready to be used where they lie.
//!
//! The command writes it once ([`Builder`]); the kernel looks at it in place ([`BakedTree`]): a name is found by one hash lookup,
//! a directory's children are neighbours sorted by name, and a file's contents are a slice of the image. The encoding is a
//! function of the tree alone, so equal trees give equal images.
//!
//! The tree is a forest: each *preopen* is a directory of its own with the path under which the program finds it. Names, paths
//! and link targets are bytes.
//!
//! ```text
//! header    magic, u32 node count, u32 preopen count, u32 slot count (a power of two), u32 zero
//! preopens  { u64 path offset, u32 path length, u32 node }
//! nodes     { u32 kind, u32 parent, u64 name offset, u64 name length, u64 start, u64 length, u64 mtime in ns }
//! slots     u32 node number + 1, or 0; hashed by parent and name, linear probing
//! bytes     names, paths, link targets, contents of files (each of these at a multiple of 16)
//! ```
//!
//! All numbers are little-endian, all offsets count from the tree's first byte. For a directory `start` is the number of its
//! first child and `length` the number of its children. Read first: [`BakedTree::lookup`], [`Node`]. Damaged bytes make lookups
//! fail; they never make them panic or loop.

mod builder;
#[cfg(test)]
mod tests;

pub use builder::{Builder, DirectoryId, EncodeError};

const MAGIC: [u8; 8] = *b"wmtree\0\x01";
const HEADER_LEN_BYTES: usize = 24;
const PREOPEN_LEN_BYTES: usize = 16;
const NODE_LEN_BYTES: usize = 48;
const SLOT_LEN_BYTES: usize = 4;

const KIND_DIRECTORY: u32 = 0;
const KIND_FILE: u32 = 1;
const KIND_SYMLINK: u32 = 2;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind<'a> {
    /// A directory with so many children.
    Directory {
        /// Number of the first child; the others follow it, sorted by name.
        first_child: u32,
        /// Number of children.
        child_count: u32,
    },
    /// A regular file with its contents.
    File(&'a [u8]),
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
}

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// What it is.
    pub kind: NodeKind<'a>,
    /// Its name in its directory; empty for the directory of a preopen.
    pub name: &'a [u8],
    /// Number of the directory that holds it; of itself for the directory of a preopen.
    pub parent: u32,
    /// Time of the last modification in nanoseconds since 1970.
    pub mtime_ns: u64,
}

/// A directory that the program gets as an open descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preopen<'a> {
    /// The path under which the program finds it.
    pub guest_path: &'a [u8],
    /// Number of the directory's node.
    pub node: u32,
}

/// A view of an encoded tree.
#[derive(Clone, Copy, Debug)]
pub struct BakedTree<'a> {
    bytes: &'a [u8],
    node_count: u32,
    preopen_count: u32,
    slot_count: u32,
    nodes_offset: usize,
    slots_offset: usize,
}

impl<'a> BakedTree<'a> {
    /// The tree without nodes.
    pub const EMPTY: BakedTree<'static> = BakedTree {
        bytes: &[],
        node_count: 0,
        preopen_count: 0,
        slot_count: 0,
        nodes_offset: 0,
        slots_offset: 0,
    };

    /// Views `bytes` as a tree; no bytes are the tree without nodes. Returns `None` if they are something else.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(BakedTree::EMPTY);
        }
        if bytes.get(..MAGIC.len())? != MAGIC {
            return None;
        }
        let node_count = read_u32(bytes, 8)?;
        let preopen_count = read_u32(bytes, 12)?;
        let slot_count = read_u32(bytes, 16)?;
        let nodes_offset = (preopen_count as usize)
            .checked_mul(PREOPEN_LEN_BYTES)?
            .checked_add(HEADER_LEN_BYTES)?;
        let slots_offset = (node_count as usize)
            .checked_mul(NODE_LEN_BYTES)?
            .checked_add(nodes_offset)?;
        let end = (slot_count as usize)
            .checked_mul(SLOT_LEN_BYTES)?
            .checked_add(slots_offset)?;
        (slot_count.is_power_of_two() && end <= bytes.len()).then_some(BakedTree {
            bytes,
            node_count,
            preopen_count,
            slot_count,
            nodes_offset,
            slots_offset,
        })
    }

    /// Returns the number of nodes; their numbers start at 0.
    pub const fn node_count(&self) -> u32 {
        self.node_count
    }

    /// Iterates over the preopens, in the order in which they were added.
    pub fn preopens(&self) -> impl Iterator<Item = Preopen<'a>> + use<'a> {
        let bytes = self.bytes;
        (0..self.preopen_count as usize).map_while(move |index| {
            let record = HEADER_LEN_BYTES + index * PREOPEN_LEN_BYTES;
            Some(Preopen {
                guest_path: slice(bytes, read_u64(bytes, record)?, u64::from(read_u32(bytes, record + 8)?))?,
                node: read_u32(bytes, record + 12)?,
            })
        })
    }

    /// Returns the node of that number.
    pub fn node(&self, node: u32) -> Option<Node<'a>> {
        let record = self.record(node)?;
        let start = read_u64(self.bytes, record + 24)?;
        let length = read_u64(self.bytes, record + 32)?;
        let kind = match read_u32(self.bytes, record)? {
            KIND_DIRECTORY => NodeKind::Directory {
                first_child: u32::try_from(start).ok()?,
                child_count: u32::try_from(length).ok()?,
            },
            KIND_FILE => NodeKind::File(slice(self.bytes, start, length)?),
            KIND_SYMLINK => NodeKind::Symlink(slice(self.bytes, start, length)?),
            _ => return None,
        };
        let name = self.name(record)?;
        Some(Node {
            kind,
            name,
            parent: if name.is_empty() {
                node
            } else {
                read_u32(self.bytes, record + 4)?
            },
            mtime_ns: read_u64(self.bytes, record + 40)?,
        })
    }

    /// Finds the child of directory `parent` with that name.
    pub fn lookup(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let mask = self.slot_count.checked_sub(1)?;
        let first = hash_child(parent, name);
        for probe in 0..self.slot_count {
            let slot = first.wrapping_add(probe) & mask;
            let entry = read_u32(self.bytes, self.slots_offset + slot as usize * SLOT_LEN_BYTES)?;
            let node = entry.checked_sub(1)?;
            let record = self.record(node)?;
            if read_u32(self.bytes, record + 4)? == parent && self.name(record)? == name && !name.is_empty() {
                return Some(node);
            }
        }
        None
    }

    fn record(&self, node: u32) -> Option<usize> {
        (node < self.node_count).then(|| self.nodes_offset + node as usize * NODE_LEN_BYTES)
    }

    fn name(&self, record: usize) -> Option<&'a [u8]> {
        slice(
            self.bytes,
            read_u64(self.bytes, record + 8)?,
            read_u64(self.bytes, record + 16)?,
        )
    }
}

/// Hashes a name below a directory (FNV-1a, folded to 32 bits).
fn hash_child(parent: u32, name: &[u8]) -> u32 {
    let hash = parent
        .to_le_bytes()
        .iter()
        .chain(name)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    (hash ^ (hash >> 32)) as u32
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    let (word, _) = bytes.get(offset..)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    let (word, _) = bytes.get(offset..)?.split_first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

fn slice(bytes: &[u8], start: u64, len_bytes: u64) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(len_bytes).ok()?)?)
}
