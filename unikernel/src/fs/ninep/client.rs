//! A client of a 9P2000.L server: one function for each request, which waits for the reply.
//!
//! One request is on its way at a time, so one tag does. A reply is believed only as far as its bytes go: its length, tag, type
//! and every count in it are checked, and what does not fit is [`Error::Io`]. Read first: [`Client`], [`Channel`].

use super::message::{Decoder, ERROR_REPLY, Encoder, HEADER_LEN_BYTES, Qid, Request, error_of_linux};
use crate::fs::{Error, Metadata, NodeKind};
use crate::headroom;
use alloc::vec::Vec;

/// The way to a server.
pub trait Channel {
    /// Sends a request, waits for the reply, writes it to `reply` and returns its length in bytes. Both buffers are never freed.
    ///
    /// # Errors
    /// [`Error::Io`] if the server cannot be reached, or did not answer in time: then it is not asked again.
    fn exchange(&mut self, request: &[u8], reply: &mut [u8]) -> Result<usize, Error>;
}

/// The client's name for a file of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fid(u32);

impl Fid {
    /// The root directory.
    pub const ROOT: Fid = Fid(0);
    const NONE: Fid = Fid(u32::MAX);
}

/// Lengths of a message that are tried, in bytes: long ones are for speed, short ones fit into small machines.
const MESSAGE_LENS_BYTES: [usize; 3] = [512 * 1024, 64 * 1024, 16 * 1024];
/// The least that any request or reply needs: a name, a link's target.
const MIN_MESSAGE_LEN_BYTES: usize = 8 * 1024;
/// A message that carries data is so much longer than the data, at most.
const DATA_HEADER_LEN_BYTES: usize = 24;

const VERSION: &[u8] = b"9P2000.L";
const TAG: u16 = 1;
/// Of a user or group: none. The server then leaves the owner of what it makes as it is.
const NOBODY: u32 = u32::MAX;

const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;
const BASIC_ATTRIBUTES: u64 = 0x7ff;

/// Flags of [`Client::open`]: those of Linux.
pub mod open_flags {
    /// For reading.
    pub const READ: u32 = 0;
    /// For writing.
    pub const WRITE: u32 = 1;
    pub(super) const CREATE: u32 = 0o100;
    pub(super) const EXCLUSIVE: u32 = 0o200;
}

/// What [`Client::set_attributes`] changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewAttributes {
    /// Length in bytes.
    pub length_bytes: Option<u64>,
    /// Time of the last access in nanoseconds since 1970.
    pub accessed_ns: Option<u64>,
    /// Time of the last change in nanoseconds since 1970.
    pub modified_ns: Option<u64>,
}

/// What a file is, and its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Its identity.
    pub qid: Qid,
    /// It is neither file, directory nor link: a device, a pipe, a socket of the host.
    pub is_special: bool,
    /// The attributes.
    pub metadata: Metadata,
}

/// An entry of a directory.
pub struct Entry<'a> {
    /// Identity; its kind may be missing.
    pub qid: Qid,
    /// Position of the next entry.
    pub next_position: u64,
    /// The `DT_` number of Linux, 0 if unknown.
    pub kind: u8,
    /// Name.
    pub name: &'a [u8],
}

/// A client.
pub struct Client<C> {
    channel: C,
    request: &'static mut [u8],
    reply: &'static mut [u8],
    free_fids: Vec<Fid>,
    next_fid: u32,
}

impl<C: Channel> Client<C> {
    /// Agrees with the server on version and length of messages and asks for its root directory, [`Fid::ROOT`].
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn connect(channel: C) -> Result<(Self, Qid), &'static str> {
        let (request, reply) = MESSAGE_LENS_BYTES
            .iter()
            .find_map(|&len_bytes| Some((new_buffer(len_bytes)?, new_buffer(len_bytes)?)))
            .ok_or("there is too little memory for its messages")?;
        let mut client = Client {
            channel,
            request,
            reply,
            free_fids: Vec::new(),
            next_fid: Fid::ROOT.0 + 1,
        };
        let len_bytes = client.agree().map_err(|_| "its server does not speak 9P2000.L")?;
        client.request = &mut core::mem::take(&mut client.request)[..len_bytes];
        client.reply = &mut core::mem::take(&mut client.reply)[..len_bytes];
        let root = client.attach().map_err(|_| "its server refuses access")?;
        Ok((client, root))
    }

    /// Returns the way to the server.
    #[cfg(test)]
    pub fn channel_mut(&mut self) -> &mut C {
        &mut self.channel
    }

    fn agree(&mut self) -> Result<usize, Error> {
        let own_len_bytes = self.request.len();
        let mut reply = self.call(Request::Version, |encoder| {
            encoder.u32(own_len_bytes as u32).string(VERSION);
        })?;
        let len_bytes = reply.u32()? as usize;
        if reply.string()? != VERSION || len_bytes < MIN_MESSAGE_LEN_BYTES {
            return Err(Error::Unsupported);
        }
        Ok(len_bytes.min(own_len_bytes))
    }

    fn attach(&mut self) -> Result<Qid, Error> {
        self.call(Request::Attach, |encoder| {
            encoder
                .u32(Fid::ROOT.0)
                .u32(Fid::NONE.0)
                .string(b"")
                .string(b"")
                .u32(NOBODY);
        })?
        .qid()
    }

    /// Sends a request whose fields `encode` writes, and returns the fields of the reply.
    fn call(&mut self, request: Request, encode: impl FnOnce(&mut Encoder<'_>)) -> Result<Decoder<'_>, Error> {
        let mut encoder = Encoder::new(self.request, request, TAG);
        encode(&mut encoder);
        let len_bytes = encoder.finish()?;
        let received = self.channel.exchange(&self.request[..len_bytes], self.reply)?;
        let mut reply = Decoder(self.reply.get(..received).ok_or(Error::Io)?);
        let (size, kind, tag) = (reply.u32()? as usize, reply.u8()?, reply.u16()?);
        if size < HEADER_LEN_BYTES || size > received || (tag != TAG && request != Request::Version) {
            return Err(Error::Io);
        }
        let mut fields = Decoder(reply.bytes(size - HEADER_LEN_BYTES)?);
        if kind == ERROR_REPLY {
            return Err(error_of_linux(fields.u32()?));
        }
        if kind != request as u8 + 1 {
            return Err(Error::Io);
        }
        Ok(fields)
    }

    fn take_fid(&mut self) -> Result<Fid, Error> {
        if let Some(fid) = self.free_fids.pop() {
            return Ok(fid);
        }
        let fid = Fid(self.next_fid);
        self.next_fid = self
            .next_fid
            .checked_add(1)
            .filter(|&next| next != Fid::NONE.0)
            .ok_or(Error::NoMemory)?;
        Ok(fid)
    }

    /// Notes that a fid can be used again; without memory for the note it is not.
    fn give_back(&mut self, fid: Fid) {
        if headroom::reserve_item(&mut self.free_fids) {
            self.free_fids.push(fid);
        }
    }

    /// Makes a new fid for the entry `name` of a directory, or for the file of `from` itself.
    ///
    /// # Errors
    /// What the server reports, as for all requests below.
    pub fn walk(&mut self, from: Fid, name: Option<&[u8]>) -> Result<(Fid, Option<Qid>), Error> {
        let fid = self.take_fid()?;
        let result = self.try_walk(from, fid, name);
        // After a malformed reply nobody knows whether the server has the fid: it is not used again.
        if result.as_ref().is_err_and(|&error| error != Error::Io) {
            self.give_back(fid);
        }
        Ok((fid, result?))
    }

    fn try_walk(&mut self, from: Fid, to: Fid, name: Option<&[u8]>) -> Result<Option<Qid>, Error> {
        let mut reply = self.call(Request::Walk, |encoder| {
            encoder.u32(from.0).u32(to.0).u16(name.is_some().into());
            if let Some(name) = name {
                encoder.string(name);
            }
        })?;
        if reply.u16()? != u16::from(name.is_some()) {
            return Err(Error::Io);
        }
        name.is_some().then(|| reply.qid()).transpose()
    }

    /// Gives a fid back. That the server might complain changes nothing: the fid is gone.
    pub fn clunk(&mut self, fid: Fid) {
        let result = self.call(Request::Clunk, |encoder| {
            encoder.u32(fid.0);
        });
        if !matches!(result, Err(Error::Io)) {
            self.give_back(fid);
        }
    }

    /// Opens the file of a fid.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn open(&mut self, fid: Fid, flags: u32) -> Result<Qid, Error> {
        self.call(Request::Lopen, |encoder| {
            encoder.u32(fid.0).u32(flags);
        })?
        .qid()
    }

    /// Makes an empty file in a directory. The fid then stands for the file, open.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn create_file(&mut self, directory: Fid, name: &[u8]) -> Result<(), Error> {
        self.call(Request::Lcreate, |encoder| {
            encoder.u32(directory.0).string(name);
            encoder.u32(open_flags::WRITE | open_flags::CREATE | open_flags::EXCLUSIVE);
            encoder.u32(FILE_MODE).u32(NOBODY);
        })?;
        Ok(())
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn create_directory(&mut self, directory: Fid, name: &[u8]) -> Result<(), Error> {
        self.call(Request::Mkdir, |encoder| {
            encoder.u32(directory.0).string(name).u32(DIRECTORY_MODE).u32(NOBODY);
        })?;
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn create_symlink(&mut self, directory: Fid, name: &[u8], target: &[u8]) -> Result<(), Error> {
        self.call(Request::Symlink, |encoder| {
            encoder.u32(directory.0).string(name).string(target).u32(NOBODY);
        })?;
        Ok(())
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn link(&mut self, file: Fid, directory: Fid, name: &[u8]) -> Result<(), Error> {
        self.call(Request::Link, |encoder| {
            encoder.u32(directory.0).u32(file.0).string(name);
        })?;
        Ok(())
    }

    /// Removes a name: of an empty directory, or of anything else.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn unlink(&mut self, directory: Fid, name: &[u8], is_directory: bool) -> Result<(), Error> {
        const AT_REMOVEDIR: u32 = 0x200;
        self.call(Request::Unlinkat, |encoder| {
            encoder.u32(directory.0).string(name);
            encoder.u32(if is_directory { AT_REMOVEDIR } else { 0 });
        })?;
        Ok(())
    }

    /// Moves an entry.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn rename(&mut self, from: (Fid, &[u8]), to: (Fid, &[u8])) -> Result<(), Error> {
        self.call(Request::Renameat, |encoder| {
            encoder.u32(from.0.0).string(from.1).u32(to.0.0).string(to.1);
        })?;
        Ok(())
    }

    /// Appends the target of a symbolic link to `target`.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn read_link(&mut self, link: Fid, target: &mut Vec<u8>) -> Result<(), Error> {
        let mut reply = self.call(Request::Readlink, |encoder| {
            encoder.u32(link.0);
        })?;
        let text = reply.string()?;
        target.try_reserve(text.len()).map_err(|_| Error::NoMemory)?;
        target.extend_from_slice(text);
        Ok(())
    }

    /// Returns the attributes of a file.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn attributes(&mut self, fid: Fid) -> Result<Attributes, Error> {
        let mut reply = self.call(Request::Getattr, |encoder| {
            encoder.u32(fid.0).u64(BASIC_ATTRIBUTES);
        })?;
        let _valid = reply.u64()?;
        let qid = reply.qid()?;
        let mode = reply.u32()?;
        let (_user, _group) = (reply.u32()?, reply.u32()?);
        let links = reply.u64()?;
        let _device = reply.u64()?;
        let length_bytes = reply.u64()?;
        let (_block_size, _block_count) = (reply.u64()?, reply.u64()?);
        let mut times_ns = [0; 3];
        for time_ns in &mut times_ns {
            let (seconds, nanoseconds) = (reply.u64()?, reply.u64()?);
            *time_ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        }
        let [accessed_ns, modified_ns, changed_ns] = times_ns;
        let (kind, is_special) = match mode & 0o170_000 {
            0o040_000 => (NodeKind::Directory, false),
            0o120_000 => (NodeKind::Symlink, false),
            0o100_000 => (NodeKind::File, false),
            _ => (NodeKind::File, true),
        };
        Ok(Attributes {
            qid,
            is_special,
            metadata: Metadata {
                kind,
                links,
                length_bytes,
                accessed_ns,
                modified_ns,
                changed_ns,
            },
        })
    }

    /// Changes attributes of a file.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn set_attributes(&mut self, fid: Fid, new: NewAttributes) -> Result<(), Error> {
        const SIZE: u32 = 1 << 3;
        const ACCESSED: u32 = 1 << 4 | 1 << 7;
        const MODIFIED: u32 = 1 << 5 | 1 << 8;
        let valid = [
            (new.length_bytes, SIZE),
            (new.accessed_ns, ACCESSED),
            (new.modified_ns, MODIFIED),
        ];
        let valid = valid
            .iter()
            .filter(|(value, _)| value.is_some())
            .map(|(_, bit)| bit)
            .sum();
        self.call(Request::Setattr, |encoder| {
            encoder.u32(fid.0).u32(valid).u32(0).u32(NOBODY).u32(NOBODY);
            encoder.u64(new.length_bytes.unwrap_or(0));
            for time_ns in [new.accessed_ns.unwrap_or(0), new.modified_ns.unwrap_or(0)] {
                encoder.u64(time_ns / 1_000_000_000).u64(time_ns % 1_000_000_000);
            }
        })?;
        Ok(())
    }

    /// Reads once from an open file; returns the number of bytes, 0 at the file's end.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn read(&mut self, fid: Fid, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let wanted = buffer.len().min(self.reply.len() - DATA_HEADER_LEN_BYTES);
        let mut reply = self.call(Request::Read, |encoder| {
            encoder.u32(fid.0).u64(offset).u32(wanted as u32);
        })?;
        let count = reply.u32()? as usize;
        let data = reply.bytes(count)?;
        buffer[..wanted]
            .get_mut(..count)
            .ok_or(Error::Io)?
            .copy_from_slice(data);
        Ok(count)
    }

    /// Writes once to an open file; returns the number of bytes taken.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn write(&mut self, fid: Fid, offset: u64, bytes: &[u8]) -> Result<usize, Error> {
        let bytes = &bytes[..bytes.len().min(self.request.len() - DATA_HEADER_LEN_BYTES)];
        let mut reply = self.call(Request::Write, |encoder| {
            encoder.u32(fid.0).u64(offset).u32(bytes.len() as u32).bytes(bytes);
        })?;
        let count = reply.u32()? as usize;
        if count > bytes.len() {
            return Err(Error::Io);
        }
        Ok(count)
    }

    /// Makes an open file's data durable, and its attributes unless `data_only`.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn sync(&mut self, fid: Fid, data_only: bool) -> Result<(), Error> {
        self.call(Request::Fsync, |encoder| {
            encoder.u32(fid.0).u32(data_only.into());
        })?;
        Ok(())
    }

    /// Shows some entries of an open directory after `position`; returns how many there were, 0 at its end. `visit` says whether it
    /// wants more.
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn read_directory(
        &mut self,
        fid: Fid,
        position: u64,
        visit: &mut dyn FnMut(Entry<'_>) -> bool,
    ) -> Result<usize, Error> {
        /// About as much as a program asks for at once; the server looks at every file that it lists.
        const LISTING_LEN_BYTES: u32 = 4096;
        let mut reply = self.call(Request::Readdir, |encoder| {
            encoder.u32(fid.0).u64(position).u32(LISTING_LEN_BYTES);
        })?;
        let len_bytes = reply.u32()? as usize;
        let mut entries = Decoder(reply.bytes(len_bytes)?);
        let mut count = 0;
        while !entries.0.is_empty() {
            let entry = Entry {
                qid: entries.qid()?,
                next_position: entries.u64()?,
                kind: entries.u8()?,
                name: entries.string()?,
            };
            count += 1;
            if !visit(entry) {
                break;
            }
        }
        Ok(count)
    }
}

/// Returns a buffer that is never freed: a server that is too late may still write to it.
fn new_buffer(len_bytes: usize) -> Option<&'static mut [u8]> {
    let mut bytes = Vec::new();
    if !headroom::allows(len_bytes) || bytes.try_reserve_exact(len_bytes).is_err() {
        return None;
    }
    bytes.resize(len_bytes, 0);
    Some(bytes.leak())
}
