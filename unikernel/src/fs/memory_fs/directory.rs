//! A directory in memory: entries in the order of their positions, found by a hash table of their names.
//!
//! A position is given to an entry once and never again, so a listing can go on where it stopped whatever happened in between.
//! Removed entries leave a gap, which is closed when gaps prevail. Limits: 2^32 entries.

use super::budget::Budget;
use crate::fs::{Error, NodeId, NodeKind};
use alloc::boxed::Box;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// Gaps below this number are left alone.
const MIN_GAPS: usize = 32;

/// What an entry takes from the budget for its place in the hash table.
const INDEX_BYTES_PER_ENTRY: usize = 16;

/// The name of an entry.
#[derive(Debug)]
pub enum Name {
    /// In the image.
    Baked(&'static [u8]),
    /// In memory taken from the budget.
    Owned(Box<[u8]>),
}

impl Name {
    fn bytes(&self) -> &[u8] {
        match self {
            Name::Baked(bytes) => bytes,
            Name::Owned(bytes) => bytes,
        }
    }
}

/// An entry.
#[derive(Debug)]
pub struct Entry {
    name: Option<Name>,
    /// The node.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// Its position, at least 1.
    pub position: u64,
}

impl Entry {
    /// Returns the name; `None` for a gap.
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_ref().map(Name::bytes)
    }
}

/// A directory.
#[derive(Debug)]
pub struct Directory {
    /// The directory that holds it (itself for a root).
    pub parent: NodeId,
    entries: Vec<Entry>,
    /// Indexes into `entries`.
    index: HashTable<u32>,
    last_position: u64,
}

impl Directory {
    /// Makes an empty directory.
    pub const fn new(parent: NodeId) -> Self {
        Directory {
            parent,
            entries: Vec::new(),
            index: HashTable::new(),
            last_position: 0,
        }
    }

    /// Tells whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Finds an entry.
    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        let found = self.index.find(hash_name(name), |&index| {
            self.entries[index as usize].name() == Some(name)
        })?;
        Some(&self.entries[*found as usize])
    }

    /// Makes room for that many more entries.
    ///
    /// # Errors
    /// [`Error::NoSpace`].
    pub fn reserve(&mut self, budget: &mut Budget, additional: usize) -> Result<(), Error> {
        if self.entries.len().saturating_add(additional) > u32::MAX as usize {
            return Err(Error::NoSpace);
        }
        budget.reserve(&mut self.entries, additional)?;
        let entries = &self.entries;
        self.index
            .try_reserve(additional, |&index| hash_entry(&entries[index as usize]))
            .map_err(|_| Error::NoSpace)
    }

    /// Adds an entry whose name is not taken.
    ///
    /// # Errors
    /// [`Error::NoSpace`]; nothing has changed then.
    pub fn insert(&mut self, budget: &mut Budget, name: Name, id: NodeId, kind: NodeKind) -> Result<(), Error> {
        self.reserve(budget, 1)?;
        budget.take(INDEX_BYTES_PER_ENTRY)?;
        self.last_position += 1;
        let hash = hash_name(name.bytes());
        let entries = &mut self.entries;
        let index = entries.len() as u32;
        entries.push(Entry {
            name: Some(name),
            id,
            kind,
            position: self.last_position,
        });
        self.index
            .insert_unique(hash, index, |&index| hash_entry(&entries[index as usize]));
        Ok(())
    }

    /// Lets an existing entry name another node; tells whether it exists.
    pub fn replace(&mut self, name: &[u8], id: NodeId, kind: NodeKind) -> bool {
        let entries = &mut self.entries;
        let found = self
            .index
            .find(hash_name(name), |&index| entries[index as usize].name() == Some(name));
        let Some(&index) = found else { return false };
        let entry = &mut entries[index as usize];
        (entry.id, entry.kind) = (id, kind);
        true
    }

    /// Removes an entry, if it exists.
    pub fn remove(&mut self, budget: &mut Budget, name: &[u8]) {
        let entries = &self.entries;
        let found = self
            .index
            .find_entry(hash_name(name), |&index| entries[index as usize].name() == Some(name));
        let Ok(found) = found else { return };
        let (index, _) = found.remove();
        if let Some(Name::Owned(name)) = self.entries[index as usize].name.take() {
            budget.give_back(name.len());
        }
        budget.give_back(INDEX_BYTES_PER_ENTRY);
        self.close_gaps();
    }

    fn close_gaps(&mut self) {
        let gaps = self.entries.len() - self.index.len();
        if gaps < MIN_GAPS || gaps < self.index.len() {
            return;
        }
        self.entries.retain(|entry| entry.name.is_some());
        self.index.clear();
        let entries = &self.entries;
        for (index, entry) in entries.iter().enumerate() {
            self.index.insert_unique(hash_entry(entry), index as u32, |&index| {
                hash_entry(&entries[index as usize])
            });
        }
    }

    /// Returns the entries after a position, gaps included.
    pub fn entries_after(&self, position: u64) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.position <= position);
        &self.entries[start..]
    }

    /// Gives all memory back.
    pub fn release(self, budget: &mut Budget) {
        for entry in &self.entries {
            if let Some(Name::Owned(name)) = &entry.name {
                budget.give_back(name.len());
            }
        }
        budget.give_back(self.index.len() * INDEX_BYTES_PER_ENTRY);
        budget.release(self.entries);
    }
}

fn hash_entry(entry: &Entry) -> u64 {
    hash_name(entry.name().unwrap_or_default())
}

/// Hashes a name (FNV-1a; the upper bits, which the table looks at first, are mixed from the lower ones).
fn hash_name(name: &[u8]) -> u64 {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
