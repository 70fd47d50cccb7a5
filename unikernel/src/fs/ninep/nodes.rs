//! The nodes of a shared folder: which fids the server keeps for each, and what is known of it.
//!
//! Read first: [`NinepFs`], [`Entry`], [`State`].

use super::client::{Attributes, Channel, Client, Fid, open_flags};
use super::message::Qid;
use crate::fs::number_map::NumberMap;
use crate::fs::{Access, Error, Found, Metadata, NodeId, NodeKind};
use crate::headroom;

/// Whether a node's fid leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does, as far as is known.
    Named,
    /// The name is gone or means another file. The file on the server has at most that many bytes.
    Unlinked { stored_len_bytes: u64 },
}

/// An open file of the server and how many descriptors use it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) fid: Fid,
    count: u32,
}

/// Which of a node's open files.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Read = 0,
    Write = 1,
}

impl Purpose {
    /// Returns what a descriptor needs.
    pub(super) fn of(access: Access) -> impl Iterator<Item = Purpose> {
        let wanted = [(Purpose::Read, access.read), (Purpose::Write, access.write)];
        wanted
            .into_iter()
            .filter(|(_, is_wanted)| *is_wanted)
            .map(|(purpose, _)| purpose)
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: NodeKind,
    /// The path.
    pub(super) fid: Fid,
    /// The file open on the server, for reading and for writing.
    pub(super) opened: [Option<Open>; 2],
    pub(super) state: State,
    /// The last known attributes, of an open node.
    pub(super) known: Option<Metadata>,
}

impl Entry {
    pub(super) fn is_open(&self) -> bool {
        self.opened.iter().any(Option::is_some)
    }
}

/// A shared folder.
pub struct NinepFs<C> {
    pub(super) client: Client<C>,
    pub(super) nodes: NumberMap<NodeId, Entry>,
    pub(super) root: NodeId,
    is_read_only: bool,
}

impl<C: Channel> NinepFs<C> {
    /// Connects to a server.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn connect(channel: C, is_read_only: bool) -> Result<Self, &'static str> {
        let (client, qid) = Client::connect(channel)?;
        let mut system = NinepFs {
            client,
            nodes: NumberMap::default(),
            root: NodeId(qid.path),
            is_read_only,
        };
        system
            .note(Fid::ROOT, qid)
            .map_err(|_| "there is too little memory for it")?;
        Ok(system)
    }

    /// Returns the shared folder itself.
    pub fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn entry(&mut self, node: NodeId) -> Result<&mut Entry, Error> {
        self.nodes.get_mut(&node).ok_or(Error::NotFound)
    }

    pub(super) fn fid(&self, node: NodeId) -> Result<Fid, Error> {
        self.nodes.get(&node).map(|entry| entry.fid).ok_or(Error::NotFound)
    }

    pub(super) fn check_writable(&self) -> Result<(), Error> {
        if self.is_read_only {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// Notes that a fid leads to a node. A fid that did so before is given back: the newer one has the newer path.
    pub(super) fn note(&mut self, fid: Fid, qid: Qid) -> Result<Found, Error> {
        let id = NodeId(qid.path);
        let kind = kind_of(qid);
        if let Some(entry) = self.nodes.get_mut(&id) {
            entry.kind = kind;
            entry.state = State::Named;
            let old = core::mem::replace(&mut entry.fid, fid);
            self.client.clunk(old);
            return Ok(Found { id, kind });
        }
        if !headroom::reserve_entry(&mut self.nodes) {
            self.client.clunk(fid);
            return Err(Error::NoMemory);
        }
        self.nodes.insert(
            id,
            Entry {
                kind,
                fid,
                opened: [None; 2],
                state: State::Named,
                known: None,
            },
        );
        Ok(Found { id, kind })
    }

    /// Opens the file of a node once more.
    fn open_fid(&mut self, node: NodeId, flags: u32) -> Result<Open, Error> {
        let path = self.fid(node)?;
        let (fid, _) = self.client.walk(path, None)?;
        match self.client.open(fid, flags) {
            Ok(qid) if qid.path == node.0 => Ok(Open { fid, count: 1 }),
            result => {
                self.client.clunk(fid);
                Err(result.err().unwrap_or(Error::NotFound))
            }
        }
    }

    pub(super) fn open_for(&mut self, node: NodeId, purpose: Purpose) -> Result<(), Error> {
        if let Some(open) = &mut self.entry(node)?.opened[purpose as usize] {
            open.count += 1;
            return Ok(());
        }
        let flags = match purpose {
            Purpose::Read => open_flags::READ,
            Purpose::Write => open_flags::WRITE,
        };
        let open = self.open_fid(node, flags)?;
        self.entry(node)?.opened[purpose as usize] = Some(open);
        Ok(())
    }

    pub(super) fn close_for(&mut self, node: NodeId, purpose: Purpose) {
        let Some(entry) = self.nodes.get_mut(&node) else {
            return;
        };
        let slot = &mut entry.opened[purpose as usize];
        let Some(open) = slot else {
            return;
        };
        open.count -= 1;
        if open.count == 0 {
            let fid = open.fid;
            *slot = None;
            self.client.clunk(fid);
        }
    }

    pub(super) fn open_file(&self, node: NodeId, purpose: Purpose) -> Result<Fid, Error> {
        let entry = self.nodes.get(&node).ok_or(Error::NotFound)?;
        let open = entry.opened[purpose as usize].ok_or(Error::AccessDenied)?;
        Ok(open.fid)
    }

    /// Returns the attributes of a node that its path leads to; `None` for one that is open and has lost its name.
    pub(super) fn attributes(&mut self, node: NodeId) -> Result<Option<Attributes>, Error> {
        let entry = self.nodes.get_mut(&node).ok_or(Error::NotFound)?;
        if entry.state != State::Named {
            return Ok(None);
        }
        let result = match self.client.attributes(entry.fid) {
            Ok(attributes) if attributes.qid.path == node.0 => Ok(attributes),
            Ok(_) => Err(Error::NotFound),
            Err(error) => Err(error),
        };
        match (result, &mut entry.known) {
            (Ok(attributes), known) => {
                entry.kind = attributes.metadata.kind;
                *known = Some(attributes.metadata);
                Ok(Some(attributes))
            }
            (Err(Error::NotFound | Error::NotDirectory), Some(known)) if entry.opened.iter().any(Option::is_some) => {
                known.links = 0;
                entry.state = State::Unlinked {
                    stored_len_bytes: known.length_bytes,
                };
                Ok(None)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Returns the attributes that stand in for those of an open node without a name, and the length stored on the server; `None` for
    /// a node that can be changed by its path. A node that is not open was shown by this very call, and is not checked.
    pub(super) fn unlinked(&mut self, node: NodeId) -> Result<Option<(&mut Metadata, &mut u64)>, Error> {
        if self.entry(node)?.is_open() {
            self.attributes(node)?;
        }
        let entry = self.entry(node)?;
        Ok(match (&mut entry.state, &mut entry.known) {
            (State::Unlinked { stored_len_bytes }, Some(known)) => Some((known, stored_len_bytes)),
            _ => None,
        })
    }

    /// Writes all of `bytes`, or as many as there is space for.
    pub(super) fn write_all(&mut self, fid: Fid, offset: u64, bytes: &[u8]) -> Result<usize, Error> {
        let mut count = 0;
        while count < bytes.len() {
            match self.client.write(fid, offset + count as u64, &bytes[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if count == 0 && !bytes.is_empty() {
            return Err(Error::Io);
        }
        Ok(count)
    }

    /// Writes zeros where an unlinked file was cut short and grows again: there the server still has the old bytes.
    pub(super) fn fill_gap(&mut self, file: NodeId, fid: Fid, end: u64) -> Result<(), Error> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let entry = self.entry(file)?;
        let (State::Unlinked { stored_len_bytes }, Some(known)) = (entry.state, entry.known) else {
            return Ok(());
        };
        let end = end.min(stored_len_bytes);
        let mut offset = known.length_bytes;
        while offset < end {
            let part = &ZEROS[..(end - offset).min(ZEROS.len() as u64) as usize];
            offset += self.write_all(fid, offset, part)? as u64;
        }
        Ok(())
    }
}

/// Returns the kind that an identity tells; special files of the host pass for files until they are opened.
pub(super) fn kind_of(qid: Qid) -> NodeKind {
    match qid.kind {
        kind if kind & Qid::QT_DIRECTORY != 0 => NodeKind::Directory,
        kind if kind & Qid::QT_SYMLINK != 0 => NodeKind::Symlink,
        _ => NodeKind::File,
    }
}
