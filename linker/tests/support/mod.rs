//! Small objects and archives for tests, and a view of what the linker makes of them.

use std::collections::HashMap;

use linker::{Error, Image, Input, LinkOptions};
use object::elf::*;
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::write::{self, SectionId, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, LittleEndian, RelocationFlags, SectionFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope,
};

/// `ret`, the code of functions whose code does not matter.
pub const RET: &[u8] = &[0xc3];

/// Builds an object.
pub struct Builder {
    object: write::Object<'static>,
    symbols: HashMap<String, SymbolId>,
}

impl Builder {
    pub fn new() -> Self {
        Self::for_machine(Architecture::X86_64)
    }

    pub fn for_machine(architecture: Architecture) -> Self {
        let object = write::Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        Builder {
            object,
            symbols: HashMap::new(),
        }
    }

    /// Adds a section of that type and those flags; `.text*` and the like are told by `text`, `data`… below.
    pub fn section(&mut self, name: &str, sh_type: u32, sh_flags: u32, bytes: &[u8], alignment: u64) -> SectionId {
        let section = self
            .object
            .add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Elf(sh_type));
        self.object.section_mut(section).flags = SectionFlags::Elf {
            sh_flags: u64::from(sh_flags),
        };
        self.object.append_section_data(section, bytes, alignment);
        section
    }

    pub fn text(&mut self, name: &str, bytes: &[u8]) -> SectionId {
        self.section(name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, bytes, 1)
    }

    pub fn data(&mut self, name: &str, bytes: &[u8]) -> SectionId {
        self.section(name, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, bytes, 1)
    }

    pub fn read_only(&mut self, name: &str, bytes: &[u8]) -> SectionId {
        self.section(name, SHT_PROGBITS, SHF_ALLOC, bytes, 1)
    }

    /// Adds a section of mergeable strings; relocations name its symbol as the section.
    pub fn strings(&mut self, name: &str, bytes: &[u8]) -> SectionId {
        let kind = SectionKind::ReadOnlyString;
        let section = self.object.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
        self.object.append_section_data(section, bytes, 1);
        self.symbols
            .insert(name.to_owned(), self.object.section_symbol(section));
        section
    }

    pub fn zeros(&mut self, name: &str, size_bytes: u64) -> SectionId {
        let section = self
            .object
            .add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::UninitializedData);
        self.object.append_section_bss(section, size_bytes, 16);
        section
    }

    pub fn symbol(&mut self, name: &str, section: SymbolSection, value: u64, binding: u8) -> SymbolId {
        let symbol = self.object.add_symbol(write::Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size: 0,
            kind: SymbolKind::Data,
            scope: if binding == STB_LOCAL {
                SymbolScope::Compilation
            } else {
                SymbolScope::Linkage
            },
            weak: binding == STB_WEAK,
            section,
            flags: SymbolFlags::Elf {
                st_info: binding << 4,
                st_other: 0,
            },
        });
        self.symbols.insert(name.to_owned(), symbol);
        symbol
    }

    /// Defines a global symbol at the start of a section.
    pub fn define(&mut self, name: &str, section: SectionId) -> &mut Self {
        self.symbol(name, SymbolSection::Section(section), 0, STB_GLOBAL);
        self
    }

    pub fn define_weak(&mut self, name: &str, section: SectionId) -> &mut Self {
        self.symbol(name, SymbolSection::Section(section), 0, STB_WEAK);
        self
    }

    /// Adds a function in a section of its own.
    pub fn function(&mut self, name: &str, code: &[u8]) -> SectionId {
        let section = self.text(&format!(".text.{name}"), code);
        self.define(name, section);
        section
    }

    /// Adds a relocation to a symbol of that name, an undefined one if there is none.
    pub fn relocation(&mut self, section: SectionId, offset: u64, symbol: &str, r_type: u32, addend: i64) -> &mut Self {
        let symbol = match self.symbols.get(symbol) {
            Some(&symbol) => symbol,
            None => self.symbol(symbol, SymbolSection::Undefined, 0, STB_GLOBAL),
        };
        let flags = RelocationFlags::Elf { r_type };
        self.object
            .add_relocation(
                section,
                write::Relocation {
                    offset,
                    symbol,
                    addend,
                    flags,
                },
            )
            .unwrap();
        self
    }

    /// Sets the size of a symbol, and its value: of a common symbol, that is its alignment.
    pub fn set_size(&mut self, symbol: SymbolId, size_bytes: u64, value: u64) {
        let symbol = self.object.symbol_mut(symbol);
        (symbol.size, symbol.value) = (size_bytes, value);
    }

    /// Replaces the first bytes of a section.
    pub fn set_contents(&mut self, section: SectionId, bytes: &[u8]) {
        self.object.section_mut(section).data_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    pub fn weak_reference(&mut self, symbol: &str) -> &mut Self {
        self.symbol(symbol, SymbolSection::Undefined, 0, STB_WEAK);
        self
    }

    pub fn comdat(&mut self, signature: &str, sections: &[SectionId]) {
        let symbol = self.symbols[signature];
        let sections = sections.to_vec();
        self.object.add_comdat(write::Comdat {
            kind: object::ComdatKind::Any,
            symbol,
            sections,
        });
    }

    pub fn build(&self) -> Vec<u8> {
        self.object.write().unwrap()
    }
}

/// An object with an entry, which calls `callee`, and a module descriptor.
pub fn application(callee: &str) -> Builder {
    let mut object = Builder::new();
    let entry = object.function("wasmetal.boot_entry", &[0xe8, 0, 0, 0, 0]);
    object.relocation(entry, 1, callee, R_X86_64_PLT32, -4);
    let module = object.data(".data.module", &[0; 8]);
    object.define("wasmetal.module", module);
    object
}

/// An object with one function.
pub fn library(function: &str) -> Vec<u8> {
    let mut object = Builder::new();
    object.function(function, RET);
    object.build()
}

/// An archive; with an index of the symbols given for each member, if any are.
pub fn archive(members: &[(&str, &[u8], &[&str])]) -> Vec<u8> {
    fn push(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
        let size = bytes.len();
        out.extend_from_slice(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).as_bytes());
        out.extend_from_slice(bytes);
        if size % 2 == 1 {
            out.push(b'\n');
        }
    }
    let index_of = |first_offset: usize| {
        let (mut offsets, mut names, mut count, mut offset) = (Vec::new(), Vec::new(), 0u32, first_offset);
        for (_, bytes, symbols) in members {
            for symbol in *symbols {
                offsets.extend_from_slice(&(offset as u32).to_be_bytes());
                names.extend_from_slice(symbol.as_bytes());
                names.push(0);
                count += 1;
            }
            offset += 60 + bytes.len().next_multiple_of(2);
        }
        [count.to_be_bytes().to_vec(), offsets, names].concat()
    };
    let mut out = b"!<arch>\n".to_vec();
    if members.iter().any(|(_, _, symbols)| !symbols.is_empty()) {
        let index_len_bytes = index_of(0).len().next_multiple_of(2);
        push(&mut out, "/", &index_of(8 + 60 + index_len_bytes));
    }
    for (name, bytes, _) in members {
        push(&mut out, &format!("{name}/"), bytes);
    }
    out
}

/// Links named inputs.
pub fn link_all(inputs: &[(&str, &[u8])], options: &LinkOptions) -> Result<Image, Error> {
    let inputs: Vec<Input<'_>> = inputs.iter().map(|&(name, bytes)| Input { name, bytes }).collect();
    linker::link(&inputs, options)
}

/// Options with a symbol table, so that [`View`] finds symbols.
pub fn with_symbols() -> LinkOptions {
    LinkOptions {
        symbols: true,
        ..LinkOptions::default()
    }
}

/// An image, read back.
pub struct View {
    pub bytes: Vec<u8>,
    pub symbols: HashMap<String, u64>,
}

type Elf = FileHeader64<LittleEndian>;
const LE: LittleEndian = LittleEndian;

impl View {
    pub fn new(image: Image) -> Self {
        let bytes = image.bytes;
        let header = Elf::parse(&*bytes).unwrap();
        let table = header.sections(LE, &*bytes).unwrap();
        let symbols = table.symbols(LE, &*bytes, SHT_SYMTAB).unwrap();
        let symbols = symbols.iter().map(|symbol| {
            let name = symbols.symbol_name(LE, symbol).unwrap();
            (String::from_utf8_lossy(name).into_owned(), symbol.st_value.get(LE))
        });
        let symbols = symbols.collect();
        View { bytes, symbols }
    }

    pub fn header(&self) -> &Elf {
        Elf::parse(&*self.bytes).unwrap()
    }

    pub fn program_headers(&self) -> &[ProgramHeader64<LittleEndian>] {
        self.header().program_headers(LE, &*self.bytes).unwrap()
    }

    pub fn section(&self, name: &str) -> Option<&SectionHeader64<LittleEndian>> {
        let table = self.header().sections(LE, &*self.bytes).unwrap();
        table.section_by_name(LE, name.as_bytes()).map(|(_, section)| section)
    }

    pub fn section_data(&self, name: &str) -> &[u8] {
        self.section(name).unwrap().data(LE, &*self.bytes).unwrap()
    }

    /// Returns the `N` bytes that are loaded at a symbol.
    pub fn at<const N: usize>(&self, symbol: &str) -> [u8; N] {
        let address = self.symbols[symbol];
        let segment = self.program_headers().iter().find(|segment| {
            let range = segment.p_vaddr.get(LE)..segment.p_vaddr.get(LE) + segment.p_filesz.get(LE);
            segment.p_type.get(LE) == PT_LOAD && range.contains(&address)
        });
        let segment = segment.expect("the symbol is in a segment");
        let start = (address - segment.p_vaddr.get(LE) + segment.p_offset.get(LE)) as usize;
        *self.bytes[start..].first_chunk().unwrap()
    }

    pub fn word_at(&self, symbol: &str) -> u64 {
        u64::from_le_bytes(self.at(symbol))
    }

    /// Returns where a direct call or jump at a symbol goes, whose displacement is at `offset`.
    pub fn branch_target(&self, symbol: &str, offset: u64) -> u64 {
        let code: [u8; 8] = self.at(symbol);
        let displacement = i32::from_le_bytes(*code[offset as usize..].first_chunk().unwrap());
        (self.symbols[symbol] + offset + 4).wrapping_add_signed(i64::from(displacement))
    }
}
