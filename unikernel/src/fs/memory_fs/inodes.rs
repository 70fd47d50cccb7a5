//! The nodes of a file system in memory: those of the image, found there, and those that the program made or changed.
//!
//! Nodes of the image keep the image's numbers; new ones go on counting, and no number is used twice. A node of the image gets
//! an [`Inode`] when it is opened or changed, and loses it when it is closed unchanged; a directory of the image is copied (its
//! entries, not what they name) when an entry changes, a file when it is written.

use super::budget::Budget;
use super::content::Content;
use super::directory::{Directory, Name};
use super::inode::{Data, Inode, baked_kind};
use crate::fs::number_map::NumberMap;
use crate::fs::{Error, NodeId, NodeKind};
use crate::headroom;
use abi::baked_tree::{self, BakedTree};

/// What an inode takes from the budget, its place in the map included.
const INODE_BYTES: usize = size_of::<Inode>() + 2 * size_of::<NodeId>();

/// The nodes.
#[derive(Debug)]
pub struct Inodes {
    tree: BakedTree<'static>,
    changed: NumberMap<NodeId, Inode>,
    next_id: u64,
    /// The memory that nodes may use.
    pub budget: Budget,
}

impl Inodes {
    /// Makes the nodes of the image.
    pub fn new(tree: BakedTree<'static>, limit_bytes: u64) -> Self {
        Inodes {
            tree,
            changed: NumberMap::default(),
            next_id: u64::from(tree.node_count()),
            budget: Budget::new(limit_bytes),
        }
    }

    /// Returns the tree of the image.
    pub const fn tree(&self) -> &BakedTree<'static> {
        &self.tree
    }

    /// Returns a node's state, if it has one besides what the image says.
    pub fn get(&self, id: NodeId) -> Option<&Inode> {
        self.changed.get(&id)
    }

    /// Returns a node of the image.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn baked(&self, id: NodeId) -> Result<baked_tree::Node<'static>, Error> {
        u32::try_from(id.0)
            .ok()
            .and_then(|number| self.tree.node(number))
            .ok_or(Error::NotFound)
    }

    /// Returns a node's state for changing it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoSpace`].
    pub fn get_mut(&mut self, id: NodeId) -> Result<&mut Inode, Error> {
        self.parts_mut(id).map(|(inode, _)| inode)
    }

    fn parts_mut(&mut self, id: NodeId) -> Result<(&mut Inode, &mut Budget), Error> {
        if !self.changed.contains_key(&id) {
            let inode = Inode::baked(&self.baked(id)?);
            self.insert(id, inode)?;
        }
        let inode = self.changed.get_mut(&id).ok_or(Error::NotFound)?;
        Ok((inode, &mut self.budget))
    }

    fn insert(&mut self, id: NodeId, inode: Inode) -> Result<(), Error> {
        if !headroom::reserve_entry(&mut self.changed) {
            return Err(Error::NoSpace);
        }
        self.budget.take(INODE_BYTES)?;
        self.changed.insert(id, inode);
        Ok(())
    }

    /// Adds a node.
    ///
    /// # Errors
    /// [`Error::NoSpace`]; what `inode` holds is given back then.
    pub fn add(&mut self, inode: Inode) -> Result<NodeId, Error> {
        let id = NodeId(self.next_id);
        if !headroom::reserve_entry(&mut self.changed) || self.budget.take(INODE_BYTES).is_err() {
            inode.release(&mut self.budget);
            return Err(Error::NoSpace);
        }
        self.changed.insert(id, inode);
        self.next_id += 1;
        Ok(id)
    }

    /// Returns a file's state and contents for changing them.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::IsDirectory`], [`Error::Invalid`] for a symbolic link.
    pub fn file_mut(&mut self, id: NodeId) -> Result<(&mut Inode, &mut Budget), Error> {
        let (inode, budget) = self.parts_mut(id)?;
        match inode.data {
            Data::File(_) => {}
            Data::BakedFile(contents) => {
                let mut content = Content::default();
                let taken = content.write(budget, 0, contents);
                if taken != Ok(contents.len()) {
                    content.release(budget);
                    return Err(Error::NoSpace);
                }
                inode.data = Data::File(content);
                inode.is_pristine = false;
            }
            Data::Directory(_) | Data::BakedDirectory { .. } => return Err(Error::IsDirectory),
            Data::Symlink(_) | Data::BakedSymlink(_) => return Err(Error::Invalid),
        }
        Ok((inode, budget))
    }

    /// Returns a directory for changing its entries, and stamps it.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::NotDirectory`], [`Error::NotFound`] for a directory that was removed.
    pub fn directory_mut(&mut self, id: NodeId, now_ns: u64) -> Result<(&mut Directory, &mut Budget), Error> {
        let tree = self.tree;
        let (inode, budget) = self.parts_mut(id)?;
        if let Data::BakedDirectory {
            parent,
            first_child,
            child_count,
        } = inode.data
        {
            let copy = copy_directory(
                &tree,
                budget,
                parent,
                first_child..first_child.saturating_add(child_count),
            )?;
            inode.data = Data::Directory(copy);
            inode.is_pristine = false;
        }
        if inode.links == 0 {
            return Err(Error::NotFound);
        }
        inode.touch(now_ns);
        match &mut inode.data {
            Data::Directory(directory) => Ok((directory, budget)),
            _ => Err(Error::NotDirectory),
        }
    }

    /// Returns the directory that holds a directory.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotDirectory`].
    pub fn parent(&self, id: NodeId) -> Result<NodeId, Error> {
        match self.get(id).map(|inode| &inode.data) {
            Some(Data::Directory(directory)) => Ok(directory.parent),
            Some(Data::BakedDirectory { parent, .. }) => Ok(*parent),
            Some(_) => Err(Error::NotDirectory),
            None => {
                let node = self.baked(id)?;
                Ok(NodeId(u64::from(node.parent)))
            }
        }
    }

    /// Records that a directory has moved.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn set_parent(&mut self, id: NodeId, new_parent: NodeId) -> Result<(), Error> {
        let inode = self.get_mut(id)?;
        inode.is_pristine = false;
        match &mut inode.data {
            Data::Directory(directory) => directory.parent = new_parent,
            Data::BakedDirectory { parent, .. } => *parent = new_parent,
            _ => {}
        }
        Ok(())
    }

    /// Takes one name from a node (the last one from a directory).
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn remove_link(&mut self, id: NodeId, now_ns: u64) -> Result<(), Error> {
        let inode = self.get_mut(id)?;
        inode.links = inode.links.saturating_sub(1);
        inode.touch_attributes(now_ns);
        self.forget_if_unused(id);
        Ok(())
    }

    /// Drops the state of a node that is neither named nor open, or that says nothing new.
    pub fn forget_if_unused(&mut self, id: NodeId) {
        let Some(inode) = self.changed.get(&id) else { return };
        if inode.open_count == 0
            && (inode.links == 0 || inode.is_pristine)
            && let Some(inode) = self.changed.remove(&id)
        {
            inode.release(&mut self.budget);
            self.budget.give_back(INODE_BYTES);
        }
    }

    /// Returns what a node is.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn kind(&self, id: NodeId) -> Result<NodeKind, Error> {
        match self.get(id) {
            Some(inode) => Ok(inode.kind()),
            None => Ok(baked_kind(&self.baked(id)?)),
        }
    }
}

fn copy_directory(
    tree: &BakedTree<'static>,
    budget: &mut Budget,
    parent: NodeId,
    children: core::ops::Range<u32>,
) -> Result<Directory, Error> {
    let mut directory = Directory::new(parent);
    let mut fill = || {
        directory.reserve(budget, children.len())?;
        for child in children.clone() {
            let node = tree.node(child).ok_or(Error::Io)?;
            let kind = baked_kind(&node);
            directory.insert(budget, Name::Baked(node.name), NodeId(u64::from(child)), kind)?;
        }
        Ok(())
    };
    match fill() {
        Ok(()) => Ok(directory),
        Err(error) => {
            directory.release(budget);
            Err(error)
        }
    }
}
