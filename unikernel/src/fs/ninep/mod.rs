//! A folder of the host, reached through a 9P2000.L server (QEMU's virtio-9p).
//!
//! ```text
//! NinepFs (this file, nodes) ─▶ client (a function for each request) ─▶ message (bytes)
//!                                  └─▶ Channel (trait) ◀── drivers::virtio::ninep, the tests' server
//! ```
//!
//! A node is the number that the server gives a file. For each node that was shown there is a fid, the server's handle of a *path*,
//! and for an open one further fids, which the server keeps as open files. So a node that is open and has lost its name can still
//! be read and written, but its attributes cannot be asked for by path any more: the last known ones stand in ([`State`]),
//! and before a path is used for changing an open node, it is checked to lead to that node still.
//!
//! Paths are resolved by [`path`](crate::fs::path), one component at a time; the server never sees `..`, and never follows a
//! symbolic link. Nothing is cached: what the host changes is seen by the next call. Read first: [`NinepFs`], `nodes`.
//! Limits: an append is two requests, and so not atomic towards the host; a file cut short after it lost its last name keeps its
//! blocks on the host until it is closed; new files have mode 644 and new directories 755.

mod client;
mod message;
mod nodes;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

pub use client::Channel;
pub use nodes::NinepFs;

use super::node::WriteAt;
use super::{Access, DirectoryEntry, Error, FileSystem, Found, Metadata, NewNode, NodeId, NodeKind};
use alloc::vec::Vec;
use client::NewAttributes;
use core::ops::ControlFlow;
use message::Qid;
use nodes::{Entry, Purpose, State, kind_of};

/// The most bytes of a file: offsets are signed on the host.
const MAX_FILE_LEN_BYTES: u64 = i64::MAX as u64;

impl<C: Channel> FileSystem for NinepFs<C> {
    fn metadata(&mut self, node: NodeId) -> Result<Metadata, Error> {
        match self.attributes(node)? {
            Some(attributes) => Ok(attributes.metadata),
            None => self.entry(node)?.known.ok_or(Error::NotFound),
        }
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<Found, Error> {
        check_name(name)?;
        let directory = self.fid(directory)?;
        match self.client.walk(directory, Some(name))? {
            (fid, Some(qid)) => self.note(fid, qid),
            (_, None) => Err(Error::Io),
        }
    }

    fn read_link(&mut self, link: NodeId, target: &mut Vec<u8>) -> Result<(), Error> {
        let link = self.fid(link)?;
        self.client.read_link(link, target)
    }

    fn open(&mut self, node: NodeId, access: Access) -> Result<(), Error> {
        if access.write {
            self.check_writable()?;
        }
        // A pipe or a device of the host is not opened: opening alone may have an effect there.
        if self.attributes(node)?.ok_or(Error::NotFound)?.is_special {
            return Err(Error::NotPermitted);
        }
        let mut done = None;
        for purpose in Purpose::of(access) {
            if let Err(error) = self.open_for(node, purpose) {
                if let Some(done) = done {
                    self.close_for(node, done);
                }
                return Err(error);
            }
            done = Some(purpose);
        }
        Ok(())
    }

    fn close(&mut self, node: NodeId, access: Access) {
        for purpose in Purpose::of(access) {
            self.close_for(node, purpose);
        }
        if let Some(entry) = self.nodes.get(&node)
            && !entry.is_open()
            && entry.state != State::Named
        {
            let fid = entry.fid;
            self.nodes.remove(&node);
            self.client.clunk(fid);
        }
    }

    fn forget_unopened(&mut self) {
        let root = self.root;
        let unused = |id: &NodeId, entry: &mut Entry| *id != root && !entry.is_open();
        for (_, entry) in self.nodes.extract_if(|id, entry| unused(id, entry)) {
            self.client.clunk(entry.fid);
        }
    }

    fn read(&mut self, file: NodeId, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let fid = self.open_file(file, Purpose::Read)?;
        let mut wanted = buffer.len();
        if let (State::Unlinked { .. }, Some(known)) = (self.entry(file)?.state, self.entry(file)?.known) {
            let left = known.length_bytes.saturating_sub(offset);
            wanted = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let mut count = 0;
        while count < wanted {
            match self
                .client
                .read(fid, offset.saturating_add(count as u64), &mut buffer[count..wanted])
            {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    fn write(&mut self, file: NodeId, at: WriteAt, bytes: &[u8], _now_ns: u64) -> Result<(usize, u64), Error> {
        let fid = self.open_file(file, Purpose::Write)?;
        let offset = match at {
            WriteAt::Offset(offset) => offset,
            WriteAt::End => self.metadata(file)?.length_bytes,
        };
        if offset
            .checked_add(bytes.len() as u64)
            .is_none_or(|end| end > MAX_FILE_LEN_BYTES)
        {
            return Err(Error::FileTooBig);
        }
        self.fill_gap(file, fid, offset)?;
        let count = self.write_all(fid, offset, bytes)?;
        let end = offset + count as u64;
        let entry = self.entry(file)?;
        if let Some(known) = &mut entry.known {
            known.length_bytes = known.length_bytes.max(end);
        }
        if let State::Unlinked { stored_len_bytes } = &mut entry.state {
            *stored_len_bytes = end.max(*stored_len_bytes);
        }
        Ok((count, end))
    }

    fn set_length(&mut self, file: NodeId, length_bytes: u64, _now_ns: u64) -> Result<(), Error> {
        self.check_writable()?;
        if length_bytes > MAX_FILE_LEN_BYTES {
            return Err(Error::FileTooBig);
        }
        if self.unlinked(file)?.is_some() {
            let fid = self.open_file(file, Purpose::Write)?;
            self.fill_gap(file, fid, length_bytes)?;
            if let Some((known, _)) = self.unlinked(file)? {
                known.length_bytes = length_bytes;
            }
            return Ok(());
        }
        let fid = self.fid(file)?;
        let new = NewAttributes {
            length_bytes: Some(length_bytes),
            ..NewAttributes::default()
        };
        self.client.set_attributes(fid, new)?;
        if let Some(known) = &mut self.entry(file)?.known {
            known.length_bytes = length_bytes;
        }
        Ok(())
    }

    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        _now_ns: u64,
    ) -> Result<(), Error> {
        self.check_writable()?;
        if let Some((known, _)) = self.unlinked(node)? {
            known.accessed_ns = accessed_ns.unwrap_or(known.accessed_ns);
            known.modified_ns = modified_ns.unwrap_or(known.modified_ns);
            return Ok(());
        }
        let fid = self.fid(node)?;
        let new = NewAttributes {
            length_bytes: None,
            accessed_ns,
            modified_ns,
        };
        self.client.set_attributes(fid, new)
    }

    fn create(&mut self, directory: NodeId, name: &[u8], new: NewNode<'_>, _now_ns: u64) -> Result<NodeId, Error> {
        self.check_writable()?;
        check_name(name)?;
        let parent = self.fid(directory)?;
        match new {
            NewNode::File => {
                let (fid, _) = self.client.walk(parent, None)?;
                let result = self.client.create_file(fid, name);
                self.client.clunk(fid);
                result?;
            }
            NewNode::Directory => self.client.create_directory(parent, name)?,
            NewNode::Symlink(target) => self.client.create_symlink(parent, name, target)?,
        }
        self.lookup(directory, name).map(|found| found.id)
    }

    fn link(&mut self, node: NodeId, directory: NodeId, name: &[u8], _now_ns: u64) -> Result<(), Error> {
        self.check_writable()?;
        check_name(name)?;
        let (file, directory) = (self.fid(node)?, self.fid(directory)?);
        self.client.link(file, directory, name)
    }

    fn unlink(&mut self, directory: NodeId, name: &[u8], _now_ns: u64) -> Result<(), Error> {
        self.check_writable()?;
        check_name(name)?;
        let directory = self.fid(directory)?;
        self.client.unlink(directory, name, false)
    }

    fn remove_directory(&mut self, directory: NodeId, name: &[u8], _now_ns: u64) -> Result<(), Error> {
        self.check_writable()?;
        check_name(name)?;
        let directory = self.fid(directory)?;
        self.client.unlink(directory, name, true)
    }

    fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8]), _now_ns: u64) -> Result<(), Error> {
        self.check_writable()?;
        check_name(from.1)?;
        check_name(to.1)?;
        let (old, new) = (self.fid(from.0)?, self.fid(to.0)?);
        self.client.rename((old, from.1), (new, to.1))
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        position: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let fid = self.open_file(directory, Purpose::Read)?;
        let mut position = position;
        let mut wants_more = true;
        while wants_more {
            let mut is_sound = true;
            let count = self.client.read_directory(fid, position, &mut |entry| {
                // A position that is no signed number, or that stays where it is, would be a listing without an end.
                is_sound = entry.next_position <= MAX_FILE_LEN_BYTES && entry.next_position != position;
                position = entry.next_position;
                if is_sound && check_name(entry.name).is_ok() {
                    wants_more = visit(DirectoryEntry {
                        name: entry.name,
                        id: NodeId(entry.qid.path),
                        kind: kind_of_listed(entry.kind, entry.qid),
                        next_position: entry.next_position,
                    })
                    .is_continue();
                }
                is_sound && wants_more
            })?;
            if !is_sound {
                return Err(Error::Io);
            }
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    fn sync(&mut self, node: NodeId, data_only: bool) -> Result<(), Error> {
        let opened = self.entry(node)?.opened;
        match opened[Purpose::Write as usize].or(opened[Purpose::Read as usize]) {
            Some(open) => self.client.sync(open.fid, data_only),
            None => Ok(()),
        }
    }
}

/// Names come from [`path`](crate::fs::path) and are single components; this is the second lock on the same door.
fn check_name(name: &[u8]) -> Result<(), Error> {
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0)) {
        return Err(Error::Invalid);
    }
    Ok(())
}

/// Listings carry the number that Linux has for a kind; a file system of the host that knows none leaves it to the identity.
fn kind_of_listed(kind: u8, qid: Qid) -> NodeKind {
    match kind {
        0 => kind_of(qid),
        4 => NodeKind::Directory,
        10 => NodeKind::Symlink,
        _ => NodeKind::File,
    }
}
