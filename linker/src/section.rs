//! Sections of objects, classified by what the image does with them.

use object::LittleEndian;
use object::elf;

pub(crate) type Elf = elf::FileHeader64<LittleEndian>;
pub(crate) type ElfSymbol = elf::Sym64<LittleEndian>;
pub(crate) type ElfRelocation = elf::Rela64<LittleEndian>;
pub(crate) const LE: LittleEndian = LittleEndian;

/// What the program does with a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SectionKind {
    Dropped,
    /// Belongs to a COMDAT group of which an earlier input has a copy.
    Replaced,
    Text,
    ReadOnly,
    Data,
    ZeroInitialized,
    Multiboot2,
    PvhNote,
    Imports,
    AbiVersion,
}

impl SectionKind {
    /// Tells whether sections of this kind are loaded.
    pub(crate) fn is_loaded(self) -> bool {
        use SectionKind::{Data, Multiboot2, PvhNote, ReadOnly, Text, ZeroInitialized};
        matches!(self, Text | ReadOnly | Data | ZeroInitialized | Multiboot2 | PvhNote)
    }
}

/// A section of an object.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: SectionKind,
    /// Contents; empty if zero-initialised or not used.
    pub(crate) data: &'a [u8],
    pub(crate) size_bytes: u64,
    pub(crate) alignment: u64,
    pub(crate) relocations: &'a [ElfRelocation],
    /// The producer asks to keep the section though nothing refers to it.
    pub(crate) retained: bool,
}

impl Section<'_> {
    pub(crate) fn display_name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }
}
