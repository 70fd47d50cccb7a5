//! What is done with a journal when a volume is mounted: committed transactions go to their places.
//!
//! Three passes over the log, as in Linux: find the last commit block in sequence, collect what later transactions revoked, copy
//! the rest. Only the first one has to be careful about where the log ends; each pass visits every block of the log at most once,
//! so a log of any contents ends. Recovery can be interrupted and done again.

use super::cache::Cache;
use super::journal::Journal;
use super::layout::{big_u32_at, journal, u16_at};
use crate::fs::Error;
use crate::fs::number_map::NumberMap;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The fewest blocks of a journal: a quarter of it must hold what one operation changes, with much to spare.
const MIN_JOURNAL_BLOCKS: usize = 256;

/// Why a journal cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalError {
    /// It makes no sense.
    Corrupt,
    /// It has features that are not understood.
    UnknownFeatures,
    /// It must be recovered, and the disk cannot be written.
    NeedsRecovery,
    /// Reading or writing failed.
    Failed(Error),
}

impl From<Error> for JournalError {
    fn from(error: Error) -> Self {
        JournalError::Failed(error)
    }
}

/// Recovers the journal that consists of `blocks`.
///
/// # Errors
/// See [`JournalError`].
pub fn recover(
    cache: &mut Cache,
    mut blocks: Vec<u32>,
    is_target: impl Fn(u32) -> bool,
    can_write: bool,
) -> Result<Journal, JournalError> {
    let place = *blocks.first().ok_or(JournalError::Corrupt)?;
    let superblock: Box<[u8]> = cache.get(place)?.into();
    cache.forget(place);
    let start = check_superblock(&superblock, &mut blocks)?;
    let mut sequence = big_u32_at(&superblock, journal::FIRST_SEQUENCE);
    if start != 0 {
        if !can_write {
            return Err(JournalError::NeedsRecovery);
        }
        let mut log = Log {
            cache,
            blocks: &blocks,
            start,
            first_sequence: sequence,
            end_sequence: None,
            revoked: NumberMap::default(),
        };
        // The first pass finds the end, which bounds the others.
        log.end_sequence = Some(log.pass(|_, _| Ok(()))?);
        log.pass(Log::revoke)?;
        sequence = log.pass(|log, step| log.replay(step, &is_target))?;
        cache.flush()?;
        // What is left of a transaction that was not committed must not be taken for the next one.
        sequence = sequence.wrapping_add(1);
    }
    let mut journal = Journal::new(blocks, superblock, sequence);
    if start != 0 {
        journal.set_active(cache, false)?;
    }
    Ok(journal)
}

/// Returns where the log starts, 0 if it is empty, and cuts `blocks` to the length that the superblock says.
fn check_superblock(superblock: &[u8], blocks: &mut Vec<u32>) -> Result<usize, JournalError> {
    let field = |offset| big_u32_at(superblock, offset);
    let length = field(journal::BLOCK_COUNT) as usize;
    let start = field(journal::START) as usize;
    let is_sound = field(journal::MAGIC) == journal::MAGIC_VALUE
        && field(journal::BLOCK_KIND) == journal::KIND_SUPERBLOCK
        && field(journal::BLOCK_SIZE) as usize == superblock.len()
        && field(journal::FIRST) == 1
        && (MIN_JOURNAL_BLOCKS..=blocks.len()).contains(&length)
        && start < length;
    if !is_sound {
        return Err(JournalError::Corrupt);
    }
    if field(journal::INCOMPATIBLE) & !journal::FEATURE_REVOKE != 0 {
        return Err(JournalError::UnknownFeatures);
    }
    blocks.truncate(length);
    Ok(start)
}

/// What a pass meets.
enum Step<'a> {
    /// A copy: where it lies, where it belongs, and whether its first bytes were replaced.
    Copy {
        place: u32,
        target: u32,
        is_escaped: bool,
        sequence: u32,
    },
    /// A revoke block.
    Revoke { bytes: &'a [u8], sequence: u32 },
}

struct Log<'a> {
    cache: &'a mut Cache,
    blocks: &'a [u32],
    start: usize,
    first_sequence: u32,
    end_sequence: Option<u32>,
    /// Block → the last transaction that revoked it.
    revoked: NumberMap<u32, u32>,
}

impl Log<'_> {
    /// Goes through the log and returns the sequence number after the last committed transaction.
    fn pass(&mut self, mut act: impl FnMut(&mut Self, Step<'_>) -> Result<(), Error>) -> Result<u32, Error> {
        let mut sequence = self.first_sequence;
        let mut position = self.start;
        let mut left = self.blocks.len() - 1;
        while self.end_sequence != Some(sequence) && left > 0 {
            let bytes: Box<[u8]> = self.cache.get(self.blocks[position])?.into();
            let field = |offset| big_u32_at(&bytes, offset);
            if field(journal::MAGIC) != journal::MAGIC_VALUE || field(journal::SEQUENCE) != sequence {
                break;
            }
            self.advance(&mut position, &mut left);
            match field(journal::BLOCK_KIND) {
                journal::KIND_DESCRIPTOR => {
                    for (target, flags) in tags(&bytes) {
                        if left == 0 {
                            return Ok(sequence);
                        }
                        let step = Step::Copy {
                            place: self.blocks[position],
                            target,
                            is_escaped: flags & journal::TAG_ESCAPED != 0,
                            sequence,
                        };
                        self.advance(&mut position, &mut left);
                        act(self, step)?;
                    }
                }
                journal::KIND_REVOKE => {
                    let bytes = &bytes;
                    act(self, Step::Revoke { bytes, sequence })?;
                }
                journal::KIND_COMMIT => sequence = sequence.wrapping_add(1),
                _ => break,
            }
        }
        Ok(sequence)
    }

    fn advance(&self, position: &mut usize, left: &mut usize) {
        *left -= 1;
        *position += 1;
        if *position == self.blocks.len() {
            *position = 1;
        }
    }

    fn revoke(&mut self, step: Step<'_>) -> Result<(), Error> {
        let Step::Revoke { bytes, sequence } = step else {
            return Ok(());
        };
        let end = (big_u32_at(bytes, journal::REVOKE_LEN) as usize).min(bytes.len());
        let entries = bytes.get(journal::REVOKE_BLOCKS..end).unwrap_or_default();
        for entry in entries.chunks_exact(4) {
            self.revoked.try_reserve(1).map_err(|_| Error::NoMemory)?;
            self.revoked.insert(big_u32_at(entry, 0), sequence);
        }
        Ok(())
    }

    fn replay(&mut self, step: Step<'_>, is_target: &impl Fn(u32) -> bool) -> Result<(), Error> {
        let Step::Copy {
            place,
            target,
            is_escaped,
            sequence,
        } = step
        else {
            return Ok(());
        };
        // Sequence numbers wrap; the later one is less than half of them ahead.
        let is_revoked = |&last: &u32| last.wrapping_sub(sequence) < u32::MAX / 2;
        if self.revoked.get(&target).is_some_and(is_revoked) {
            return Ok(());
        }
        if !is_target(target) {
            return Err(Error::Io);
        }
        let mut bytes: Box<[u8]> = self.cache.get(place)?.into();
        if is_escaped {
            bytes[..4].copy_from_slice(&journal::MAGIC_VALUE.to_be_bytes());
        }
        self.cache.write_around(target, &bytes)?;
        self.cache.forget(target);
        Ok(())
    }
}

/// Returns what a descriptor block lists: block numbers and flags.
fn tags(bytes: &[u8]) -> impl Iterator<Item = (u32, u16)> {
    let mut rest = bytes.get(journal::HEADER_LEN_BYTES..);
    core::iter::from_fn(move || {
        let (tag, after) = rest?.split_at_checked(journal::TAG_LEN_BYTES)?;
        let flags = u16_at(tag, journal::TAG_FLAGS).swap_bytes();
        let skipped = if flags & journal::TAG_SAME_UUID == 0 {
            journal::TAG_UUID_LEN_BYTES
        } else {
            0
        };
        rest = after.get(skipped..).filter(|_| flags & journal::TAG_LAST == 0);
        Some((big_u32_at(tag, 0), flags))
    })
}
