//! The product of linking for the memory of a running process: bytes for three segments, and where the symbols are.

use std::fmt;

use crate::layout::Layout;
use crate::resolve::Program;
use crate::symbols::Definition;

/// What a segment's pages allow. Nothing is writable and executable at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// Reading only.
    ReadOnly,
    /// Reading and execution.
    ReadExecute,
    /// Reading and writing.
    ReadWrite,
}

/// A range of pages with the same permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySegment {
    /// Virtual address of the first byte, page aligned.
    pub address: u64,
    /// Contents from the first byte on; what follows them is zero.
    pub bytes: Vec<u8>,
    /// Size in bytes, zeros included; not rounded up to pages.
    pub size_bytes: u64,
    /// What the pages allow.
    pub permissions: Permissions,
}

/// A program linked at fixed addresses of a process.
#[derive(Clone)]
pub struct MemoryImage {
    /// Read-only data, code, writable data; some may be empty.
    pub segments: [MemorySegment; 3],
    names: Vec<u8>,
    /// Ranges in `names` and addresses, sorted by name.
    symbols: Vec<(u32, u32, u64)>,
}

impl MemoryImage {
    pub(crate) fn new(program: &Program<'_>, layout: &Layout, contents: [Vec<u8>; 3]) -> Self {
        let permissions = [Permissions::ReadOnly, Permissions::ReadExecute, Permissions::ReadWrite];
        let mut contents = contents.into_iter();
        let mut permissions = permissions.into_iter();
        let segments = layout.segments.each_ref().map(|segment| MemorySegment {
            address: segment.address,
            bytes: contents.next().expect("as many contents as segments"),
            size_bytes: segment.memory_len_bytes,
            permissions: permissions.next().expect("as many permissions as segments"),
        });
        let mut image = MemoryImage {
            segments,
            names: Vec::new(),
            symbols: Vec::new(),
        };
        for (id, symbol) in program.symbols.iter() {
            let is_within = !matches!(symbol.definition, Definition::External(_) | Definition::Optional(_));
            if let Some(address) = layout.symbol_address(program, id).filter(|_| is_within) {
                let start = image.names.len() as u32;
                image.names.extend_from_slice(symbol.name);
                image.symbols.push((start, image.names.len() as u32, address));
            }
        }
        let names = &image.names;
        image
            .symbols
            .sort_unstable_by_key(|&(start, end, _)| &names[start as usize..end as usize]);
        image
    }

    /// Returns the address of a global symbol that an input defines and that is part of the program.
    pub fn address_of(&self, symbol: &str) -> Option<u64> {
        let name = |&(start, end, _): &(u32, u32, u64)| &self.names[start as usize..end as usize];
        let found = self.symbols.binary_search_by_key(&symbol.as_bytes(), name).ok()?;
        Some(self.symbols[found].2)
    }

    /// Iterates over those symbols and their addresses, sorted by name.
    pub fn symbols(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.symbols
            .iter()
            .map(|&(start, end, address)| (&self.names[start as usize..end as usize], address))
    }
}

impl fmt::Debug for MemoryImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self
            .segments
            .each_ref()
            .map(|segment| (segment.address, segment.size_bytes, segment.permissions));
        formatter
            .debug_struct("MemoryImage")
            .field("segments", &ranges)
            .finish_non_exhaustive()
    }
}
