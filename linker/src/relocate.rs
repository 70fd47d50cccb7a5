//! Fourth phase: the bytes of each segment, with every relocation applied.
//!
//! What a relocation kind means is the machine's business ([`Machine`](crate::machine::Machine)); here it gets
//! its place, its target's address and, where it wants one, an entry of the global offset table, and a failure becomes an error
//! that names everything concerned.

use crate::error::{Error, ErrorKind, RelocationPlace};
use crate::layout::{Content, Layout, OutputSection, Segment};
use crate::reach::Reachable;
use crate::relocation::{RelocationProblem, TableUse, Values};
use crate::resolve::{Object, Program, Target};
use crate::section::{ElfRelocation, LE, SectionKind};
use crate::symbols::SectionId;

/// Returns the contents of the three segments.
pub(crate) fn relocate(program: &Program<'_>, reachable: &Reachable, layout: &Layout) -> Result<[Vec<u8>; 3], Error> {
    let symbol_addresses = program
        .objects
        .iter()
        .map(|object| symbol_addresses(program, layout, object))
        .collect();
    let relocator = Relocator {
        program,
        reachable,
        layout,
        symbol_addresses,
    };
    let [read_only, text, data] = &layout.segments;
    Ok([
        relocator.contents(read_only)?,
        relocator.contents(text)?,
        relocator.contents(data)?,
    ])
}

/// Returns the values of an object's symbols, by ELF symbol index: relocations look them up often, in no order. Those that have no
/// value without an addend have none.
fn symbol_addresses(program: &Program<'_>, layout: &Layout, object: &Object<'_>) -> Vec<Option<u64>> {
    // Symbol 0 is none, and always there.
    let symbols = 0..object.file.symbols.len().max(1) as u32;
    // Symbols that cannot be understood have no value; those that the program refers to were checked before.
    symbols
        .map(|symbol| match object.file.needs_addend(symbol as usize) {
            true => None,
            false => layout.address(program, object.target(symbol, 0).ok()?),
        })
        .collect()
}

struct Relocator<'p, 'a> {
    program: &'p Program<'a>,
    reachable: &'p Reachable,
    layout: &'p Layout,
    /// By object and ELF symbol index.
    symbol_addresses: Vec<Vec<Option<u64>>>,
}

impl Relocator<'_, '_> {
    fn contents(&self, segment: &Segment) -> Result<Vec<u8>, Error> {
        let is_text = segment.sections.iter().any(|section| section.kind == SectionKind::Text);
        let filler = if is_text { self.program.machine.text_filler() } else { 0 };
        let mut bytes = vec![filler; segment.file_len_bytes as usize];
        for section in segment
            .sections
            .iter()
            .filter(|section| section.kind != SectionKind::ZeroInitialized)
        {
            self.write_section(section, segment.address, &mut bytes)?;
        }
        Ok(bytes)
    }

    fn write_section(&self, section: &OutputSection, base: u64, bytes: &mut [u8]) -> Result<(), Error> {
        for chunk in &section.chunks {
            let start = (chunk.address - base) as usize;
            let bytes = &mut bytes[start..start + chunk.size_bytes as usize];
            match chunk.content {
                Content::Section(id) => {
                    let (object, index) = self.program.section_owner(id);
                    bytes.copy_from_slice(object.file.sections[index].data);
                    self.relocate_section(id, chunk.address, bytes)?;
                }
                Content::Blob(position) => bytes.copy_from_slice(&self.program.blobs[position as usize].bytes),
                Content::AddressTable => {
                    for (entry, &target) in bytes.chunks_exact_mut(8).zip(&self.layout.table) {
                        let address = self.layout.address(self.program, target).unwrap_or(0);
                        entry.copy_from_slice(&address.to_le_bytes());
                    }
                }
                Content::TrapFunctions => {
                    let function = self.program.machine.trap_function();
                    for copy in bytes.chunks_exact_mut(function.len()) {
                        copy.copy_from_slice(function);
                    }
                }
                Content::Common(_) => {}
            }
        }
        Ok(())
    }

    fn relocate_section(&self, id: SectionId, section_address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let (object, index) = self.program.section_owner(id);
        let symbol_addresses = &self.symbol_addresses[self.program.object_number(id) as usize];
        for relocation in object.file.sections[index].relocations {
            let symbol = (relocation.r_info.get(LE) >> 32) as u32;
            let address = symbol_addresses.get(symbol as usize).copied().flatten();
            let address = address.or_else(|| self.address_with_addend(object, symbol, relocation.r_addend.get(LE)));
            let result = match address {
                Some(address) => self.relocate_one(object, relocation, address, section_address, bytes),
                None => Err(RelocationProblem::DiscardedTarget),
            };
            if let Err(problem) = result {
                let place = Box::new(self.describe(object, index, relocation)?);
                return Err(ErrorKind::Relocation { place, problem }.into());
            }
        }
        Ok(())
    }

    fn address_with_addend(&self, object: &Object<'_>, symbol: u32, addend: i64) -> Option<u64> {
        if !object.file.needs_addend(symbol as usize) {
            return None;
        }
        self.layout.address(self.program, object.target(symbol, addend).ok()?)
    }

    fn relocate_one(
        &self,
        object: &Object<'_>,
        relocation: &ElfRelocation,
        target_address: u64,
        section_address: u64,
        bytes: &mut [u8],
    ) -> Result<(), RelocationProblem> {
        let machine = self.program.machine;
        let info = relocation.r_info.get(LE);
        let (kind, symbol) = (info as u32, (info >> 32) as u32);
        let offset = relocation.r_offset.get(LE);
        let addend = relocation.r_addend.get(LE);
        let table_entry = match machine.table_use(kind, bytes, offset, addend) {
            TableUse::None => None,
            table_use => self.find_table_entry(object, symbol, addend, table_use),
        };
        let values = Values {
            target: target_address.wrapping_add_signed(addend),
            addend,
            place: section_address.wrapping_add(offset),
            table_entry,
        };
        machine.apply(kind, bytes, offset, values)
    }

    /// Returns the address of the table entry that a relocation uses, if it cannot do without.
    fn find_table_entry(&self, object: &Object<'_>, symbol: u32, addend: i64, table_use: TableUse) -> Option<u64> {
        let target = object.target(symbol, addend).ok()?;
        let is_avoided = table_use == TableUse::Avoidable && self.reachable.is_within(self.program, target);
        if is_avoided {
            None
        } else {
            self.layout.table_entry_address(target)
        }
    }

    fn describe(
        &self,
        object: &Object<'_>,
        section: usize,
        relocation: &ElfRelocation,
    ) -> Result<RelocationPlace, Error> {
        let info = relocation.r_info.get(LE);
        let (kind, symbol) = (info as u32, (info >> 32) as u32);
        let name = match object.file.symbols.symbols().get(symbol as usize) {
            Some(symbol) => object.file.symbol_name(symbol)?,
            None => b"",
        };
        let symbol = match object.target(symbol, relocation.r_addend.get(LE))? {
            Target::Local { section, .. } if name.is_empty() => {
                let (object, index) = self.program.section_owner(section);
                object.file.sections[index].display_name()
            }
            _ => String::from_utf8_lossy(name).into_owned(),
        };
        Ok(RelocationPlace {
            input: object.file.name.clone(),
            section: object.file.sections[section].display_name(),
            offset: relocation.r_offset.get(LE),
            kind,
            kind_name: self.program.machine.relocation_name(kind),
            symbol,
        })
    }
}
