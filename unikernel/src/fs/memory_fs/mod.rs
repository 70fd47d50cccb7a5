//! A writable file system in memory over the read-only tree of the image.
//!
//! What the program does not change is served from the image without copying; what it changes lives in memory, up to a limit.
//! Several directories can be roots: those of the image's preopens, and empty ones such as `/tmp`; they share the limit, and
//! files can be renamed and linked between them.
//!
//! Read in this order: [`inodes`] (what is copied when), [`inode`], [`directory`] (stable positions), [`content`] (holes),
//! [`budget`]. Limits: nothing is durable; access times change only when they are set.

pub mod budget;
pub mod content;
pub mod directory;
pub mod inode;
pub mod inodes;
#[cfg(test)]
mod tests;

use self::content::Content;
use self::directory::{Directory, Name};
use self::inode::{Data, Inode, baked_kind};
use self::inodes::Inodes;
use super::node::WriteAt;
use super::{Access, DirectoryEntry, Error, FileSystem, Found, Metadata, NewNode, NodeId, NodeKind};
use abi::baked_tree::{self, BakedTree};
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The longest name that can be created, in bytes, as on Linux. (Names in the image can be longer.)
pub const MAX_NAME_BYTES: usize = 255;

/// The longest target of a symbolic link that can be created, in bytes, as on Linux.
const MAX_TARGET_BYTES: usize = 4095;

/// A file system in memory.
#[derive(Debug)]
pub struct MemoryFs {
    inodes: Inodes,
}

impl MemoryFs {
    /// Makes a file system over the image's tree that uses at most `limit_bytes` of memory.
    pub fn new(tree: BakedTree<'static>, limit_bytes: u64) -> Self {
        MemoryFs {
            inodes: Inodes::new(tree, limit_bytes),
        }
    }

    /// Adds an empty directory that is a root.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn add_root(&mut self, now_ns: u64) -> Result<NodeId, Error> {
        let id = self
            .inodes
            .add(Inode::new(Data::Directory(Directory::new(NodeId(0))), now_ns))?;
        self.inodes.set_parent(id, id)?;
        Ok(id)
    }

    /// Returns the children of a directory of the image that is unchanged, or its state.
    fn directory(&self, id: NodeId) -> Result<DirectoryView<'_>, Error> {
        let (first_child, child_count) = match self.inodes.get(id).map(|inode| &inode.data) {
            Some(Data::Directory(directory)) => return Ok(DirectoryView::Memory(directory)),
            Some(&Data::BakedDirectory {
                first_child,
                child_count,
                ..
            }) => (first_child, child_count),
            Some(_) => return Err(Error::NotDirectory),
            None => match self.inodes.baked(id)?.kind {
                baked_tree::NodeKind::Directory {
                    first_child,
                    child_count,
                } => (first_child, child_count),
                _ => return Err(Error::NotDirectory),
            },
        };
        Ok(DirectoryView::Baked {
            first_child,
            child_count,
        })
    }

    fn is_empty_directory(&self, id: NodeId) -> Result<bool, Error> {
        Ok(match self.directory(id)? {
            DirectoryView::Memory(directory) => directory.is_empty(),
            DirectoryView::Baked { child_count, .. } => child_count == 0,
        })
    }

    fn must_be_free(&mut self, directory: NodeId, name: &[u8]) -> Result<(), Error> {
        match self.lookup(directory, name) {
            Ok(_) => Err(Error::Exists),
            Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn insert_entry(
        &mut self,
        directory: NodeId,
        name: &[u8],
        id: NodeId,
        kind: NodeKind,
        now_ns: u64,
    ) -> Result<(), Error> {
        let (entries, budget) = self.inodes.directory_mut(directory, now_ns)?;
        let name = budget.copy(name)?;
        let len_bytes = name.len();
        entries
            .insert(budget, Name::Owned(name), id, kind)
            .inspect_err(|_| budget.give_back(len_bytes))
    }

    fn remove_entry(&mut self, directory: NodeId, name: &[u8], id: NodeId, now_ns: u64) -> Result<(), Error> {
        // What can fail comes first, so that nothing is left half done.
        self.inodes.get_mut(id)?;
        let (entries, budget) = self.inodes.directory_mut(directory, now_ns)?;
        entries.remove(budget, name);
        self.inodes.remove_link(id, now_ns)
    }

    /// Checks that `target` may be replaced by `source`.
    fn check_replacement(&self, source: Found, target: Found) -> Result<(), Error> {
        match (source.kind, target.kind) {
            (NodeKind::Directory, NodeKind::Directory) if self.is_empty_directory(target.id)? => Ok(()),
            (NodeKind::Directory, NodeKind::Directory) => Err(Error::NotEmpty),
            (NodeKind::Directory, _) => Err(Error::NotDirectory),
            (_, NodeKind::Directory) => Err(Error::IsDirectory),
            _ => Ok(()),
        }
    }

    /// Checks that `directory` is not `ancestor` or below it.
    fn check_not_below(&self, mut directory: NodeId, ancestor: NodeId) -> Result<(), Error> {
        loop {
            if directory == ancestor {
                return Err(Error::Invalid);
            }
            let parent = self.inodes.parent(directory)?;
            if parent == directory {
                return Ok(());
            }
            directory = parent;
        }
    }
}

enum DirectoryView<'a> {
    Memory(&'a Directory),
    Baked { first_child: u32, child_count: u32 },
}

impl FileSystem for MemoryFs {
    fn metadata(&mut self, node: NodeId) -> Result<Metadata, Error> {
        match self.inodes.get(node) {
            Some(inode) => Ok(inode.metadata()),
            None => Ok(Inode::baked(&self.inodes.baked(node)?).metadata()),
        }
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<Found, Error> {
        let found = match self.directory(directory)? {
            DirectoryView::Memory(entries) => entries.get(name).map(|entry| Found {
                id: entry.id,
                kind: entry.kind,
            }),
            DirectoryView::Baked { .. } => {
                let tree = self.inodes.tree();
                u32::try_from(directory.0)
                    .ok()
                    .and_then(|directory| tree.lookup(directory, name))
                    .and_then(|number| Some((number, tree.node(number)?)))
                    .map(|(number, node)| Found {
                        id: NodeId(u64::from(number)),
                        kind: baked_kind(&node),
                    })
            }
        };
        found.ok_or(if name.len() > MAX_NAME_BYTES {
            Error::NameTooLong
        } else {
            Error::NotFound
        })
    }

    fn read_link(&mut self, link: NodeId, target: &mut Vec<u8>) -> Result<(), Error> {
        let bytes = match self.inodes.get(link).map(|inode| &inode.data) {
            Some(Data::Symlink(bytes)) => bytes,
            Some(&Data::BakedSymlink(bytes)) => bytes,
            Some(_) => return Err(Error::Invalid),
            None => match self.inodes.baked(link)?.kind {
                baked_tree::NodeKind::Symlink(bytes) => bytes,
                _ => return Err(Error::Invalid),
            },
        };
        target.try_reserve(bytes.len()).map_err(|_| Error::NoMemory)?;
        target.extend_from_slice(bytes);
        Ok(())
    }

    fn open(&mut self, node: NodeId, _access: Access) -> Result<(), Error> {
        self.inodes.get_mut(node)?.open_count += 1;
        Ok(())
    }

    fn close(&mut self, node: NodeId, _access: Access) {
        if let Ok(inode) = self.inodes.get_mut(node) {
            inode.open_count = inode.open_count.saturating_sub(1);
        }
        self.inodes.forget_if_unused(node);
    }

    fn read(&mut self, file: NodeId, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let contents = match self.inodes.get(file).map(|inode| &inode.data) {
            Some(Data::File(content)) => return Ok(content.read(offset, buffer)),
            Some(&Data::BakedFile(contents)) => contents,
            Some(Data::Directory(_) | Data::BakedDirectory { .. }) => return Err(Error::IsDirectory),
            Some(_) => return Err(Error::Invalid),
            None => match self.inodes.baked(file)?.kind {
                baked_tree::NodeKind::File(contents) => contents,
                _ => return Err(Error::Invalid),
            },
        };
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| contents.get(offset..))
            .unwrap_or_default();
        let len_bytes = rest.len().min(buffer.len());
        buffer[..len_bytes].copy_from_slice(&rest[..len_bytes]);
        Ok(len_bytes)
    }

    fn write(&mut self, file: NodeId, at: WriteAt, bytes: &[u8], now_ns: u64) -> Result<(usize, u64), Error> {
        let (inode, budget) = self.inodes.file_mut(file)?;
        let Data::File(content) = &mut inode.data else {
            return Err(Error::Invalid);
        };
        let offset = match at {
            WriteAt::Offset(offset) => offset,
            WriteAt::End => content.length_bytes(),
        };
        let taken = content.write(budget, offset, bytes)?;
        inode.touch(now_ns);
        Ok((taken, offset + taken as u64))
    }

    fn set_length(&mut self, file: NodeId, length_bytes: u64, now_ns: u64) -> Result<(), Error> {
        if length_bytes == 0
            && let Ok(inode) = self.inodes.get_mut(file)
            && matches!(inode.data, Data::BakedFile(_))
        {
            inode.data = Data::File(Content::default());
        }
        let (inode, budget) = self.inodes.file_mut(file)?;
        if let Data::File(content) = &mut inode.data {
            content.set_length(budget, length_bytes)?;
        }
        inode.touch(now_ns);
        Ok(())
    }

    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Error> {
        let inode = self.inodes.get_mut(node)?;
        inode.accessed_ns = accessed_ns.unwrap_or(inode.accessed_ns);
        inode.modified_ns = modified_ns.unwrap_or(inode.modified_ns);
        inode.touch_attributes(now_ns);
        Ok(())
    }

    fn create(&mut self, directory: NodeId, name: &[u8], new: NewNode<'_>, now_ns: u64) -> Result<NodeId, Error> {
        self.must_be_free(directory, name)?;
        let data = match new {
            NewNode::File => Data::File(Content::default()),
            NewNode::Directory => Data::Directory(Directory::new(directory)),
            NewNode::Symlink(target) if target.len() > MAX_TARGET_BYTES => return Err(Error::NameTooLong),
            NewNode::Symlink(target) => Data::Symlink(self.inodes.budget.copy(target)?),
        };
        let inode = Inode::new(data, now_ns);
        let kind = inode.kind();
        let id = self.inodes.add(inode)?;
        if let Err(error) = self.insert_entry(directory, name, id, kind, now_ns) {
            self.inodes.remove_link(id, now_ns)?;
            return Err(error);
        }
        Ok(id)
    }

    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        self.must_be_free(directory, name)?;
        let kind = self.inodes.kind(node)?;
        if kind == NodeKind::Directory {
            return Err(Error::NotPermitted);
        }
        let inode = self.inodes.get_mut(node)?;
        if inode.links == 0 {
            return Err(Error::NotFound);
        }
        if inode.links == u32::MAX {
            return Err(Error::TooManyLinks);
        }
        inode.is_pristine = false;
        self.insert_entry(directory, name, node, kind, now_ns)?;
        let inode = self.inodes.get_mut(node)?;
        inode.links += 1;
        inode.touch_attributes(now_ns);
        Ok(())
    }

    fn unlink(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        let found = self.lookup(directory, name)?;
        if found.kind == NodeKind::Directory {
            return Err(Error::IsDirectory);
        }
        self.remove_entry(directory, name, found.id, now_ns)
    }

    fn remove_directory(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        let found = self.lookup(directory, name)?;
        if !self.is_empty_directory(found.id)? {
            return Err(Error::NotEmpty);
        }
        self.remove_entry(directory, name, found.id, now_ns)
    }

    fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8]), now_ns: u64) -> Result<(), Error> {
        let source = self.lookup(from.0, from.1)?;
        let target = match self.lookup(to.0, to.1) {
            Ok(target) => Some(target),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        if source.kind == NodeKind::Directory {
            self.check_not_below(to.0, source.id)?;
        }
        if let Some(target) = target {
            if target.id == source.id {
                return Ok(());
            }
            self.check_replacement(source, target)?;
        }
        // What can fail for want of memory comes first.
        self.inodes.get_mut(source.id)?.touch_attributes(now_ns);
        self.inodes.directory_mut(from.0, now_ns)?;
        match target {
            Some(target) => {
                self.inodes.get_mut(target.id)?;
                let (entries, _) = self.inodes.directory_mut(to.0, now_ns)?;
                entries.replace(to.1, source.id, source.kind);
                self.inodes.remove_link(target.id, now_ns)?;
            }
            None => self.insert_entry(to.0, to.1, source.id, source.kind, now_ns)?,
        }
        let (entries, budget) = self.inodes.directory_mut(from.0, now_ns)?;
        entries.remove(budget, from.1);
        if source.kind == NodeKind::Directory {
            self.inodes.set_parent(source.id, to.0)?;
        }
        Ok(())
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        position: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self.directory(directory)? {
            DirectoryView::Memory(entries) => {
                for entry in entries.entries_after(position) {
                    let Some(name) = entry.name() else { continue };
                    let shown = DirectoryEntry {
                        name,
                        id: entry.id,
                        kind: entry.kind,
                        next_position: entry.position,
                    };
                    if visit(shown).is_break() {
                        break;
                    }
                }
            }
            DirectoryView::Baked {
                first_child,
                child_count,
            } => {
                let start = u32::try_from(position).unwrap_or(u32::MAX);
                for index in start..child_count {
                    let number = first_child.checked_add(index).ok_or(Error::Io)?;
                    let node = self.inodes.tree().node(number).ok_or(Error::Io)?;
                    let shown = DirectoryEntry {
                        name: node.name,
                        id: NodeId(u64::from(number)),
                        kind: baked_kind(&node),
                        next_position: u64::from(index) + 1,
                    };
                    if visit(shown).is_break() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn sync(&mut self, _node: NodeId, _data_only: bool) -> Result<(), Error> {
        Ok(())
    }
}
