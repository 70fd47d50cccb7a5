//! The volume as a [`FileSystem`]: each operation is one change, so that a crash leaves all of it or nothing.

use super::directory::{MAX_BLOCKS_OF_CREATION, MAX_NAME_BYTES, kind_number};
use super::inode::Inode;
use super::layout::{entry as entry_field, inode as field};
use super::volume::Volume;
use crate::fs::node::WriteAt;
use crate::fs::{Access, DirectoryEntry, Error, FileSystem, Found, Metadata, NewNode, NodeId, NodeKind};
use crate::headroom;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The most names of a node, as on Linux.
const MAX_LINKS: u16 = 32_000;
const DIRECTORY_MODE: u16 = field::KIND_DIRECTORY | 0o755;
const FILE_MODE: u16 = field::KIND_FILE | 0o644;
const SYMLINK_MODE: u16 = field::KIND_SYMLINK | 0o777;

const fn directory_number(node: NodeId) -> u32 {
    if node.0 > u32::MAX as u64 { 0 } else { node.0 as u32 }
}

impl Volume {
    fn find(&mut self, directory: &Inode, name: &[u8]) -> Result<Option<Inode>, Error> {
        if name.len() > MAX_NAME_BYTES {
            return Err(Error::NameTooLong);
        }
        let place = self.find_entry(directory, name)?;
        place.map(|place| self.load_node(u64::from(place.inode))).transpose()
    }

    /// Takes one name away from an inode, and frees it if it was the last one and it is not open.
    fn remove_link(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let names = if inode.is_directory() { 2 } else { 1 };
        inode.links = inode.links.checked_sub(names).ok_or(Error::Io)?;
        inode.changed_ns = self.now_ns;
        if inode.links > 0 {
            return self.store_inode(inode);
        }
        self.add_orphan(inode)?;
        if self.open_counts.contains_key(&inode.number) {
            return Ok(());
        }
        self.free_orphan(inode)
    }

    fn create_node(&mut self, directory: NodeId, name: &[u8], new: NewNode<'_>) -> Result<NodeId, Error> {
        let mut parent = self.load_directory(directory_number(directory))?;
        if self.find(&parent, name)?.is_some() {
            return Err(Error::Exists);
        }
        if parent.links == 0 {
            return Err(Error::NotFound);
        }
        self.reserve(MAX_BLOCKS_OF_CREATION)?;
        let (mode, kind) = match new {
            NewNode::File => (FILE_MODE, NodeKind::File),
            NewNode::Directory if parent.links >= MAX_LINKS => return Err(Error::TooManyLinks),
            NewNode::Directory => (DIRECTORY_MODE, NodeKind::Directory),
            NewNode::Symlink(target) if target.len() >= self.geometry.block_size => return Err(Error::NameTooLong),
            NewNode::Symlink(_) => (SYMLINK_MODE, NodeKind::Symlink),
        };
        let is_directory = kind == NodeKind::Directory;
        let number = self.allocate_inode(parent.number, is_directory)?;
        let mut inode = Inode::new(number, mode, 1, self.now_ns);
        match new {
            NewNode::File => {}
            NewNode::Directory => {
                inode.links = 2;
                parent.links += 1;
                self.fill_new_directory(&mut inode, parent.number)?;
            }
            NewNode::Symlink(target) => self.write_target(&mut inode, target)?,
        }
        self.store_new_inode(&inode)?;
        self.add_entry(&mut parent, name, number, kind_number(kind))?;
        Ok(NodeId(u64::from(number)))
    }

    /// Removes an entry whose inode was checked.
    fn remove_name(&mut self, parent: &mut Inode, name: &[u8], inode: &mut Inode) -> Result<(), Error> {
        let place = self.find_entry(parent, name)?.ok_or(Error::Io)?;
        if inode.is_directory() {
            parent.links = parent.links.saturating_sub(1);
        }
        self.remove_entry(parent, place)?;
        self.remove_link(inode)
    }

    fn rename_entry(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8])) -> Result<(), Error> {
        let old_parent = self.load_directory(directory_number(from.0))?;
        let new_parent = self.load_directory(directory_number(to.0))?;
        let mut source = self.find(&old_parent, from.1)?.ok_or(Error::NotFound)?;
        let target = self.find(&new_parent, to.1)?;
        let moves_directory = source.is_directory() && from.0 != to.0;
        if source.is_directory() {
            self.check_not_below(new_parent.number, source.number)?;
        }
        if let Some(target) = &target {
            if target.number == source.number {
                return Ok(());
            }
            self.check_replacement(&source, target)?;
        } else if moves_directory && new_parent.links >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        if new_parent.links == 0 {
            return Err(Error::NotFound);
        }
        self.reserve(MAX_BLOCKS_OF_CREATION)?;
        let kind = kind_number(source.kind().ok_or(Error::Unsupported)?);
        let mut new_parent = self.load_directory(new_parent.number)?;
        if moves_directory {
            new_parent.links += 1;
        }
        match target {
            Some(mut target) => {
                let place = self.find_entry(&new_parent, to.1)?.ok_or(Error::Io)?;
                if target.is_directory() {
                    new_parent.links = new_parent.links.saturating_sub(1);
                }
                self.redirect_entry(&mut new_parent, place, source.number, kind)?;
                self.remove_link(&mut target)?;
            }
            None => self.add_entry(&mut new_parent, to.1, source.number, kind)?,
        }
        // The two parents may be one.
        let mut old_parent = self.load_directory(old_parent.number)?;
        let place = self.find_entry(&old_parent, from.1)?.ok_or(Error::Io)?;
        if moves_directory {
            old_parent.links = old_parent.links.saturating_sub(1);
        }
        self.remove_entry(&mut old_parent, place)?;
        if moves_directory {
            let place = self.find_entry(&source, b"..")?.ok_or(Error::Io)?;
            self.redirect_entry(&mut source, place, new_parent.number, entry_field::KIND_DIRECTORY)?;
        }
        source.changed_ns = self.now_ns;
        self.store_inode(&source)
    }

    fn check_replacement(&mut self, source: &Inode, target: &Inode) -> Result<(), Error> {
        match (source.is_directory(), target.is_directory()) {
            (true, true) if self.is_empty_directory(target)? => Ok(()),
            (true, true) => Err(Error::NotEmpty),
            (true, false) => Err(Error::NotDirectory),
            (false, true) => Err(Error::IsDirectory),
            (false, false) => Ok(()),
        }
    }
}

impl FileSystem for Volume {
    fn metadata(&mut self, node: NodeId) -> Result<Metadata, Error> {
        self.load_node(node.0)?.metadata()
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<Found, Error> {
        let directory = self.load_directory(directory_number(directory))?;
        let inode = self.find(&directory, name)?.ok_or(Error::NotFound)?;
        Ok(Found {
            id: NodeId(u64::from(inode.number)),
            kind: inode.kind().ok_or(Error::Unsupported)?,
        })
    }

    fn read_link(&mut self, link: NodeId, target: &mut Vec<u8>) -> Result<(), Error> {
        let inode = self.load_node(link.0)?;
        if inode.kind() != Some(NodeKind::Symlink) {
            return Err(Error::Invalid);
        }
        self.read_target(&inode, target)
    }

    fn open(&mut self, node: NodeId, access: Access) -> Result<(), Error> {
        let inode = self.load_node(node.0)?;
        if access.write && !inode.is_directory() {
            self.must_be_writable()?;
            if inode.flags & field::FLAG_IMMUTABLE != 0 {
                return Err(Error::NotPermitted);
            }
        }
        if !headroom::reserve_entry(&mut self.open_counts) {
            return Err(Error::NoMemory);
        }
        *self.open_counts.entry(inode.number).or_insert(0) += 1;
        Ok(())
    }

    fn close(&mut self, node: NodeId, _access: Access) {
        let number = directory_number(node);
        let Some(count) = self.open_counts.get_mut(&number) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.open_counts.remove(&number);
        let now_ns = self.now_ns;
        // A failure marks the volume; the inode stays on the list of orphans, and the next mount frees it.
        let _ = self.load_inode(number).and_then(|mut inode| match inode.links {
            0 => self.change(now_ns, |volume| volume.free_orphan(&mut inode)),
            _ => Ok(()),
        });
    }

    fn read(&mut self, file: NodeId, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let inode = self.load_file(file.0)?;
        self.read_file(&inode, offset, buffer)
    }

    fn write(&mut self, file: NodeId, at: WriteAt, bytes: &[u8], now_ns: u64) -> Result<(usize, u64), Error> {
        self.change(now_ns, |volume| {
            let mut inode = volume.load_file(file.0)?;
            let offset = match at {
                WriteAt::Offset(offset) => offset,
                WriteAt::End => inode.length_bytes,
            };
            let taken = volume.write_file(&mut inode, offset, bytes)?;
            Ok((taken, offset + taken as u64))
        })
    }

    fn set_length(&mut self, file: NodeId, length_bytes: u64, now_ns: u64) -> Result<(), Error> {
        self.change(now_ns, |volume| {
            let mut inode = volume.load_file(file.0)?;
            volume.set_file_length(&mut inode, length_bytes)
        })
    }

    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Error> {
        self.change(now_ns, |volume| {
            let mut inode = volume.load_node(node.0)?;
            inode.accessed_ns = accessed_ns.unwrap_or(inode.accessed_ns);
            inode.modified_ns = modified_ns.unwrap_or(inode.modified_ns);
            inode.changed_ns = now_ns;
            volume.store_inode(&inode)
        })
    }

    fn create(&mut self, directory: NodeId, name: &[u8], new: NewNode<'_>, now_ns: u64) -> Result<NodeId, Error> {
        self.change(now_ns, |volume| volume.create_node(directory, name, new))
    }

    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        self.change(now_ns, |volume| {
            let mut parent = volume.load_directory(directory_number(directory))?;
            if volume.find(&parent, name)?.is_some() {
                return Err(Error::Exists);
            }
            let mut inode = volume.load_node(node.0)?;
            match inode.links {
                _ if inode.is_directory() => return Err(Error::NotPermitted),
                0 => return Err(Error::NotFound),
                MAX_LINKS.. => return Err(Error::TooManyLinks),
                _ => {}
            }
            if parent.links == 0 {
                return Err(Error::NotFound);
            }
            volume.reserve(MAX_BLOCKS_OF_CREATION)?;
            let kind = kind_number(inode.kind().ok_or(Error::Unsupported)?);
            volume.add_entry(&mut parent, name, inode.number, kind)?;
            inode.links += 1;
            inode.changed_ns = now_ns;
            volume.store_inode(&inode)
        })
    }

    fn unlink(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        self.change(now_ns, |volume| {
            let mut parent = volume.load_directory(directory_number(directory))?;
            let mut inode = volume.find(&parent, name)?.ok_or(Error::NotFound)?;
            if inode.is_directory() {
                return Err(Error::IsDirectory);
            }
            volume.remove_name(&mut parent, name, &mut inode)
        })
    }

    fn remove_directory(&mut self, directory: NodeId, name: &[u8], now_ns: u64) -> Result<(), Error> {
        self.change(now_ns, |volume| {
            let mut parent = volume.load_directory(directory_number(directory))?;
            let mut inode = volume.find(&parent, name)?.ok_or(Error::NotFound)?;
            if !inode.is_directory() {
                return Err(Error::NotDirectory);
            }
            if !volume.is_empty_directory(&inode)? {
                return Err(Error::NotEmpty);
            }
            volume.remove_name(&mut parent, name, &mut inode)
        })
    }

    fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8]), now_ns: u64) -> Result<(), Error> {
        self.change(now_ns, |volume| volume.rename_entry(from, to))
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        position: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let directory = self.load_directory(directory_number(directory))?;
        self.visit_entries(&directory, position, &mut |entry, next_position| {
            let kind = match entry.kind {
                entry_field::KIND_DIRECTORY => NodeKind::Directory,
                entry_field::KIND_SYMLINK => NodeKind::Symlink,
                _ => NodeKind::File,
            };
            if entry.name == b"." || entry.name == b".." {
                return ControlFlow::Continue(());
            }
            visit(DirectoryEntry {
                name: entry.name,
                id: NodeId(u64::from(entry.inode)),
                kind,
                next_position,
            })
        })
    }

    fn finish(&mut self) {
        // Nobody is left to be told; the journal says to the next mount what was committed.
        let _ = self.unmount();
    }

    fn sync(&mut self, _node: NodeId, _data_only: bool) -> Result<(), Error> {
        self.commit()
    }
}
