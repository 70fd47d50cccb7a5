//! What `wasi_unstable` (preview 0), which old programs import, does differently from preview 1.
//!
//! Four things: the layout of `filestat` (a `u32` link count, hence 56 bytes), the layout of a clock's subscription (an identifier
//! before the clock, hence 56 bytes), the numbers of `whence`, and that `sock_accept` does not exist.

use super::context::Context;
use super::errno::Errno;
use super::fd_io;
use super::fd_stat::open_filestat;
use super::path_stat::path_filestat;
use super::poll;
use super::types::{Block, Filestat, Whence};

type RawFilestat = Block<56>;

/// As preview 1's, with the old layout.
///
/// # Errors
/// As preview 1's.
pub fn fd_filestat_get(context: &mut Context, fd: u32, stat: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<RawFilestat>(stat)?;
    let filestat = open_filestat(context, fd)?;
    context.memory.write(pointer, encode_filestat(&filestat));
    Ok(())
}

/// As preview 1's, with the old layout.
///
/// # Errors
/// As preview 1's.
pub fn path_filestat_get(
    context: &mut Context,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    stat: u32,
) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<RawFilestat>(stat)?;
    let path = context.memory.slice::<u8>(path, path_len)?;
    let filestat = path_filestat(context, fd, flags, path)?;
    context.memory.write(pointer, encode_filestat(&filestat));
    Ok(())
}

/// As preview 1's, with the old numbers of `whence`.
///
/// # Errors
/// As preview 1's.
pub fn fd_seek(context: &mut Context, fd: u32, delta: u64, whence: u32, new_offset: u32) -> Result<(), Errno> {
    let whence = match whence {
        0 => Whence::Cur,
        1 => Whence::End,
        2 => Whence::Set,
        _ => return Err(Errno::Inval),
    };
    fd_io::seek(context, fd, delta, whence, new_offset)
}

/// As preview 1's, with the old layout of subscriptions.
///
/// # Errors
/// As preview 1's.
pub fn poll_oneoff(
    context: &mut Context,
    subscriptions: u32,
    events: u32,
    count: u32,
    event_count: u32,
) -> Result<(), Errno> {
    poll::poll::<56, 24>(context, subscriptions, events, count, event_count)
}

fn encode_filestat(stat: &Filestat) -> RawFilestat {
    let mut bytes = [0; 56];
    bytes[0..8].copy_from_slice(&stat.dev.to_le_bytes());
    bytes[8..16].copy_from_slice(&stat.ino.to_le_bytes());
    bytes[16] = stat.filetype as u8;
    let links = u32::try_from(stat.nlink).unwrap_or(u32::MAX);
    bytes[20..24].copy_from_slice(&links.to_le_bytes());
    for (start, word) in [(24, stat.size), (32, stat.atim), (40, stat.mtim), (48, stat.ctim)] {
        bytes[start..start + 8].copy_from_slice(&word.to_le_bytes());
    }
    Block(bytes)
}
