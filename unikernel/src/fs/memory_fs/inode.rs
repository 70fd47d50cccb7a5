//! A file, directory or symbolic link in memory, with what it takes from the image as long as nobody changes it.

use super::budget::Budget;
use super::content::Content;
use super::directory::Directory;
use crate::fs::{Metadata, NodeId, NodeKind};
use abi::baked_tree;
use alloc::boxed::Box;

/// What an inode holds.
#[derive(Debug)]
pub enum Data {
    /// A file in memory.
    File(Content),
    /// A file of the image, unchanged.
    BakedFile(&'static [u8]),
    /// A directory in memory.
    Directory(Directory),
    /// A directory of the image, unchanged.
    BakedDirectory {
        /// The directory that holds it now.
        parent: NodeId,
        /// Number of its first child.
        first_child: u32,
        /// Number of children.
        child_count: u32,
    },
    /// A symbolic link made by the program.
    Symlink(Box<[u8]>),
    /// A symbolic link of the image.
    BakedSymlink(&'static [u8]),
}

/// A node's state.
#[derive(Debug)]
pub struct Inode {
    /// What it holds.
    pub data: Data,
    /// Number of names.
    pub links: u32,
    /// Number of descriptors.
    pub open_count: u32,
    /// It says nothing that the image does not say.
    pub is_pristine: bool,
    /// Time of the last access.
    pub accessed_ns: u64,
    /// Time of the last change of the contents.
    pub modified_ns: u64,
    /// Time of the last change of the attributes.
    pub changed_ns: u64,
}

impl Inode {
    /// Makes the state of a new node.
    pub const fn new(data: Data, now_ns: u64) -> Self {
        Inode {
            data,
            links: 1,
            open_count: 0,
            is_pristine: false,
            accessed_ns: now_ns,
            modified_ns: now_ns,
            changed_ns: now_ns,
        }
    }

    /// Makes the state of a node of the image.
    pub fn baked(node: &baked_tree::Node<'static>) -> Self {
        let data = match node.kind {
            baked_tree::NodeKind::File(contents) => Data::BakedFile(contents),
            baked_tree::NodeKind::Symlink(target) => Data::BakedSymlink(target),
            baked_tree::NodeKind::Directory {
                first_child,
                child_count,
            } => Data::BakedDirectory {
                parent: NodeId(u64::from(node.parent)),
                first_child,
                child_count,
            },
        };
        Inode {
            is_pristine: true,
            ..Inode::new(data, node.mtime_ns)
        }
    }

    /// Returns what it is.
    pub const fn kind(&self) -> NodeKind {
        match self.data {
            Data::File(_) | Data::BakedFile(_) => NodeKind::File,
            Data::Directory(_) | Data::BakedDirectory { .. } => NodeKind::Directory,
            Data::Symlink(_) | Data::BakedSymlink(_) => NodeKind::Symlink,
        }
    }

    /// Returns its attributes.
    pub const fn metadata(&self) -> Metadata {
        let length_bytes = match &self.data {
            Data::File(content) => content.length_bytes(),
            Data::BakedFile(contents) => contents.len() as u64,
            Data::Directory(_) | Data::BakedDirectory { .. } => 0,
            Data::Symlink(target) => target.len() as u64,
            Data::BakedSymlink(target) => target.len() as u64,
        };
        Metadata {
            kind: self.kind(),
            links: self.links as u64,
            length_bytes,
            accessed_ns: self.accessed_ns,
            modified_ns: self.modified_ns,
            changed_ns: self.changed_ns,
        }
    }

    /// Notes a change of the contents.
    pub const fn touch(&mut self, now_ns: u64) {
        self.modified_ns = now_ns;
        self.changed_ns = now_ns;
        self.is_pristine = false;
    }

    /// Notes a change of the attributes.
    pub const fn touch_attributes(&mut self, now_ns: u64) {
        self.changed_ns = now_ns;
        self.is_pristine = false;
    }

    /// Gives all memory back.
    pub fn release(self, budget: &mut Budget) {
        match self.data {
            Data::File(content) => content.release(budget),
            Data::Directory(directory) => directory.release(budget),
            Data::Symlink(target) => budget.give_back(target.len()),
            Data::BakedFile(_) | Data::BakedDirectory { .. } | Data::BakedSymlink(_) => {}
        }
    }
}

/// Returns what a node of the image is.
pub const fn baked_kind(node: &baked_tree::Node<'static>) -> NodeKind {
    match node.kind {
        baked_tree::NodeKind::File(_) => NodeKind::File,
        baked_tree::NodeKind::Directory { .. } => NodeKind::Directory,
        baked_tree::NodeKind::Symlink(_) => NodeKind::Symlink,
    }
}
