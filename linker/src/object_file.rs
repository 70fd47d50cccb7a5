//! One relocatable object, parsed: its sections classified by what the image does with them, its symbols and relocations
//! borrowed from the input.
//!
//! Nothing is copied but the section list, so that an object of 100 MB parses in the time its section headers take. Symbols and
//! relocations are checked when they are used. ELF: System V gABI chapters 4 and 5.
//!
//! What an image has no use for is dropped here and never looked at again: unwind tables, notes, debug information, comments.
//! Section kinds follow from flags, with one exception by name: `.data.rel.ro*` is writable only for a dynamic loader, which
//! there is not, so it is read-only data.

use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader as _, SectionHeader as _, SectionTable, SymbolTable};

use crate::error::{Error, ErrorKind, SectionProblem};
use crate::machine::Machine;
use crate::pieces::Pieces;
use crate::section::{Elf, ElfSymbol, LE, Section, SectionKind};

/// A group of sections of which a program holds one copy, told by its signature.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) signature: &'a [u8],
    pub(crate) members: Vec<usize>,
}

/// A parsed object.
#[derive(Debug)]
pub(crate) struct ObjectFile<'a> {
    pub(crate) name: String,
    pub(crate) machine: Machine,
    /// By ELF section index; then come the pieces of some of them.
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) pieces: Pieces,
    pub(crate) groups: Vec<Group<'a>>,
    pub(crate) symbols: SymbolTable<'a, Elf>,
    pub(crate) abi_version: Option<u32>,
}

/// Where a symbol of an object is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolPlace {
    Undefined,
    Common,
    Absolute,
    /// ELF index of a section of the object.
    Section(usize),
}

impl<'a> ObjectFile<'a> {
    pub(crate) fn parse(name: String, bytes: &'a [u8]) -> Result<Self, Error> {
        let unsupported = || ErrorKind::UnsupportedObject { input: name.clone() };
        let header = Elf::parse(bytes).map_err(|_| unsupported())?;
        let little_endian = header.e_ident.data == elf::ELFDATA2LSB;
        let machine = Machine::from_elf(header.e_machine.get(LE)).ok_or_else(unsupported)?;
        if !little_endian || header.e_type.get(LE) != elf::ET_REL {
            return Err(unsupported().into());
        }
        let table = header
            .sections(LE, bytes)
            .map_err(|_| malformed(&name, "section headers"))?;
        let symbols = table
            .symbols(LE, bytes, elf::SHT_SYMTAB)
            .map_err(|_| malformed(&name, "symbol table"))?;
        let mut object = ObjectFile {
            name,
            machine,
            sections: Vec::with_capacity(table.len()),
            pieces: Pieces::default(),
            groups: Vec::new(),
            symbols,
            abi_version: None,
        };
        for header in table.iter() {
            let section = object.parse_section(bytes, &table, header)?;
            object.sections.push(section);
        }
        for header in table.iter() {
            object.parse_relocations(bytes, header)?;
            object.parse_group(bytes, header)?;
        }
        object.parse_abi_version()?;
        for (index, header) in table.iter().enumerate() {
            object.pieces.split(&mut object.sections, index, header);
        }
        Ok(object)
    }

    pub(crate) fn malformed(&self, part: &'static str) -> Error {
        malformed(&self.name, part)
    }

    fn unsupported(&self, section: &[u8], problem: SectionProblem) -> Error {
        let section = String::from_utf8_lossy(section).into_owned();
        ErrorKind::UnsupportedSection {
            input: self.name.clone(),
            section,
            problem,
        }
        .into()
    }

    fn parse_section(
        &self,
        bytes: &'a [u8],
        table: &SectionTable<'a, Elf>,
        header: &'a elf::SectionHeader64<LittleEndian>,
    ) -> Result<Section<'a>, Error> {
        let name = table
            .section_name(LE, header)
            .map_err(|_| self.malformed("section name"))?;
        let kind = classify(name, header).map_err(|problem| self.unsupported(name, problem))?;
        let mut section = Section {
            name,
            kind,
            data: &[],
            size_bytes: header.sh_size.get(LE),
            alignment: header.sh_addralign.get(LE).max(1),
            relocations: &[],
            retained: header.sh_flags.get(LE) & u64::from(elf::SHF_GNU_RETAIN) != 0,
        };
        if kind == SectionKind::Dropped {
            return Ok(section);
        }
        if !section.alignment.is_power_of_two() {
            return Err(self.unsupported(name, SectionProblem::Alignment(section.alignment)));
        }
        if section.alignment > abi::memory_map::LARGE_PAGE_SIZE {
            return Err(self.unsupported(name, SectionProblem::AlignmentTooLarge(section.alignment)));
        }
        if kind != SectionKind::ZeroInitialized {
            section.data = header.data(LE, bytes).map_err(|_| self.malformed("section contents"))?;
            section.size_bytes = section.data.len() as u64;
        }
        Ok(section)
    }

    fn parse_relocations(
        &mut self,
        bytes: &'a [u8],
        header: &'a elf::SectionHeader64<LittleEndian>,
    ) -> Result<(), Error> {
        let kind = header.sh_type.get(LE);
        if !matches!(kind, elf::SHT_RELA | elf::SHT_REL | elf::SHT_CREL) {
            return Ok(());
        }
        let index = header.sh_info.get(LE) as usize;
        let target = self
            .sections
            .get(index)
            .ok_or_else(|| self.malformed("relocation section"))?;
        if !target.kind.is_loaded() {
            return Ok(());
        }
        if kind != elf::SHT_RELA {
            return Err(self.unsupported(target.name, SectionProblem::RelocationEncoding));
        }
        let linked = header.sh_link.get(LE) as usize == self.symbols.section().0;
        match header.rela(LE, bytes) {
            Ok(Some((relocations, _))) if target.relocations.is_empty() && linked => {
                self.sections[index].relocations = relocations;
                Ok(())
            }
            _ => Err(self.malformed("relocation section")),
        }
    }

    fn parse_group(&mut self, bytes: &'a [u8], header: &'a elf::SectionHeader64<LittleEndian>) -> Result<(), Error> {
        let group = header.group(LE, bytes).map_err(|_| self.malformed("section group"))?;
        let Some((elf::GRP_COMDAT, members)) = group else {
            return Ok(());
        };
        let signature = self.group_signature(header.sh_info.get(LE) as usize);
        let signature = signature.ok_or_else(|| self.malformed("section group"))?;
        let members: Vec<usize> = members.iter().map(|member| member.get(LE) as usize).collect();
        if members.iter().any(|&member| member >= self.sections.len()) {
            return Err(self.malformed("section group"));
        }
        self.groups.push(Group { signature, members });
        Ok(())
    }

    /// Returns the name of a group's symbol; some assemblers use a section symbol, which has its section's name.
    fn group_signature(&self, index: usize) -> Option<&'a [u8]> {
        let symbol = self.symbols.symbols().get(index)?;
        match self.symbol_place(index, symbol).ok()? {
            SymbolPlace::Section(section) if symbol.st_type() == elf::STT_SECTION => Some(self.sections[section].name),
            _ => self.symbol_name(symbol).ok(),
        }
    }

    fn parse_abi_version(&mut self) -> Result<(), Error> {
        let Some(section) = self
            .sections
            .iter()
            .find(|section| section.kind == SectionKind::AbiVersion)
        else {
            return Ok(());
        };
        let bytes = <[u8; 4]>::try_from(section.data)
            .map_err(|_| self.unsupported(section.name, SectionProblem::AbiVersionLength))?;
        self.abi_version = Some(u32::from_le_bytes(bytes));
        Ok(())
    }

    /// Returns the name of a symbol.
    pub(crate) fn symbol_name(&self, symbol: &ElfSymbol) -> Result<&'a [u8], Error> {
        self.symbols
            .symbol_name(LE, symbol)
            .map_err(|_| self.malformed("symbol name"))
    }

    /// Returns the section that a symbol is in which is defined in the given one, and its offset there. For a section's own symbol
    /// the addend says what is meant; the offset from a piece to the section's start is then negative.
    pub(crate) fn piece_of(&self, section: usize, symbol: &ElfSymbol, addend: i64) -> (usize, u64) {
        let value = symbol.st_value.get(LE);
        let meant = match symbol.st_type() {
            elf::STT_SECTION => value.wrapping_add_signed(addend),
            _ => value,
        };
        let (piece, start) = self.pieces.find(section, meant);
        (piece, value.wrapping_sub(start))
    }

    /// Tells whether the symbol of that index is a section's own whose meaning depends on the addend.
    pub(crate) fn needs_addend(&self, index: usize) -> bool {
        let Some(symbol) = self.symbols.symbols().get(index) else {
            return false;
        };
        symbol.st_type() == elf::STT_SECTION && self.pieces.has(usize::from(symbol.st_shndx.get(LE)))
    }

    /// Returns where the symbol of that index is defined; the section index is in bounds.
    pub(crate) fn symbol_place(&self, index: usize, symbol: &ElfSymbol) -> Result<SymbolPlace, Error> {
        match symbol.st_shndx.get(LE) {
            elf::SHN_UNDEF => return Ok(SymbolPlace::Undefined),
            elf::SHN_ABS => return Ok(SymbolPlace::Absolute),
            elf::SHN_COMMON => return Ok(SymbolPlace::Common),
            _ => {}
        }
        match self.symbols.symbol_section(LE, symbol, object::SymbolIndex(index)) {
            Ok(Some(section)) if section.0 < self.sections.len() => Ok(SymbolPlace::Section(section.0)),
            _ => Err(self.malformed("symbol's section index")),
        }
    }
}

fn malformed(input: &str, part: &'static str) -> Error {
    ErrorKind::Malformed {
        input: input.to_owned(),
        part,
    }
    .into()
}

fn classify(name: &[u8], header: &elf::SectionHeader64<LittleEndian>) -> Result<SectionKind, SectionProblem> {
    let kind = header.sh_type.get(LE);
    let flags = header.sh_flags.get(LE);
    let has = |flag: u32| flags & u64::from(flag) != 0;
    let is_unwind_table = name.starts_with(b".eh_frame") || name.starts_with(b".gcc_except_table");
    if name == abi::symbols::IMPORTS_SECTION.as_bytes() {
        return Ok(SectionKind::Imports);
    } else if name == abi::symbols::ABI_VERSION_SECTION.as_bytes() {
        return Ok(SectionKind::AbiVersion);
    } else if !has(elf::SHF_ALLOC) || has(elf::SHF_TLS) || is_unwind_table {
        return Ok(SectionKind::Dropped);
    } else if name == abi::symbols::PVH_NOTE_SECTION.as_bytes() {
        return Ok(SectionKind::PvhNote);
    } else if name == abi::symbols::MULTIBOOT2_SECTION.as_bytes() {
        return Ok(SectionKind::Multiboot2);
    }
    let is_constructors = name.starts_with(b".ctors") || name.starts_with(b".dtors");
    match kind {
        elf::SHT_PROGBITS if is_constructors => Err(SectionProblem::Constructors),
        elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY => Err(SectionProblem::Constructors),
        elf::SHT_PROGBITS | elf::SHT_NOBITS if has(elf::SHF_COMPRESSED) => Err(SectionProblem::Compressed),
        elf::SHT_PROGBITS | elf::SHT_NOBITS if has(elf::SHF_EXECINSTR) && has(elf::SHF_WRITE) => {
            Err(SectionProblem::WritableCode)
        }
        elf::SHT_PROGBITS if has(elf::SHF_EXECINSTR) => Ok(SectionKind::Text),
        elf::SHT_PROGBITS if name.starts_with(b".data.rel.ro") || !has(elf::SHF_WRITE) => Ok(SectionKind::ReadOnly),
        elf::SHT_PROGBITS => Ok(SectionKind::Data),
        elf::SHT_NOBITS => Ok(SectionKind::ZeroInitialized),
        _ => Ok(SectionKind::Dropped),
    }
}
