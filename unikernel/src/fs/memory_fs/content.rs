//! The contents of a file in memory: chunks, so that growing copies little and holes cost nothing.
//!
//! A chunk is missing where nothing was written, and shorter than [`CHUNK_LEN_BYTES`] where nothing was written further on; both
//! read as zeros. In a file without holes chunk `n` is the `n`th, so finding it takes one comparison.

use super::budget::Budget;
use crate::fs::Error;
use alloc::vec::Vec;

/// Length of a full chunk in bytes.
pub const CHUNK_LEN_BYTES: usize = 16 * 1024;

/// The least memory that the first chunk takes.
const MIN_CHUNK_BYTES: usize = 64;

/// The longest file in bytes: offsets are signed numbers to programs.
pub const MAX_FILE_BYTES: u64 = i64::MAX as u64;

#[derive(Debug)]
struct Chunk {
    number: u64,
    bytes: Vec<u8>,
}

/// The contents of a file.
#[derive(Debug, Default)]
pub struct Content {
    length_bytes: u64,
    /// Sorted by number.
    chunks: Vec<Chunk>,
}

impl Content {
    /// Returns the length in bytes.
    pub const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Reads; returns the number of bytes, 0 at the end.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let available = self.length_bytes.saturating_sub(offset);
        let total = buffer.len().min(usize::try_from(available).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < total {
            let (number, start) = split_offset(offset + done as u64);
            let part = &mut buffer[done..total.min(done + CHUNK_LEN_BYTES - start)];
            let stored = match self.position(number) {
                Ok(position) => self.chunks[position].bytes.get(start..).unwrap_or(&[]),
                Err(_) => &[],
            };
            let copied = stored.len().min(part.len());
            part[..copied].copy_from_slice(&stored[..copied]);
            part[copied..].fill(0);
            done += part.len();
        }
        total
    }

    /// Writes; returns the number of bytes taken, which is less than asked where the budget ends.
    ///
    /// # Errors
    /// [`Error::NoSpace`] if not even one byte was taken, [`Error::FileTooBig`].
    pub fn write(&mut self, budget: &mut Budget, offset: u64, bytes: &[u8]) -> Result<usize, Error> {
        let room = MAX_FILE_BYTES.saturating_sub(offset);
        let total = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if total == 0 && !bytes.is_empty() {
            return Err(Error::FileTooBig);
        }
        let mut done = 0;
        while done < total {
            let (number, start) = split_offset(offset + done as u64);
            let part = &bytes[done..total.min(done + CHUNK_LEN_BYTES - start)];
            match self.write_chunk(budget, number, start, part) {
                Ok(()) => done += part.len(),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if done > 0 {
            self.length_bytes = self.length_bytes.max(offset + done as u64);
        }
        Ok(done)
    }

    fn write_chunk(&mut self, budget: &mut Budget, number: u64, start: usize, part: &[u8]) -> Result<(), Error> {
        let position = match self.position(number) {
            Ok(position) => position,
            Err(position) => {
                budget.reserve(&mut self.chunks, 1)?;
                let mut bytes = Vec::new();
                budget.reserve_capacity(&mut bytes, first_capacity(number, start + part.len()))?;
                self.chunks.insert(position, Chunk { number, bytes });
                position
            }
        };
        let bytes = &mut self.chunks[position].bytes;
        let end = start + part.len();
        if end > bytes.len() {
            if end > bytes.capacity() {
                let capacity = end.max(2 * bytes.capacity()).min(CHUNK_LEN_BYTES);
                budget.reserve_capacity(bytes, capacity)?;
            }
            bytes.resize(bytes.len().max(start), 0);
        }
        let overwritten = (bytes.len() - start).min(part.len());
        bytes[start..start + overwritten].copy_from_slice(&part[..overwritten]);
        bytes.extend_from_slice(&part[overwritten..]);
        Ok(())
    }

    /// Cuts the file or extends it with zeros.
    ///
    /// # Errors
    /// [`Error::FileTooBig`].
    pub fn set_length(&mut self, budget: &mut Budget, length_bytes: u64) -> Result<(), Error> {
        if length_bytes > MAX_FILE_BYTES {
            return Err(Error::FileTooBig);
        }
        if length_bytes < self.length_bytes {
            let (number, start) = split_offset(length_bytes);
            let keep = match self.position(number) {
                Ok(position) if start > 0 => {
                    self.chunks[position].bytes.truncate(start);
                    position + 1
                }
                Ok(position) | Err(position) => position,
            };
            for chunk in self.chunks.drain(keep..) {
                budget.release(chunk.bytes);
            }
        }
        self.length_bytes = length_bytes;
        Ok(())
    }

    /// Gives all memory back.
    pub fn release(mut self, budget: &mut Budget) {
        for chunk in self.chunks.drain(..) {
            budget.release(chunk.bytes);
        }
        budget.release(self.chunks);
    }

    fn position(&self, number: u64) -> Result<usize, usize> {
        match self.chunks.get(number as usize) {
            Some(chunk) if chunk.number == number => Ok(number as usize),
            _ => match self.chunks.last() {
                Some(last) if last.number < number => Err(self.chunks.len()),
                _ => self.chunks.binary_search_by_key(&number, |chunk| chunk.number),
            },
        }
    }
}

/// Returns the capacity of a new chunk: small files stay small, and the further chunks of a long one never move.
fn first_capacity(number: u64, len_bytes: usize) -> usize {
    if number == 0 {
        len_bytes.max(MIN_CHUNK_BYTES)
    } else {
        CHUNK_LEN_BYTES
    }
}

fn split_offset(offset: u64) -> (u64, usize) {
    let chunk_len_bytes = CHUNK_LEN_BYTES as u64;
    (offset / chunk_len_bytes, (offset % chunk_len_bytes) as usize)
}
