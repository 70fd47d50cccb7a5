//! `/dev`: a fixed directory of devices.
//!
//! The file system only names them; whoever opens one talks to the device itself, so reading and writing by node are refused.

use super::node::WriteAt;
use super::{Access, Device, DirectoryEntry, Error, FileSystem, Found, Metadata, NewNode, NodeId, NodeKind};
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The directory of the devices.
pub const ROOT: NodeId = NodeId(0);

const ENTRIES: [(&[u8], Device); 7] = [
    (b"null", Device::Null),
    (b"random", Device::Random),
    (b"stderr", Device::Stderr),
    (b"stdin", Device::Stdin),
    (b"stdout", Device::Stdout),
    (b"urandom", Device::Random),
    (b"zero", Device::Zero),
];

/// The file system of `/dev`.
#[derive(Debug)]
pub struct DeviceFs {
    started_ns: u64,
}

impl DeviceFs {
    /// Makes the file system; `now_ns` becomes the time of all its files.
    pub const fn new(now_ns: u64) -> Self {
        DeviceFs { started_ns: now_ns }
    }
}

impl FileSystem for DeviceFs {
    fn metadata(&mut self, node: NodeId) -> Result<Metadata, Error> {
        let kind = match (node.0 as usize).checked_sub(1) {
            None => NodeKind::Directory,
            Some(index) => NodeKind::Device(ENTRIES.get(index).ok_or(Error::NotFound)?.1),
        };
        Ok(Metadata {
            kind,
            links: 1,
            length_bytes: 0,
            accessed_ns: self.started_ns,
            modified_ns: self.started_ns,
            changed_ns: self.started_ns,
        })
    }

    fn lookup(&mut self, directory: NodeId, name: &[u8]) -> Result<Found, Error> {
        if directory != ROOT {
            return Err(Error::NotDirectory);
        }
        let index = ENTRIES
            .iter()
            .position(|entry| entry.0 == name)
            .ok_or(Error::NotFound)?;
        Ok(Found {
            id: NodeId(index as u64 + 1),
            kind: NodeKind::Device(ENTRIES[index].1),
        })
    }

    fn read_link(&mut self, _link: NodeId, _target: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::Invalid)
    }

    fn open(&mut self, _node: NodeId, _access: Access) -> Result<(), Error> {
        Ok(())
    }

    fn close(&mut self, _node: NodeId, _access: Access) {}

    fn read(&mut self, _file: NodeId, _offset: u64, _buffer: &mut [u8]) -> Result<usize, Error> {
        Err(Error::Invalid)
    }

    fn write(&mut self, _file: NodeId, _at: WriteAt, _bytes: &[u8], _now_ns: u64) -> Result<(usize, u64), Error> {
        Err(Error::Invalid)
    }

    fn set_length(&mut self, _file: NodeId, _length_bytes: u64, _now_ns: u64) -> Result<(), Error> {
        Err(Error::Invalid)
    }

    fn set_times(
        &mut self,
        _node: NodeId,
        _accessed_ns: Option<u64>,
        _modified_ns: Option<u64>,
        _now_ns: u64,
    ) -> Result<(), Error> {
        Err(Error::NotPermitted)
    }

    fn create(&mut self, directory: NodeId, name: &[u8], _new: NewNode<'_>, _now_ns: u64) -> Result<NodeId, Error> {
        match self.lookup(directory, name) {
            Ok(_) => Err(Error::Exists),
            Err(_) => Err(Error::NotPermitted),
        }
    }

    fn link(&mut self, _node: NodeId, _directory: NodeId, _name: &[u8], _now_ns: u64) -> Result<(), Error> {
        Err(Error::NotPermitted)
    }

    fn unlink(&mut self, _directory: NodeId, _name: &[u8], _now_ns: u64) -> Result<(), Error> {
        Err(Error::NotPermitted)
    }

    fn remove_directory(&mut self, _directory: NodeId, _name: &[u8], _now_ns: u64) -> Result<(), Error> {
        Err(Error::NotDirectory)
    }

    fn rename(&mut self, _from: (NodeId, &[u8]), _to: (NodeId, &[u8]), _now_ns: u64) -> Result<(), Error> {
        Err(Error::NotPermitted)
    }

    fn read_directory(
        &mut self,
        directory: NodeId,
        position: u64,
        visit: &mut dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if directory != ROOT {
            return Err(Error::NotDirectory);
        }
        let entries = ENTRIES
            .iter()
            .zip(1..)
            .skip(usize::try_from(position).unwrap_or(usize::MAX));
        for (&(name, device), next_position) in entries {
            let entry = DirectoryEntry {
                name,
                id: NodeId(next_position),
                kind: NodeKind::Device(device),
                next_position,
            };
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn sync(&mut self, _node: NodeId, _data_only: bool) -> Result<(), Error> {
        Ok(())
    }
}
