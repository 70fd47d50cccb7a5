//! The ELF object under construction: sections, symbols, relocations.
//!
//! ```text
//! .text          functions in the module's order, then entries and thunks
//! .rodata        data segments, type numbers of read-only tables, the trap table
//! .data.rel.ro   what holds addresses and is never written: function references, read-only tables, the module's descriptor
//! .data, .bss    memories' and tables' descriptors, globals, table elements
//! .wasmetal.*    ABI version and list of imports (not loaded)
//! ```
//!
//! Data is defined on demand: whatever code or other data refers to is put on a list, which `codegen` works off. Calls
//! inside `.text` are resolved here, so a large module does not burden the linker with a relocation for each. (Cranelift's own
//! object writer knows neither; nor can it give one function several names, or tell where a function ended up before the
//! trap table is written.)

use super::functions::{CompiledFunction, HandlerSite, Relocation, RelocationTarget};
use super::placement::Placement;
use super::symbol_names;
use crate::error::{Error, Result};
use crate::module::Module;
use crate::translate::Symbol;
use abi::trap_table::{FunctionSites, Origin, Site};
use cranelift_codegen::binemit::Reloc;
use object::write::{self, Object, SectionId, StandardSection, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
};
use std::collections::HashMap;

/// The largest `.text` that PC-relative calls can cross.
const MAX_TEXT_BYTES: u64 = i32::MAX as u64;

/// The object under construction.
pub(super) struct ObjectWriter<'a> {
    module: &'a Module<'a>,
    object: Object<'static>,
    text: SectionId,
    symbols: HashMap<Symbol, SymbolId>,
    /// Symbols of other objects, by name. A local symbol may have the same name: a C library in WebAssembly has a `floor` too.
    foreign: HashMap<String, SymbolId>,
    /// Symbols that something refers to and nothing defines yet.
    undefined: Vec<Symbol>,
    functions: Vec<PlacedFunction<'a>>,
}

/// A function whose place in `.text` is known.
struct PlacedFunction<'a> {
    offset: u64,
    len_bytes: u32,
    index: u32,
    wasm_offset: u32,
    name: &'a str,
    sites: Vec<Site>,
    inlined_calls: Vec<Origin>,
    relocations: Vec<Relocation>,
    handler_sites: Vec<HandlerSite>,
}

/// Which function a piece of code stands for, in messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionOrigin<'a> {
    /// Index in the module.
    pub index: u32,
    /// Offset of its body in the module's file.
    pub wasm_offset: u32,
    /// Its name, or nothing.
    pub name: &'a str,
}

/// Where data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataKind {
    /// Never written.
    ReadOnly,
    /// Written by the program.
    Writable,
}

/// Data to define: bytes, and addresses among them.
#[derive(Debug, Default)]
pub(super) struct Data {
    bytes: Vec<u8>,
    addresses: Vec<(u64, SymbolId, i64)>,
}

impl Data {
    pub fn of(bytes: &[u8]) -> Data {
        Data {
            bytes: bytes.to_vec(),
            addresses: Vec::new(),
        }
    }

    pub fn push_u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn push_u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends the address of a symbol, or 0.
    pub fn push_address(&mut self, symbol: Option<SymbolId>) {
        if let Some(symbol) = symbol {
            self.addresses.push((self.bytes.len() as u64, symbol, 0));
        }
        self.push_u64(0);
    }

    /// Appends the address of the byte that lies `offset` behind a symbol.
    pub fn push_address_after(&mut self, symbol: SymbolId, offset: u64) {
        self.addresses.push((self.bytes.len() as u64, symbol, offset as i64));
        self.push_u64(0);
    }

    pub fn len_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl<'a> ObjectWriter<'a> {
    pub fn new(module: &'a Module<'a>, architecture: Architecture) -> ObjectWriter<'a> {
        let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        let text = object.section_id(StandardSection::Text);
        object.append_section_data(text, &[], Placement::SECTION_ALIGNMENT);
        object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), SectionKind::Linker);
        ObjectWriter {
            module,
            object,
            text,
            symbols: HashMap::new(),
            foreign: HashMap::new(),
            undefined: Vec::new(),
            functions: Vec::new(),
        }
    }

    /// Returns the object's symbol for something, and asks for its definition if there is none yet.
    pub fn symbol(&mut self, symbol: Symbol) -> SymbolId {
        if let Some(&id) = self.symbols.get(&symbol) {
            return id;
        }
        let id = match symbol_names::undefined(self.module, symbol) {
            Some(name) => self.undefined_symbol(&name),
            None => {
                self.undefined.push(symbol);
                let kind = if symbol.is_code() {
                    SymbolKind::Text
                } else {
                    SymbolKind::Data
                };
                self.local_symbol(symbol_names::local(self.module, symbol), kind)
            }
        };
        self.symbols.insert(symbol, id);
        id
    }

    /// Takes a symbol that has been asked for and is not defined yet.
    pub fn take_undefined(&mut self) -> Option<Symbol> {
        self.undefined.pop()
    }

    /// Returns a symbol that another object defines.
    pub fn undefined_symbol(&mut self, name: &str) -> SymbolId {
        if let Some(&id) = self.foreign.get(name) {
            return id;
        }
        let id = self.add_symbol(name.to_owned(), SymbolKind::Text, SymbolScope::Unknown);
        self.foreign.insert(name.to_owned(), id);
        id
    }

    /// Returns a new symbol that only this object sees.
    pub fn local_symbol(&mut self, name: String, kind: SymbolKind) -> SymbolId {
        self.add_symbol(name, kind, SymbolScope::Compilation)
    }

    fn add_symbol(&mut self, name: String, kind: SymbolKind, scope: SymbolScope) -> SymbolId {
        self.object.add_symbol(write::Symbol {
            name: name.into_bytes(),
            value: 0,
            size: 0,
            kind,
            scope,
            weak: false,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        })
    }

    /// Defines a global symbol at the place of one that is defined.
    pub fn define_alias(&mut self, name: String, original: SymbolId) {
        let &write::Symbol {
            value,
            size,
            kind,
            section,
            ..
        } = self.object.symbol(original);
        let alias = write::Symbol {
            name: name.into_bytes(),
            value,
            size,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section,
            flags: SymbolFlags::None,
        };
        self.object.add_symbol(alias);
    }

    /// Appends a function to `.text` and defines its symbol.
    pub fn place_function(
        &mut self,
        symbol: SymbolId,
        compiled: CompiledFunction,
        origin: FunctionOrigin<'a>,
    ) -> Result<()> {
        let end = self.text_extent().1;
        let padding = compiled.placement.after(end) - end;
        self.object
            .append_section_data(self.text, &vec![0; padding as usize], 1);
        let offset = self.object.add_symbol_data(symbol, self.text, &compiled.code, 1);
        if offset + compiled.code.len() as u64 > MAX_TEXT_BYTES {
            return Err(Error::limit(
                "the code is larger than 2 GiB",
                u64::from(origin.wasm_offset),
            ));
        }
        self.functions.push(PlacedFunction {
            offset,
            len_bytes: compiled.code.len() as u32,
            index: origin.index,
            wasm_offset: origin.wasm_offset,
            name: origin.name,
            sites: compiled.sites,
            inlined_calls: compiled.inlined_calls,
            relocations: compiled.relocations,
            handler_sites: compiled.handler_sites,
        });
        Ok(())
    }

    /// Notes a function that has no code of its own, for the trap table.
    pub fn note_inlined_function(&mut self, origin: FunctionOrigin<'a>) {
        let offset = self.text_extent().1;
        self.functions.push(PlacedFunction {
            offset,
            len_bytes: 0,
            index: origin.index,
            wasm_offset: origin.wasm_offset,
            name: origin.name,
            sites: Vec::new(),
            inlined_calls: Vec::new(),
            relocations: Vec::new(),
            handler_sites: Vec::new(),
        });
    }

    /// Appends the code of a symbol: see [`ObjectWriter::place_function`].
    pub fn define_function(
        &mut self,
        symbol: Symbol,
        compiled: CompiledFunction,
        origin: FunctionOrigin<'a>,
    ) -> Result<()> {
        let id = match self.symbols.get(&symbol) {
            Some(&id) => id,
            None => {
                let id = self.local_symbol(symbol_names::local(self.module, symbol), SymbolKind::Text);
                self.symbols.insert(symbol, id);
                id
            }
        };
        self.place_function(id, compiled, origin)
    }

    /// Defines a symbol as data.
    pub fn define_data(&mut self, symbol: SymbolId, kind: DataKind, align: u64, data: &Data) -> Result<()> {
        let section = self.object.section_id(match kind {
            DataKind::Writable => StandardSection::Data,
            DataKind::ReadOnly if data.addresses.is_empty() => StandardSection::ReadOnlyData,
            DataKind::ReadOnly => StandardSection::ReadOnlyDataWithRel,
        });
        let start = self.object.add_symbol_data(symbol, section, &data.bytes, align);
        let r_type = match self.object.architecture() {
            Architecture::Aarch64 => elf::R_AARCH64_ABS64,
            _ => elf::R_X86_64_64,
        };
        for &(offset, target, addend) in &data.addresses {
            self.add_relocation(section, start + offset, RelocationFlags::Elf { r_type }, target, addend)?;
        }
        Ok(())
    }

    /// Defines a symbol as zeros.
    pub fn define_zeros(&mut self, symbol: SymbolId, len_bytes: u64, align: u64) {
        let section = self.object.section_id(StandardSection::UninitializedData);
        self.object.add_symbol_bss(symbol, section, len_bytes, align);
    }

    /// Adds a section that is not loaded.
    pub fn add_note(&mut self, name: &str, bytes: &[u8]) {
        let section = self
            .object
            .add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Other);
        self.object.append_section_data(section, bytes, 1);
    }

    /// Returns a symbol at the start of `.text`, and the length of `.text`.
    pub fn text_extent(&mut self) -> (SymbolId, u64) {
        let len_bytes = self.object.section(self.text).data().len() as u64;
        (self.object.section_symbol(self.text), len_bytes)
    }

    /// Returns the encoded trap table of the functions placed so far.
    pub fn encode_trap_table(&self) -> Vec<u8> {
        let functions: Vec<FunctionSites<'_>> = self
            .functions
            .iter()
            .map(|function| FunctionSites {
                code_offset: function.offset as u32,
                code_len_bytes: function.len_bytes,
                function_index: function.index,
                wasm_offset: function.wasm_offset,
                name: function.name,
                sites: &function.sites,
                inlined_calls: &function.inlined_calls,
            })
            .collect();
        abi::trap_table::encode(&functions)
    }

    /// Returns the [handler table](abi::handler_table) of the functions placed so far, or nothing if no call has a handler.
    pub fn handler_table(&mut self) -> Option<Data> {
        let mut sites = Vec::new();
        let mut handlers = Vec::new();
        for function in &self.functions {
            for site in &function.handler_sites {
                let text_offset = function.offset as u32;
                let (first, count) = (handlers.len() as u32, site.handlers.len() as u32);
                sites.push([text_offset + site.return_offset, site.frame_len_bytes, first, count]);
                handlers.extend(site.handlers.iter().map(|&(tag, landing)| (tag, text_offset + landing)));
            }
        }
        if sites.is_empty() {
            return None;
        }
        let mut table = Data::of(&abi::handler_table::encode_sites(&sites, handlers.len() as u32));
        for (tag, landing) in handlers {
            let tag = tag.map(|tag| self.symbol(Symbol::Tag(tag)));
            table.push_address(tag);
            table.push_u32(landing);
            table.push_u32(0);
        }
        Some(table)
    }

    /// Asks for the definition of all that the code placed so far refers to. Functions before `from` have been seen.
    pub fn reference_symbols(&mut self, from: usize) -> usize {
        let targets: Vec<Symbol> = self.functions[from..]
            .iter()
            .flat_map(|function| &function.relocations)
            .filter_map(|relocation| match relocation.target {
                RelocationTarget::Symbol(symbol) => Some(symbol),
                _ => None,
            })
            .collect();
        for symbol in targets {
            self.symbol(symbol);
        }
        self.functions.len()
    }

    /// Resolves or passes on the relocations of the code, and returns the object's bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        for function in std::mem::take(&mut self.functions) {
            for relocation in &function.relocations {
                self.relocate(function.offset, relocation, function.wasm_offset)?;
            }
        }
        self.object
            .write()
            .map_err(|error| Error::limit(format!("the object cannot be written: {error}"), 0))
    }

    fn relocate(&mut self, function_offset: u64, relocation: &Relocation, wasm_offset: u32) -> Result<()> {
        let place = function_offset + u64::from(relocation.offset);
        let (target, is_call) = match relocation.target {
            RelocationTarget::Symbol(symbol) => (self.symbol(symbol), symbol.is_code()),
            RelocationTarget::LibCall(libcall) => (self.undefined_symbol(symbol_names::libcall(libcall)), true),
            RelocationTarget::Itself(offset) => {
                return self.resolve(place, relocation, function_offset + u64::from(offset), wasm_offset);
            }
        };
        let symbol = self.object.symbol(target);
        if symbol.section.id() == Some(self.text) && is_pc_relative(relocation.kind) {
            return self.resolve(place, relocation, symbol.value, wasm_offset);
        }
        let flags = relocation_flags(relocation.kind, is_call)?;
        self.add_relocation(self.text, place, flags, target, relocation.addend)
    }

    /// Writes the distance to a place in `.text`.
    fn resolve(&mut self, place: u64, relocation: &Relocation, target: u64, wasm_offset: u32) -> Result<()> {
        let distance = target as i64 + relocation.addend - place as i64;
        let too_far = || {
            Error::limit(
                "a call is farther away than an instruction can reach",
                u64::from(wasm_offset),
            )
        };
        let start = place as usize;
        let field = &mut self.object.section_mut(self.text).data_mut()[start..start + 4];
        let word = match relocation.kind {
            Reloc::Arm64Call => {
                // `bl` counts instructions, in its low 26 bits.
                const FIELD: u32 = (1 << 26) - 1;
                let instructions = distance >> 2;
                if !(-(1 << 25)..1 << 25).contains(&instructions) {
                    return Err(too_far());
                }
                let instruction = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
                (instruction & !FIELD) | (instructions as u32 & FIELD)
            }
            _ => i32::try_from(distance).map_err(|_| too_far())? as u32,
        };
        field.copy_from_slice(&word.to_le_bytes());
        Ok(())
    }

    fn add_relocation(
        &mut self,
        section: SectionId,
        offset: u64,
        flags: RelocationFlags,
        symbol: SymbolId,
        addend: i64,
    ) -> Result<()> {
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
            .map_err(|error| Error::limit(format!("a relocation cannot be written: {error}"), 0))
    }
}

fn is_pc_relative(kind: Reloc) -> bool {
    matches!(
        kind,
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 | Reloc::Arm64Call
    )
}

/// Returns the ELF relocation for one of Cranelift's.
fn relocation_flags(kind: Reloc, is_call: bool) -> Result<RelocationFlags> {
    let r_type = match kind {
        Reloc::Abs8 => elf::R_X86_64_64,
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 if is_call => elf::R_X86_64_PLT32,
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 => elf::R_X86_64_PC32,
        Reloc::Arm64Call => elf::R_AARCH64_CALL26,
        Reloc::Aarch64AdrPrelPgHi21 => elf::R_AARCH64_ADR_PREL_PG_HI21,
        Reloc::Aarch64AddAbsLo12Nc => elf::R_AARCH64_ADD_ABS_LO12_NC,
        other => return Err(Error::unsupported(format!("relocation {other}"), 0)),
    };
    Ok(RelocationFlags::Elf { r_type })
}
