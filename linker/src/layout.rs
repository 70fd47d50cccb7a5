//! Third phase: an address for everything that is live.
//!
//! ```text
//! segment     sections                                       permissions
//! read-only   headers .multiboot2 .note.pvh .rodata          R
//! text        .text                                          RX
//! data        .data .bss                                     RW
//! ```
//!
//! Each segment has pages of its own, so that no page is both writable and executable. In an image, file offsets and addresses
//! are equal modulo the page size without any padding in the file: a segment begins in a fresh page at the offset within it at
//! which the previous segment ended. That costs up to a page of memory per segment and saves up to a page of file. In a process,
//! there is no file, and segments begin at page starts.
//!
//! Within an output section, sections keep the order of the inputs: equal inputs, equal images.
//!
//! Read first: [`Layout`].

use std::collections::HashMap;

use abi::memory_map::PAGE_SIZE;

use crate::error::{Error, ErrorKind};
use crate::reach::Reachable;
use crate::relocation::TableUse;
use crate::resolve::{Program, Target};
use crate::section::{LE, SectionKind};
use crate::symbols::{Boundary, Definition, SectionId, SymbolId};

/// Where calls of 32-bit distance still reach everything.
const ADDRESS_SPACE_LEN_BYTES: u64 = 1 << 31;

/// Bytes of an entry of the global offset table.
const TABLE_ENTRY_LEN_BYTES: u64 = 8;

/// What occupies a range of an output section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A section of an object.
    Section(SectionId),
    /// The blob of that position.
    Blob(u32),
    /// The global offset table.
    AddressTable,
    /// The generated functions that trap.
    TrapFunctions,
    /// A common symbol.
    Common(SymbolId),
}

/// A placed range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    pub(crate) content: Content,
    pub(crate) address: u64,
    pub(crate) size_bytes: u64,
    alignment: u64,
}

/// A section of the product.
#[derive(Debug)]
pub(crate) struct OutputSection {
    pub(crate) name: &'static str,
    pub(crate) kind: SectionKind,
    pub(crate) address: u64,
    pub(crate) size_bytes: u64,
    pub(crate) alignment: u64,
    pub(crate) chunks: Vec<Chunk>,
}

/// A range with permissions of its own.
#[derive(Debug)]
pub(crate) struct Segment {
    /// First byte; in an image, not necessarily at a page's start.
    pub(crate) address: u64,
    /// Bytes that have contents.
    pub(crate) file_len_bytes: u64,
    /// Bytes altogether.
    pub(crate) memory_len_bytes: u64,
    pub(crate) sections: Vec<OutputSection>,
}

impl Segment {
    /// Returns the start of the first page.
    pub(crate) fn page_start(&self) -> u64 {
        self.address & !(PAGE_SIZE - 1)
    }

    /// Returns the end of the last page.
    pub(crate) fn page_end(&self) -> u64 {
        (self.address + self.memory_len_bytes).next_multiple_of(PAGE_SIZE)
    }
}

/// How the product is to be laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Address of the first byte, page aligned.
    pub(crate) base: u64,
    /// Bytes at the start to leave for file headers.
    pub(crate) headers_len_bytes: u64,
    /// Whether segments begin where the previous one ended in the file.
    pub(crate) follows_file: bool,
}

/// The addresses of everything.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Read-only, text, data.
    pub(crate) segments: [Segment; 3],
    /// By section number.
    section_addresses: Vec<Option<u64>>,
    common_addresses: HashMap<SymbolId, u64>,
    blob_addresses: Vec<u64>,
    /// Entries of the global offset table: their targets in order, and the position of each.
    pub(crate) table: Vec<Target>,
    table_positions: HashMap<Target, u64>,
    table_address: u64,
    trap_functions_address: u64,
    trap_function_len_bytes: u64,
}

/// Lays the live parts of a program out.
pub(crate) fn layout(
    program: &Program<'_>,
    reachable: &Reachable,
    trap_function_count: u32,
    form: Form,
) -> Result<Layout, Error> {
    let mut output = collect(program, reachable, trap_function_count);
    let table = collect_table(program, reachable)?;
    if !table.is_empty() {
        let size_bytes = table.len() as u64 * TABLE_ENTRY_LEN_BYTES;
        output.push(
            SectionKind::ReadOnly,
            Content::AddressTable,
            size_bytes,
            TABLE_ENTRY_LEN_BYTES,
        );
    }
    for (position, blob) in program.blobs.iter().enumerate() {
        let content = Content::Blob(position as u32);
        output.push(SectionKind::ReadOnly, content, blob.bytes.len() as u64, blob.alignment);
    }
    let segments = place(output, form)?;
    let mut layout = Layout {
        segments,
        section_addresses: vec![None; program.section_count()],
        common_addresses: HashMap::new(),
        blob_addresses: vec![0; program.blobs.len()],
        table_positions: table.iter().copied().zip(0..).collect(),
        table,
        table_address: 0,
        trap_functions_address: 0,
        trap_function_len_bytes: program.machine.trap_function().len() as u64,
    };
    layout.index_chunks();
    Ok(layout)
}

/// The sections to be, before placement.
struct Output {
    segments: [Vec<OutputSection>; 3],
}

impl Output {
    fn new() -> Self {
        let section = |name, kind| OutputSection {
            name,
            kind,
            address: 0,
            size_bytes: 0,
            alignment: 1,
            chunks: Vec::new(),
        };
        Output {
            segments: [
                vec![
                    section(abi::symbols::MULTIBOOT2_SECTION, SectionKind::Multiboot2),
                    section(abi::symbols::PVH_NOTE_SECTION, SectionKind::PvhNote),
                    section(".rodata", SectionKind::ReadOnly),
                ],
                vec![section(".text", SectionKind::Text)],
                vec![
                    section(".data", SectionKind::Data),
                    section(".bss", SectionKind::ZeroInitialized),
                ],
            ],
        }
    }

    fn push(&mut self, kind: SectionKind, content: Content, size_bytes: u64, alignment: u64) {
        let section = self.segments.iter_mut().flatten().find(|section| section.kind == kind);
        let section = section.expect("every loaded kind has its output section");
        section.alignment = section.alignment.max(alignment);
        section.chunks.push(Chunk {
            content,
            address: 0,
            size_bytes,
            alignment,
        });
    }
}

fn collect(program: &Program<'_>, reachable: &Reachable, trap_function_count: u32) -> Output {
    let mut output = Output::new();
    for &id in &reachable.sections {
        let (object, index) = program.section_owner(id);
        let section = &object.file.sections[index];
        output.push(
            section.kind,
            Content::Section(id),
            section.size_bytes,
            section.alignment,
        );
    }
    if trap_function_count > 0 {
        let function_len_bytes = program.machine.trap_function().len() as u64;
        let size_bytes = u64::from(trap_function_count) * function_len_bytes;
        output.push(
            SectionKind::Text,
            Content::TrapFunctions,
            size_bytes,
            function_len_bytes,
        );
    }
    for (id, symbol) in program.symbols.iter() {
        if let Definition::Common { size_bytes, alignment } = symbol.definition
            && reachable.symbols[id.0 as usize]
        {
            output.push(SectionKind::ZeroInitialized, Content::Common(id), size_bytes, alignment);
        }
    }
    output
}

/// Collects the targets that need an entry in the global offset table.
fn collect_table(program: &Program<'_>, reachable: &Reachable) -> Result<Vec<Target>, Error> {
    let mut table = Vec::new();
    let mut seen = HashMap::new();
    for &id in &reachable.table_users {
        let (object, index) = program.section_owner(id);
        let section = &object.file.sections[index];
        for relocation in section.relocations {
            let (info, addend) = (relocation.r_info.get(LE), relocation.r_addend.get(LE));
            let (kind, symbol) = (info as u32, (info >> 32) as u32);
            let table_use = program
                .machine
                .table_use(kind, section.data, relocation.r_offset.get(LE), addend);
            if table_use == TableUse::None {
                continue;
            }
            let target = object.target(symbol, addend)?;
            let avoidable = table_use == TableUse::Avoidable && reachable.is_within(program, target);
            if !avoidable && seen.insert(target, ()).is_none() {
                table.push(target);
            }
        }
    }
    Ok(table)
}

fn place(output: Output, form: Form) -> Result<[Segment; 3], Error> {
    // Two pages short of the end of the address space, so that rounding up to a page never overflows.
    let end = form
        .base
        .saturating_add(ADDRESS_SPACE_LEN_BYTES)
        .min(u64::MAX - 2 * PAGE_SIZE);
    let mut cursor = Cursor {
        address: form.base + form.headers_len_bytes,
        end,
    };
    let mut start = form.base;
    let mut placed = Vec::with_capacity(3);
    for sections in output.segments {
        let segment = place_segment(sections, start, &mut cursor)?;
        let file_end = segment.address + segment.file_len_bytes;
        placed.push(segment);
        cursor.advance_to_page("segment")?;
        if form.follows_file {
            cursor.address += file_end % PAGE_SIZE;
        }
        start = cursor.address;
    }
    Ok(placed.try_into().expect("three segments went in"))
}

fn place_segment(mut sections: Vec<OutputSection>, start: u64, cursor: &mut Cursor) -> Result<Segment, Error> {
    let mut file_end = cursor.address;
    for section in &mut sections {
        if section.chunks.is_empty() {
            section.address = cursor.address;
            continue;
        }
        cursor.align(section.alignment, section.name)?;
        section.address = cursor.address;
        for chunk in &mut section.chunks {
            cursor.align(chunk.alignment, section.name)?;
            chunk.address = cursor.address;
            cursor.advance(chunk.size_bytes, section.name)?;
        }
        section.size_bytes = cursor.address - section.address;
        if section.kind != SectionKind::ZeroInitialized {
            file_end = cursor.address;
        }
    }
    let (file_len_bytes, memory_len_bytes) = (file_end - start, cursor.address - start);
    Ok(Segment {
        address: start,
        file_len_bytes,
        memory_len_bytes,
        sections,
    })
}

/// The next free address, and the end of what there is.
struct Cursor {
    address: u64,
    end: u64,
}

impl Cursor {
    fn advance(&mut self, size_bytes: u64, part: &str) -> Result<(), Error> {
        match self
            .address
            .checked_add(size_bytes)
            .filter(|&address| address <= self.end)
        {
            Some(address) => {
                self.address = address;
                Ok(())
            }
            None => Err(ErrorKind::TooLarge { part: part.to_owned() }.into()),
        }
    }

    fn align(&mut self, alignment: u64, part: &str) -> Result<(), Error> {
        let padding = self.address.wrapping_neg() & (alignment - 1);
        self.advance(padding, part)
    }

    fn advance_to_page(&mut self, part: &str) -> Result<(), Error> {
        self.align(PAGE_SIZE, part)
    }
}

impl Reachable {
    /// Tells whether a target is a place within the program, not an absolute value or an external address.
    pub(crate) fn is_within(&self, program: &Program<'_>, target: Target) -> bool {
        match target {
            Target::Absolute(_) => false,
            Target::Local { .. } => true,
            Target::Global { symbol, .. } => match program.symbols.get(symbol).definition {
                Definition::Section { section, .. } => self.sections.binary_search(&section).is_ok(),
                Definition::Common { .. } => self.symbols[symbol.0 as usize],
                Definition::Blob { .. } | Definition::Boundary(_) | Definition::Trap(_) => true,
                Definition::Undefined | Definition::Absolute(_) | Definition::Optional(_) | Definition::External(_) => {
                    false
                }
            },
        }
    }
}

impl Layout {
    fn index_chunks(&mut self) {
        for chunk in self
            .segments
            .iter()
            .flat_map(|segment| &segment.sections)
            .flat_map(|section| &section.chunks)
        {
            match chunk.content {
                Content::Section(id) => self.section_addresses[id.0 as usize] = Some(chunk.address),
                Content::Blob(position) => self.blob_addresses[position as usize] = chunk.address,
                Content::AddressTable => self.table_address = chunk.address,
                Content::TrapFunctions => self.trap_functions_address = chunk.address,
                Content::Common(symbol) => {
                    self.common_addresses.insert(symbol, chunk.address);
                }
            }
        }
    }

    /// Returns the address of a live section.
    pub(crate) fn section_address(&self, section: SectionId) -> Option<u64> {
        self.section_addresses[section.0 as usize]
    }

    /// Returns the address of an entry of the global offset table.
    pub(crate) fn table_entry_address(&self, target: Target) -> Option<u64> {
        let position = self.table_positions.get(&target)?;
        Some(self.table_address + position * TABLE_ENTRY_LEN_BYTES)
    }

    /// Returns the value of a target: 0 for a weak reference to what is not there, `None` if it is in a section that is not
    /// part of the program.
    pub(crate) fn address(&self, program: &Program<'_>, target: Target) -> Option<u64> {
        match target {
            Target::Absolute(value) => Some(value),
            Target::Local { section, value } => Some(self.section_address(section)?.wrapping_add(value)),
            Target::Global { symbol, is_weak } => {
                let address = self.symbol_address(program, symbol);
                if is_weak { Some(address.unwrap_or(0)) } else { address }
            }
        }
    }

    /// Returns the value of a symbol, if it is defined and part of the program.
    pub(crate) fn symbol_address(&self, program: &Program<'_>, symbol: SymbolId) -> Option<u64> {
        match program.symbols.get(symbol).definition {
            Definition::Undefined => None,
            Definition::Section { section, value } => Some(self.section_address(section)?.wrapping_add(value)),
            Definition::Absolute(value) | Definition::External(value) => Some(value),
            Definition::Common { .. } => self.common_addresses.get(&symbol).copied(),
            Definition::Blob { position, is_end } => {
                let len_bytes = program.blobs[position as usize].bytes.len() as u64;
                Some(self.blob_addresses[position as usize] + if is_end { len_bytes } else { 0 })
            }
            Definition::Boundary(boundary) => Some(self.boundary(boundary)),
            Definition::Optional(other) => Some(self.symbol_address(program, other).unwrap_or(0)),
            Definition::Trap(number) => {
                Some(self.trap_functions_address + u64::from(number) * self.trap_function_len_bytes)
            }
        }
    }

    fn boundary(&self, boundary: Boundary) -> u64 {
        let [read_only, text, data] = &self.segments;
        match boundary {
            Boundary::ReadOnlyStart => read_only.page_start(),
            Boundary::ReadOnlyEnd => read_only.page_end(),
            Boundary::TextStart => text.page_start(),
            Boundary::TextEnd => text.page_end(),
            Boundary::DataStart => data.page_start(),
            Boundary::DataEnd => data.page_end(),
        }
    }
}
