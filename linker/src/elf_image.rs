//! Last phase for an image: the ELF64 executable file.
//!
//! ```text
//! ELF header, 4 program headers      one segment with what follows
//! .multiboot2 .note.pvh .rodata      R    .multiboot2 is within the first 32 KiB, as its specification asks
//! .text                              RX
//! .data                              RW   and .bss, which is not in the file
//! .wasmetal.abi .imports .contents   not loaded
//! .symtab .strtab                    not loaded, on request
//! .shstrtab, section headers
//! ```
//!
//! The file is linked at virtual addresses in the upper half and loaded at physical ones: `p_vaddr` is `p_paddr` +
//! [`IMAGE_BASE`]. The header's entry is the *virtual* address of the entry symbol. QEMU, Firecracker and Cloud Hypervisor do not
//! look at it, as the PVH note holds the physical entry; GRUB looks for the segment whose virtual range contains it and computes
//! the physical address itself, and refuses an entry that is in no segment; gdb and objdump expect a virtual address.

use std::collections::HashMap;

use abi::memory_map::{IMAGE_BASE, PAGE_SIZE};
use object::elf;
use object::endian::{U16, U32, U64};
use object::pod::bytes_of;

use crate::contents::encode_contents;
use crate::layout::{Layout, OutputSection, Segment};
use crate::object_file::SymbolPlace;
use crate::resolve::Program;
use crate::section::{Elf, ElfSymbol, LE, SectionKind};
use crate::symbols::{Definition, Owner};

type ProgramHeader = elf::ProgramHeader64<object::LittleEndian>;
type SectionHeader = elf::SectionHeader64<object::LittleEndian>;

const PROGRAM_HEADER_COUNT: u64 = 4;

/// Bytes at the start of the image that its headers take.
pub(crate) const HEADERS_LEN_BYTES: u64 =
    (size_of::<Elf>() + PROGRAM_HEADER_COUNT as usize * size_of::<ProgramHeader>()) as u64;

/// Writes the image. `contents` are those of the layout's segments.
pub(crate) fn write_image(
    program: &Program<'_>,
    layout: &Layout,
    contents: [Vec<u8>; 3],
    entry: u64,
    with_symbols: bool,
) -> Vec<u8> {
    let [mut file, text, data] = contents;
    let offsets = [0, file.len() as u64, (file.len() + text.len()) as u64];
    file.extend_from_slice(&text);
    file.extend_from_slice(&data);
    drop((text, data));

    let mut sections = SectionTable::new();
    for (segment, file_offset) in layout.segments.iter().zip(offsets) {
        for section in segment.sections.iter().filter(|section| section.size_bytes > 0) {
            sections.add_loaded(section, file_offset + (section.address - segment.address));
        }
    }
    let version = abi::ABI_VERSION.to_le_bytes();
    sections.add_unloaded(
        &mut file,
        abi::symbols::ABI_VERSION_SECTION,
        elf::SHT_PROGBITS,
        &version,
    );
    let imports = collect_imports(program);
    sections.add_unloaded(&mut file, abi::symbols::IMPORTS_SECTION, elf::SHT_PROGBITS, &imports);
    let contents = encode_contents(program, layout);
    sections.add_unloaded(&mut file, abi::symbols::CONTENTS_SECTION, elf::SHT_PROGBITS, &contents);
    if with_symbols {
        sections.add_symbols(&mut file, program, layout);
    }
    let (section_header_offset, section_count) = sections.finish(&mut file);

    let mut headers = bytes_of(&file_header(program, entry, section_header_offset, section_count)).to_vec();
    for (index, (segment, file_offset)) in layout.segments.iter().zip(offsets).enumerate() {
        let flags = [elf::PF_R, elf::PF_R | elf::PF_X, elf::PF_R | elf::PF_W][index];
        headers.extend_from_slice(bytes_of(&load_header(segment, flags, file_offset)));
    }
    headers.extend_from_slice(bytes_of(&note_header(layout)));
    file[..headers.len()].copy_from_slice(&headers);
    file
}

fn file_header(program: &Program<'_>, entry: u64, section_header_offset: u64, section_count: u16) -> Elf {
    Elf {
        e_ident: elf::Ident {
            magic: elf::ELFMAG,
            class: elf::ELFCLASS64,
            data: elf::ELFDATA2LSB,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        },
        e_type: U16::new(LE, elf::ET_EXEC),
        e_machine: U16::new(LE, program.machine.to_elf()),
        e_version: U32::new(LE, u32::from(elf::EV_CURRENT)),
        e_entry: U64::new(LE, entry),
        e_phoff: U64::new(LE, size_of::<Elf>() as u64),
        e_shoff: U64::new(LE, section_header_offset),
        e_flags: U32::new(LE, 0),
        e_ehsize: U16::new(LE, size_of::<Elf>() as u16),
        e_phentsize: U16::new(LE, size_of::<ProgramHeader>() as u16),
        e_phnum: U16::new(LE, PROGRAM_HEADER_COUNT as u16),
        e_shentsize: U16::new(LE, size_of::<SectionHeader>() as u16),
        e_shnum: U16::new(LE, section_count),
        e_shstrndx: U16::new(LE, section_count - 1),
    }
}

fn load_header(segment: &Segment, flags: u32, file_offset: u64) -> ProgramHeader {
    if segment.memory_len_bytes == 0 {
        return program_header(elf::PT_NULL, 0, 0, 0, (0, 0), 0);
    }
    let len_bytes = (segment.file_len_bytes, segment.memory_len_bytes);
    program_header(elf::PT_LOAD, flags, file_offset, segment.address, len_bytes, PAGE_SIZE)
}

fn note_header(layout: &Layout) -> ProgramHeader {
    let [read_only, ..] = &layout.segments;
    match read_only
        .sections
        .iter()
        .find(|section| section.kind == SectionKind::PvhNote && section.size_bytes > 0)
    {
        Some(note) => {
            let len_bytes = (note.size_bytes, note.size_bytes);
            let file_offset = note.address - read_only.address;
            program_header(
                elf::PT_NOTE,
                elf::PF_R,
                file_offset,
                note.address,
                len_bytes,
                note.alignment,
            )
        }
        None => program_header(elf::PT_NULL, 0, 0, 0, (0, 0), 0),
    }
}

fn program_header(
    kind: u32,
    flags: u32,
    file_offset: u64,
    address: u64,
    len_bytes: (u64, u64),
    alignment: u64,
) -> ProgramHeader {
    ProgramHeader {
        p_type: U32::new(LE, kind),
        p_flags: U32::new(LE, flags),
        p_offset: U64::new(LE, file_offset),
        p_vaddr: U64::new(LE, address),
        p_paddr: U64::new(LE, address.saturating_sub(IMAGE_BASE)),
        p_filesz: U64::new(LE, len_bytes.0),
        p_memsz: U64::new(LE, len_bytes.1),
        p_align: U64::new(LE, alignment),
    }
}

fn collect_imports(program: &Program<'_>) -> Vec<u8> {
    let sections = program.objects.iter().flat_map(|object| &object.file.sections);
    let imports = sections.filter(|section| section.kind == SectionKind::Imports);
    imports.flat_map(|section| section.data).copied().collect()
}

/// The section headers, and the string table of their names.
struct SectionTable {
    headers: Vec<SectionHeader>,
    names: Vec<u8>,
    by_kind: HashMap<SectionKind, u16>,
}

impl SectionTable {
    fn new() -> Self {
        let mut table = SectionTable {
            headers: Vec::new(),
            names: Vec::new(),
            by_kind: HashMap::new(),
        };
        table.add("", elf::SHT_NULL, 0, 0);
        table
    }

    fn add(&mut self, name: &str, kind: u32, file_offset: u64, size_bytes: u64) -> &mut SectionHeader {
        let name_offset = self.names.len() as u32;
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        self.headers.push(SectionHeader {
            sh_name: U32::new(LE, name_offset),
            sh_type: U32::new(LE, kind),
            sh_flags: U64::new(LE, 0),
            sh_addr: U64::new(LE, 0),
            sh_offset: U64::new(LE, file_offset),
            sh_size: U64::new(LE, size_bytes),
            sh_link: U32::new(LE, 0),
            sh_info: U32::new(LE, 0),
            sh_addralign: U64::new(LE, if kind == elf::SHT_NULL { 0 } else { 1 }),
            sh_entsize: U64::new(LE, 0),
        });
        self.headers.last_mut().expect("just added")
    }

    fn add_loaded(&mut self, section: &OutputSection, file_offset: u64) {
        let (kind, flags) = match section.kind {
            SectionKind::PvhNote => (elf::SHT_NOTE, 0),
            SectionKind::Text => (elf::SHT_PROGBITS, elf::SHF_EXECINSTR),
            SectionKind::Data => (elf::SHT_PROGBITS, elf::SHF_WRITE),
            SectionKind::ZeroInitialized => (elf::SHT_NOBITS, elf::SHF_WRITE),
            _ => (elf::SHT_PROGBITS, 0),
        };
        self.by_kind.insert(section.kind, self.headers.len() as u16);
        let header = self.add(section.name, kind, file_offset, section.size_bytes);
        header.sh_flags = U64::new(LE, u64::from(elf::SHF_ALLOC | flags));
        header.sh_addr = U64::new(LE, section.address);
        header.sh_addralign = U64::new(LE, section.alignment);
    }

    fn add_unloaded(&mut self, file: &mut Vec<u8>, name: &str, kind: u32, bytes: &[u8]) -> &mut SectionHeader {
        let file_offset = file.len() as u64;
        file.extend_from_slice(bytes);
        self.add(name, kind, file_offset, bytes.len() as u64)
    }

    fn add_symbols(&mut self, file: &mut Vec<u8>, program: &Program<'_>, layout: &Layout) {
        let symbols = SymbolWriter::collect(program, layout, &self.by_kind);
        file.resize(file.len().next_multiple_of(8), 0);
        let mut bytes = Vec::with_capacity((symbols.local.len() + symbols.global.len()) * size_of::<ElfSymbol>());
        for symbol in symbols.local.iter().chain(&symbols.global) {
            bytes.extend_from_slice(bytes_of(symbol));
        }
        let strings_index = self.headers.len() as u32 + 1;
        let header = self.add_unloaded(file, ".symtab", elf::SHT_SYMTAB, &bytes);
        header.sh_link = U32::new(LE, strings_index);
        header.sh_info = U32::new(LE, symbols.local.len() as u32);
        header.sh_addralign = U64::new(LE, 8);
        header.sh_entsize = U64::new(LE, size_of::<ElfSymbol>() as u64);
        self.add_unloaded(file, ".strtab", elf::SHT_STRTAB, &symbols.names);
    }

    /// Appends names and headers; returns the headers' offset and number.
    fn finish(mut self, file: &mut Vec<u8>) -> (u64, u16) {
        let file_offset = file.len() as u64;
        self.add(".shstrtab", elf::SHT_STRTAB, file_offset, 0);
        let names_len_bytes = self.names.len() as u64;
        self.headers.last_mut().expect("just added").sh_size = U64::new(LE, names_len_bytes);
        file.extend_from_slice(&self.names);
        file.resize(file.len().next_multiple_of(8), 0);
        let offset = file.len() as u64;
        for header in &self.headers {
            file.extend_from_slice(bytes_of(header));
        }
        (offset, self.headers.len() as u16)
    }
}

/// The symbol table of the image.
struct SymbolWriter {
    local: Vec<ElfSymbol>,
    global: Vec<ElfSymbol>,
    names: Vec<u8>,
}

impl SymbolWriter {
    fn collect(program: &Program<'_>, layout: &Layout, by_kind: &HashMap<SectionKind, u16>) -> Self {
        let mut writer = SymbolWriter {
            local: Vec::new(),
            global: Vec::new(),
            names: vec![0],
        };
        writer.push(b"", 0, 0, 0, 0);
        for (number, object) in program.objects.iter().enumerate() {
            for (index, symbol) in object.file.symbols.enumerate() {
                let is_nameless = matches!(symbol.st_type(), elf::STT_SECTION | elf::STT_FILE);
                let place = object.file.symbol_place(index.0, symbol);
                let Ok(SymbolPlace::Section(section)) = place else {
                    continue;
                };
                let (section, offset) = object.file.piece_of(section, symbol, 0);
                let Some(address) = layout.section_address(object.section_id(section)) else {
                    continue;
                };
                let Ok(name) = object.file.symbol_name(symbol) else {
                    continue;
                };
                let is_ours = object
                    .global_symbol(index.0)
                    .is_none_or(|id| program.symbols.get(id).owner == Owner::Object(number as u32));
                let section = by_kind.get(&object.file.sections[section].kind);
                if let Some(&section) = section.filter(|_| !is_nameless && !name.is_empty() && is_ours) {
                    let value = address.wrapping_add(offset);
                    writer.push(name, symbol.st_info, section, value, symbol.st_size.get(LE));
                }
            }
        }
        let info = (elf::STB_GLOBAL << 4) | elf::STT_NOTYPE;
        for (id, symbol) in program.symbols.iter() {
            let is_made_here = matches!(
                symbol.definition,
                Definition::Boundary(_) | Definition::Blob { .. } | Definition::Trap(_) | Definition::Common { .. }
            );
            if let Some(address) = layout.symbol_address(program, id).filter(|_| is_made_here) {
                writer.push(symbol.name, info, elf::SHN_ABS, address, 0);
            }
        }
        writer
    }

    fn push(&mut self, name: &[u8], info: u8, section: u16, value: u64, size_bytes: u64) {
        let name_offset = if name.is_empty() { 0 } else { self.names.len() as u32 };
        if !name.is_empty() {
            self.names.extend_from_slice(name);
            self.names.push(0);
        }
        let is_local = info >> 4 == elf::STB_LOCAL;
        let list = if is_local { &mut self.local } else { &mut self.global };
        list.push(ElfSymbol {
            st_name: U32::new(LE, name_offset),
            st_info: info,
            st_other: elf::STV_DEFAULT,
            st_shndx: U16::new(LE, section),
            st_value: U64::new(LE, value),
            st_size: U64::new(LE, size_bytes),
        });
    }
}
