//! Sections whose producer allows to take them apart: those of strings, and of constants of one size, that a linker may merge with
//! equal ones (`SHF_MERGE`).
//!
//! A compiler puts all such entries of an object into one section, so a program that needs one of them would carry them all: in
//! the kernel, the names of all source files. Here each entry becomes a section of its own, behind the object's others, and only
//! those that something refers to are kept. Equal entries are not merged: a compiler has done that within an object.
//!
//! Which entry a relocation means is told by its symbol, or if that is the section's, by the addend (gABI, "Section Attribute
//! Flags"). Read first: [`Pieces`].

use std::collections::HashMap;

use object::elf;

use crate::section::{LE, Section, SectionKind};

/// Where the sections of an object went that were taken apart.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// By ELF section index.
    of_section: HashMap<usize, Split>,
}

/// A section that was taken apart.
#[derive(Debug)]
struct Split {
    /// Index of the first piece among the object's sections.
    first: usize,
    /// Offset of each piece.
    starts: Vec<u64>,
}

impl Pieces {
    /// Takes the section of that index apart if its header allows it: the pieces are added to `sections`, and of the section itself
    /// nothing is left.
    pub(crate) fn split(
        &mut self,
        sections: &mut Vec<Section<'_>>,
        index: usize,
        header: &elf::SectionHeader64<object::LittleEndian>,
    ) {
        let section = &mut sections[index];
        let lengths = match piece_lengths(section, header) {
            Some(lengths) if lengths.len() > 1 => lengths,
            _ => return,
        };
        section.kind = SectionKind::Dropped;
        let (name, alignment, mut rest) = (section.name, section.alignment, section.data);
        let mut split = Split {
            first: sections.len(),
            starts: Vec::with_capacity(lengths.len()),
        };
        let mut start = 0;
        for length in lengths {
            let (data, after) = rest.split_at(length);
            rest = after;
            split.starts.push(start);
            start += length as u64;
            sections.push(Section {
                name,
                kind: SectionKind::ReadOnly,
                data,
                size_bytes: length as u64,
                alignment,
                relocations: &[],
                retained: false,
            });
        }
        self.of_section.insert(index, split);
    }

    /// Tells whether the section was taken apart.
    pub(crate) fn has(&self, section: usize) -> bool {
        !self.of_section.is_empty() && self.of_section.contains_key(&section)
    }

    /// Returns the section that has the byte at `offset` of the given one, and where it begins there: another one if it was taken
    /// apart.
    pub(crate) fn find(&self, section: usize, offset: u64) -> (usize, u64) {
        match self.of_section.get(&section) {
            None => (section, 0),
            Some(split) => {
                // The first piece starts at 0.
                let piece = split.starts.partition_point(|&start| start <= offset) - 1;
                (split.first + piece, split.starts[piece])
            }
        }
    }
}

/// Returns the lengths of a section's entries if it may be taken apart.
fn piece_lengths(section: &Section<'_>, header: &elf::SectionHeader64<object::LittleEndian>) -> Option<Vec<usize>> {
    let flags = header.sh_flags.get(LE);
    let has = |flag: u32| flags & u64::from(flag) != 0;
    let is_plain = section.kind == SectionKind::ReadOnly && section.relocations.is_empty() && !section.retained;
    if !is_plain || !has(elf::SHF_MERGE) || has(elf::SHF_GROUP) || section.data.is_empty() {
        return None;
    }
    let entry_len_bytes = header.sh_entsize.get(LE);
    if has(elf::SHF_STRINGS) {
        let is_bytes = entry_len_bytes == 1 && section.alignment == 1 && section.data.ends_with(&[0]);
        return is_bytes.then(|| {
            section
                .data
                .split_inclusive(|&byte| byte == 0)
                .map(<[u8]>::len)
                .collect()
        });
    }
    let entry_len_bytes = usize::try_from(entry_len_bytes).ok().filter(|&length| length > 0)?;
    let is_whole = section.data.len().is_multiple_of(entry_len_bytes) && section.alignment <= entry_len_bytes as u64;
    is_whole.then(|| vec![entry_len_bytes; section.data.len() / entry_len_bytes])
}
