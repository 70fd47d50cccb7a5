//! A small 9P2000.L server over a folder, in this process: what the client is tested against.
//!
//! Like QEMU's, it keeps a path for each fid, corrects paths after a rename, and keeps open files open. [`Server::tamper`] lets a
//! test change replies on their way. Limits: no permissions, no links to follow, one client.

use super::client::Channel;
use super::message::{Decoder, ERROR_REPLY, Request};
use crate::fs::Error;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Changes a reply: its request's type, the buffer and the length.
pub type Tamper = Box<dyn FnMut(u8, &mut [u8], &mut usize)>;

struct Handle {
    path: PathBuf,
    file: Option<File>,
}

/// The server.
pub struct Server {
    root: PathBuf,
    handles: BTreeMap<u32, Handle>,
    /// What happens to replies.
    pub tamper: Option<Tamper>,
}

impl Server {
    pub fn new(root: &Path) -> Self {
        Server {
            root: root.into(),
            handles: BTreeMap::new(),
            tamper: None,
        }
    }

    fn path(&self, fid: u32) -> io::Result<PathBuf> {
        Ok(self.handle(fid)?.path.clone())
    }

    fn handle(&self, fid: u32) -> io::Result<&Handle> {
        self.handles.get(&fid).ok_or(io::Error::from_raw_os_error(9))
    }

    fn file(&self, fid: u32) -> io::Result<&File> {
        self.handle(fid)?.file.as_ref().ok_or(io::Error::from_raw_os_error(9))
    }

    fn child(&self, fields: &mut Decoder<'_>) -> io::Result<PathBuf> {
        let directory = self.path(fields.u32().unwrap())?;
        let name = fields.string().unwrap();
        assert!(
            !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/'),
            "a name that the client must not send"
        );
        Ok(directory.join(OsStr::from_bytes(name)))
    }

    fn answer(&mut self, request: u8, fields: &mut Decoder<'_>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match request {
            r if r == Request::Version as u8 => {
                out.extend(fields.u32().unwrap().to_le_bytes());
                put_string(&mut out, fields.string().unwrap());
            }
            r if r == Request::Attach as u8 => {
                let path = self.root.clone();
                put_qid(&mut out, &fs::symlink_metadata(&path)?);
                self.handles.insert(fields.u32().unwrap(), Handle { path, file: None });
            }
            r if r == Request::Walk as u8 => {
                let from = fields.u32().unwrap();
                let to = fields.u32().unwrap();
                let count = fields.u16().unwrap();
                let mut path = self.path(from)?;
                out.extend(count.to_le_bytes());
                for _ in 0..count {
                    path.push(OsStr::from_bytes(fields.string().unwrap()));
                    put_qid(&mut out, &fs::symlink_metadata(&path)?);
                }
                assert!(
                    self.handles.insert(to, Handle { path, file: None }).is_none(),
                    "the fid is in use"
                );
            }
            r if r == Request::Clunk as u8 => {
                assert!(
                    self.handles.remove(&fields.u32().unwrap()).is_some(),
                    "the fid is not in use"
                );
            }
            r if r == Request::Lopen as u8 => {
                let fid = fields.u32().unwrap();
                let is_write = fields.u32().unwrap() & 3 != 0;
                let path = self.path(fid)?;
                let file = File::options().read(!is_write).write(is_write).open(&path)?;
                put_qid(&mut out, &file.metadata()?);
                out.extend(0u32.to_le_bytes());
                self.handles.insert(fid, Handle { path, file: Some(file) });
            }
            _ => return self.answer_about_names(request, fields),
        }
        Ok(out)
    }

    fn answer_about_names(&mut self, request: u8, fields: &mut Decoder<'_>) -> io::Result<Vec<u8>> {
        match request {
            r if r == Request::Lcreate as u8 => {
                let fid = fields.0[..4].try_into().map(u32::from_le_bytes).unwrap();
                let path = self.child(fields)?;
                let file = File::options().write(true).create_new(true).open(&path)?;
                self.handles.insert(fid, Handle { path, file: Some(file) });
            }
            r if r == Request::Mkdir as u8 => fs::create_dir(self.child(fields)?)?,
            r if r == Request::Symlink as u8 => {
                let path = self.child(fields)?;
                std::os::unix::fs::symlink(OsStr::from_bytes(fields.string().unwrap()), path)?;
            }
            r if r == Request::Link as u8 => {
                let directory = fields.0;
                let file = Decoder(&directory[4..]).u32().unwrap();
                let rest = [&directory[..4], &directory[8..]].concat();
                fs::hard_link(self.path(file)?, self.child(&mut Decoder(&rest))?)?;
            }
            r if r == Request::Unlinkat as u8 => {
                let path = self.child(fields)?;
                match fields.u32().unwrap() {
                    0 => fs::remove_file(path)?,
                    _ => fs::remove_dir(path)?,
                }
            }
            r if r == Request::Renameat as u8 => {
                let (old, new) = (self.child(fields)?, self.child(fields)?);
                fs::rename(&old, &new)?;
                for handle in self.handles.values_mut() {
                    if let Ok(below) = handle.path.strip_prefix(&old) {
                        handle.path = if below.as_os_str().is_empty() {
                            new.clone()
                        } else {
                            new.join(below)
                        };
                    }
                }
            }
            _ => return self.answer_about_contents(request, fields),
        }
        Ok([0; 17].to_vec())
    }

    fn answer_about_contents(&mut self, request: u8, fields: &mut Decoder<'_>) -> io::Result<Vec<u8>> {
        let fid = fields.u32().unwrap();
        let mut out = Vec::new();
        match request {
            r if r == Request::Readlink as u8 => {
                put_string(&mut out, fs::read_link(self.path(fid)?)?.as_os_str().as_bytes());
            }
            r if r == Request::Getattr as u8 => put_attributes(&mut out, &fs::symlink_metadata(self.path(fid)?)?),
            r if r == Request::Setattr as u8 => {
                if fields.u32().unwrap() & 8 != 0 {
                    let len_bytes = Decoder(&fields.0[12..]).u64().unwrap();
                    File::options().write(true).open(self.path(fid)?)?.set_len(len_bytes)?;
                }
            }
            r if r == Request::Readdir as u8 => {
                let position = fields.u64().unwrap();
                let mut entries: Vec<_> = fs::read_dir(self.path(fid)?)?.map(Result::unwrap).collect();
                entries.sort_by_key(std::fs::DirEntry::file_name);
                let mut data = Vec::new();
                for (entry, next) in entries.iter().zip(1u64..).skip(position as usize).take(3) {
                    put_qid(&mut data, &entry.metadata()?);
                    data.extend(next.to_le_bytes());
                    data.push(0);
                    put_string(&mut data, entry.file_name().as_bytes());
                }
                out.extend((data.len() as u32).to_le_bytes());
                out.extend(data);
            }
            r if r == Request::Read as u8 => {
                let offset = fields.u64().unwrap();
                let mut data = std::vec![0; fields.u32().unwrap() as usize];
                let count = self.file(fid)?.read_at(&mut data, offset)?;
                out.extend((count as u32).to_le_bytes());
                out.extend(&data[..count]);
            }
            r if r == Request::Write as u8 => {
                let offset = fields.u64().unwrap();
                let count = fields.u32().unwrap();
                self.file(fid)?
                    .write_all_at(fields.bytes(count as usize).unwrap(), offset)?;
                out.extend(count.to_le_bytes());
            }
            r if r == Request::Fsync as u8 => self.file(fid)?.sync_all()?,
            other => panic!("request {other}"),
        }
        Ok(out)
    }
}

impl Channel for Server {
    fn exchange(&mut self, request: &[u8], reply: &mut [u8]) -> Result<usize, Error> {
        let mut fields = Decoder(request);
        assert_eq!(fields.u32().unwrap() as usize, request.len());
        let (kind, tag) = (fields.u8().unwrap(), fields.u16().unwrap());
        let (reply_kind, body) = match self.answer(kind, &mut fields) {
            Ok(body) => (kind + 1, body),
            Err(error) => (
                ERROR_REPLY,
                (error.raw_os_error().unwrap() as u32).to_le_bytes().to_vec(),
            ),
        };
        let mut len_bytes = 7 + body.len();
        reply[..4].copy_from_slice(&(len_bytes as u32).to_le_bytes());
        reply[4] = reply_kind;
        reply[5..7].copy_from_slice(&tag.to_le_bytes());
        reply[7..len_bytes].copy_from_slice(&body);
        if let Some(tamper) = &mut self.tamper {
            tamper(kind, reply, &mut len_bytes);
        }
        Ok(len_bytes)
    }
}

fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text);
}

fn put_qid(out: &mut Vec<u8>, metadata: &Metadata) {
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => 0x80,
        kind if kind.is_symlink() => 2,
        _ => 0,
    };
    out.push(kind);
    out.extend([0; 4]);
    out.extend(metadata.ino().to_le_bytes());
}

fn put_attributes(out: &mut Vec<u8>, metadata: &Metadata) {
    out.extend(0x7ffu64.to_le_bytes());
    put_qid(out, metadata);
    out.extend(metadata.mode().to_le_bytes());
    out.extend([0; 8]);
    let numbers = [metadata.nlink(), 0, metadata.len(), 4096, 0];
    let times = [
        (metadata.atime(), metadata.atime_nsec()),
        (metadata.mtime(), metadata.mtime_nsec()),
        (metadata.ctime(), metadata.ctime_nsec()),
        (0, 0),
    ];
    let times = times
        .iter()
        .flat_map(|&(seconds, nanoseconds)| [seconds as u64, nanoseconds as u64]);
    for number in numbers.into_iter().chain(times).chain([0, 0]) {
        out.extend(number.to_le_bytes());
    }
}
