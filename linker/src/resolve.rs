//! First phase: from inputs to a program whose global symbols are resolved.
//!
//! All objects are taken, then archive members until nothing that is needed can be found in them any more: the order of inputs
//! does not matter but between two archives that define the same symbol, where the first wins. A weak reference takes no member
//! from an archive. Of each COMDAT group, the first copy is kept.
//!
//! Read first: [`Program`], [`Target`].

use std::collections::HashSet;

use object::elf;
use object::read::elf::Sym as _;

use crate::archive::{self, Archive};
use crate::error::{Error, ErrorKind};
use crate::machine::Machine;
use crate::object_file::{ObjectFile, SymbolPlace};
use crate::options::{Blob, Input};
use crate::section::{LE, SectionKind};
use crate::symbols::{Boundary, Definition, Owner, SectionId, SymbolId, Symbols};

/// The symbols that the linker itself defines.
const BOUNDARIES: [(&str, Boundary); 6] = [
    (abi::symbols::IMAGE_RODATA_START, Boundary::ReadOnlyStart),
    (abi::symbols::IMAGE_RODATA_END, Boundary::ReadOnlyEnd),
    (abi::symbols::IMAGE_TEXT_START, Boundary::TextStart),
    (abi::symbols::IMAGE_TEXT_END, Boundary::TextEnd),
    (abi::symbols::IMAGE_DATA_START, Boundary::DataStart),
    (abi::symbols::IMAGE_DATA_END, Boundary::DataEnd),
];

/// An object of the program.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// Name of the input that the object is or is a member of.
    pub(crate) input: &'a str,
    pub(crate) file: ObjectFile<'a>,
    first_section: u32,
    /// By ELF symbol index; `None` for local symbols.
    global_symbols: Vec<Option<SymbolId>>,
}

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// A global symbol; a weak reference does without a definition.
    Global { symbol: SymbolId, is_weak: bool },
    /// Offset `value` in a section.
    Local { section: SectionId, value: u64 },
    /// An absolute value.
    Absolute(u64),
}

/// Everything that is linked.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) machine: Machine,
    pub(crate) objects: Vec<Object<'a>>,
    pub(crate) symbols: Symbols<'a>,
    pub(crate) blobs: &'a [Blob],
    /// Symbols that must be there.
    pub(crate) roots: Vec<SymbolId>,
    /// By section number: object, and ELF section index there.
    owners: Vec<(u32, u32)>,
    groups: HashSet<&'a [u8]>,
}

/// What a program is made from.
pub(crate) struct Parts<'a> {
    pub(crate) inputs: &'a [Input<'a>],
    pub(crate) blobs: &'a [Blob],
    /// The end symbols of the blobs, in their order.
    pub(crate) blob_ends: &'a [String],
    pub(crate) roots: Vec<&'a str>,
    pub(crate) keep_exports: bool,
}

/// Loads the parts and resolves their symbols.
pub(crate) fn resolve<'a>(parts: &Parts<'a>) -> Result<Program<'a>, Error> {
    let mut program = Program {
        machine: Machine::X86_64,
        objects: Vec::new(),
        symbols: Symbols::default(),
        blobs: parts.blobs,
        roots: Vec::new(),
        owners: Vec::new(),
        groups: HashSet::new(),
    };
    program.define_linker_symbols(parts)?;
    let mut archives = Vec::new();
    for input in parts.inputs {
        if archive::is_archive(input.bytes) {
            archives.push(Archive::parse(input.name, input.bytes)?);
        } else {
            program.add_object(input.name, input.name.to_owned(), input.bytes)?;
        }
    }
    for root in &parts.roots {
        let id = program.symbols.intern(root.as_bytes());
        program.roots.push(id);
        program.symbols.want(id);
    }
    while let Some(wanted) = program.symbols.take_wanted() {
        let name = program.symbols.get(wanted).name;
        for archive in &mut archives {
            if let Some((name, bytes)) = archive.take_member(name)? {
                program.add_object(archive.name(), name, bytes)?;
                break;
            }
        }
    }
    program.resolve_optional_symbols();
    if parts.keep_exports {
        program.add_exports_to_roots();
    }
    Ok(program)
}

impl<'a> Program<'a> {
    fn define_linker_symbols(&mut self, parts: &Parts<'a>) -> Result<(), Error> {
        for (name, boundary) in BOUNDARIES {
            self.define(name.as_bytes(), Definition::Boundary(boundary), false, Owner::Linker)?;
        }
        for (position, (blob, end)) in parts.blobs.iter().zip(parts.blob_ends).enumerate() {
            let position = position as u32;
            let start = Definition::Blob {
                position,
                is_end: false,
            };
            self.define(blob.symbol.as_bytes(), start, false, Owner::Linker)?;
            let end_of_blob = Definition::Blob { position, is_end: true };
            self.define(end.as_bytes(), end_of_blob, false, Owner::Linker)?;
        }
        Ok(())
    }

    fn add_object(&mut self, input: &'a str, name: String, bytes: &'a [u8]) -> Result<(), Error> {
        if !bytes.starts_with(&elf::ELFMAG) {
            return Err(ErrorKind::UnknownFormat { input: name }.into());
        }
        let mut file = ObjectFile::parse(name, bytes)?;
        self.check_compatibility(&file)?;
        for group in std::mem::take(&mut file.groups) {
            if !self.groups.insert(group.signature) {
                for member in group.members {
                    file.sections[member].kind = SectionKind::Replaced;
                }
            }
        }
        let object_number = self.objects.len() as u32;
        let first_section = self.owners.len() as u32;
        self.owners
            .extend((0..file.sections.len()).map(|index| (object_number, index as u32)));
        let global_symbols = Vec::with_capacity(file.symbols.len());
        self.objects.push(Object {
            input,
            file,
            first_section,
            global_symbols,
        });
        self.add_symbols(object_number)
    }

    fn check_compatibility(&self, file: &ObjectFile<'a>) -> Result<(), Error> {
        if let Some(found) = file.abi_version.filter(|&version| version != abi::ABI_VERSION) {
            let expected = abi::ABI_VERSION;
            return Err(ErrorKind::AbiVersion {
                input: file.name.clone(),
                found,
                expected,
            }
            .into());
        }
        if let Some(first) = self.objects.first().filter(|first| first.file.machine != file.machine) {
            return Err(ErrorKind::MachineMismatch {
                input: file.name.clone(),
                machine: file.machine,
                other_input: first.file.name.clone(),
                other_machine: first.file.machine,
            }
            .into());
        }
        Ok(())
    }

    fn add_symbols(&mut self, object_number: u32) -> Result<(), Error> {
        self.machine = self.objects[object_number as usize].file.machine;
        let table = self.objects[object_number as usize].file.symbols;
        for (index, symbol) in table.enumerate() {
            let object = &self.objects[object_number as usize];
            if symbol.is_local() {
                self.objects[object_number as usize].global_symbols.push(None);
                continue;
            }
            let file = &object.file;
            let name = file.symbol_name(symbol)?;
            let definition = match file.symbol_place(index.0, symbol)? {
                SymbolPlace::Section(section) if file.sections[section].kind == SectionKind::Replaced => None,
                SymbolPlace::Section(section) => {
                    let (section, value) = file.piece_of(section, symbol, 0);
                    let section = SectionId(object.first_section + section as u32);
                    Some(Definition::Section { section, value })
                }
                SymbolPlace::Absolute => Some(Definition::Absolute(symbol.st_value.get(LE))),
                SymbolPlace::Common => Some(common_definition(file, symbol)?),
                SymbolPlace::Undefined => None,
            };
            if definition.is_some() && symbol.st_type() == elf::STT_GNU_IFUNC {
                let symbol = String::from_utf8_lossy(name).into_owned();
                return Err(ErrorKind::IndirectFunction {
                    input: file.name.clone(),
                    symbol,
                }
                .into());
            }
            let id = match definition {
                Some(definition) => self.define(name, definition, symbol.is_weak(), Owner::Object(object_number))?,
                None => self.symbols.intern(name),
            };
            if definition.is_none() && !symbol.is_weak() {
                self.symbols.want(id);
            }
            self.objects[object_number as usize].global_symbols.push(Some(id));
        }
        Ok(())
    }

    fn define(&mut self, name: &'a [u8], definition: Definition, weak: bool, owner: Owner) -> Result<SymbolId, Error> {
        let id = self.symbols.intern(name);
        self.symbols
            .define(id, definition, weak, owner)
            .map_err(|conflict| ErrorKind::DuplicateSymbol {
                symbol: self.symbols.display_name(id),
                first: self.owner_name(conflict.first),
                second: self.owner_name(owner),
            })?;
        Ok(id)
    }

    fn owner_name(&self, owner: Owner) -> String {
        match owner {
            Owner::Linker => "the linker".to_owned(),
            Owner::Object(number) => self.objects[number as usize].file.name.clone(),
        }
    }

    fn resolve_optional_symbols(&mut self) {
        let prefix = abi::symbols::OPTIONAL_PREFIX.as_bytes();
        let optional: Vec<(SymbolId, Definition)> = self
            .symbols
            .iter()
            .filter(|(_, symbol)| symbol.definition == Definition::Undefined)
            .filter_map(|(id, symbol)| {
                let target = symbol.name.strip_prefix(prefix)?;
                let target = self.symbols.find(target).filter(|_| !target.starts_with(prefix));
                Some((id, target.map_or(Definition::Absolute(0), Definition::Optional)))
            })
            .collect();
        for (id, definition) in optional {
            self.symbols.settle(id, definition);
        }
    }

    fn add_exports_to_roots(&mut self) {
        let prefix = abi::symbols::EXPORT_PREFIX.as_bytes();
        let symbols = self.symbols.iter();
        let exports =
            symbols.filter(|(_, symbol)| symbol.definition != Definition::Undefined && symbol.name.starts_with(prefix));
        self.roots.extend(exports.map(|(id, _)| id));
    }

    /// Returns the object and ELF index of a section.
    pub(crate) fn section_owner(&self, section: SectionId) -> (&Object<'a>, usize) {
        let (object, index) = self.owners[section.0 as usize];
        (&self.objects[object as usize], index as usize)
    }

    /// Returns the position of the object that has the section.
    pub(crate) fn object_number(&self, section: SectionId) -> u32 {
        self.owners[section.0 as usize].0
    }

    /// Returns the number of sections of all objects.
    pub(crate) fn section_count(&self) -> usize {
        self.owners.len()
    }
}

impl<'a> Object<'a> {
    /// Returns the program's number of the section of that ELF index.
    pub(crate) fn section_id(&self, index: usize) -> SectionId {
        SectionId(self.first_section + index as u32)
    }

    /// Returns the global symbol that the ELF symbol of that index stands for.
    pub(crate) fn global_symbol(&self, index: usize) -> Option<SymbolId> {
        self.global_symbols.get(index).copied().flatten()
    }

    /// Returns what a relocation with that symbol index and addend refers to. The addend is not part of the target's value.
    pub(crate) fn target(&self, symbol_index: u32, addend: i64) -> Result<Target, Error> {
        let index = symbol_index as usize;
        let symbol = match self.file.symbols.symbols().get(index) {
            _ if index == 0 => return Ok(Target::Absolute(0)),
            Some(symbol) => symbol,
            None => return Err(self.file.malformed("relocation: its symbol index is out of range")),
        };
        if let Some(id) = self.global_symbol(index) {
            let is_weak = symbol.is_weak() && symbol.st_shndx.get(LE) == elf::SHN_UNDEF;
            return Ok(Target::Global { symbol: id, is_weak });
        }
        match self.file.symbol_place(index, symbol)? {
            SymbolPlace::Section(section) => {
                let (section, value) = self.file.piece_of(section, symbol, addend);
                Ok(Target::Local {
                    section: self.section_id(section),
                    value,
                })
            }
            SymbolPlace::Absolute => Ok(Target::Absolute(symbol.st_value.get(LE))),
            SymbolPlace::Undefined | SymbolPlace::Common => Err(self.file.malformed("local symbol")),
        }
    }
}

fn common_definition(file: &ObjectFile<'_>, symbol: &crate::section::ElfSymbol) -> Result<Definition, Error> {
    let alignment = symbol.st_value.get(LE).max(1);
    if !alignment.is_power_of_two() || alignment > abi::memory_map::LARGE_PAGE_SIZE {
        return Err(file.malformed("common symbol: its alignment is not a power of two of at most 2 MiB"));
    }
    Ok(Definition::Common {
        size_bytes: symbol.st_size.get(LE),
        alignment,
    })
}
