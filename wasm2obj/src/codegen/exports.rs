//! Exports: entries in the platform's C convention, symbols for exported tables, memories, globals and tags, and the summary
//! of imports and exports.

use super::{GLUE, Generator, thunks};
use crate::error::Result;
use crate::module::{ExportedItem, FuncIndex, Import};
use crate::object_file::{ExportSummary, ImportSummary, ItemKind, ObjectFile};
use crate::translate::Symbol;
use abi::symbols;
use object::SymbolKind;
use object::write::SymbolId;
use std::collections::BTreeMap;

/// The export that a command starts with.
const COMMAND_START: &str = "_start";

/// The export that a reactor is initialised by.
const REACTOR_INITIALIZE: &str = "_initialize";

/// Exported functions' entries in the C convention.
#[derive(Debug, Default)]
pub(super) struct EntryPoints {
    by_function: BTreeMap<FuncIndex, SymbolId>,
    /// The entry of `_start`, if it is exported with the right type.
    pub command_start: Option<SymbolId>,
    /// The entry of `_initialize`, if it is exported with the right type.
    pub reactor_initialize: Option<SymbolId>,
}

impl Generator<'_, '_> {
    /// Makes the entries of exported functions, and asks for the definition of what else is exported.
    pub(super) fn define_exports(&mut self, call_trampolines: bool) -> Result<EntryPoints> {
        let mut entries = EntryPoints::default();
        for export in &self.environment.module.exports {
            match export.item {
                ExportedItem::Function(function) => {
                    let entry = self.entry_point(&mut entries, function)?;
                    let function_type = self.environment.module.type_of_function(function);
                    if function_type.params.is_empty() && function_type.results.is_empty() {
                        match export.name {
                            COMMAND_START => entries.command_start = Some(entry),
                            REACTOR_INITIALIZE => entries.reactor_initialize = Some(entry),
                            _ => {}
                        }
                    }
                    if call_trampolines {
                        self.define_trampoline(export.name, function)?;
                    }
                }
                ExportedItem::Table(table) => {
                    self.writer.symbol(Symbol::Table(table));
                }
                ExportedItem::Memory(memory) => {
                    self.writer.symbol(Symbol::Memory(memory));
                }
                ExportedItem::Global(global) => {
                    self.writer.symbol(Symbol::Global(global));
                }
                ExportedItem::Tag(tag) => {
                    self.writer.symbol(Symbol::Tag(tag));
                }
            }
        }
        Ok(entries)
    }

    fn entry_point(&mut self, entries: &mut EntryPoints, function: FuncIndex) -> Result<SymbolId> {
        if let Some(&entry) = entries.by_function.get(&function) {
            return Ok(entry);
        }
        let call_conv = self.environment.c_call_conv();
        let code = thunks::compile_entry(&mut self.worker, self.environment, function, call_conv)?;
        let name = format!("wasm.entry.{}", function.as_u32());
        let entry = self.writer.local_symbol(name, SymbolKind::Text);
        self.writer.place_function(entry, code, GLUE)?;
        entries.by_function.insert(function, entry);
        Ok(entry)
    }

    fn define_trampoline(&mut self, name: &str, function: FuncIndex) -> Result<()> {
        let code = thunks::compile_trampoline(&mut self.worker, self.environment, function)?;
        let id = self
            .writer
            .local_symbol(format!("wasm.trampoline.{}", function.as_u32()), SymbolKind::Text);
        self.writer.place_function(id, code, GLUE)?;
        self.writer.define_alias(symbols::trampoline(name), id);
        Ok(())
    }

    /// Gives each export its symbol, and lists imports and exports. What is exported has been defined.
    ///
    /// An imported table, memory, global or tag that is exported again has the symbol of its import: ELF has no second name for
    /// what another object defines.
    pub(super) fn define_export_aliases(&mut self, entries: &EntryPoints, summary: &mut ObjectFile) {
        let module = self.environment.module;
        for export in &module.exports {
            let (kind, original, imported) = match export.item {
                ExportedItem::Function(function) => (ItemKind::Function, entries.by_function[&function], None),
                ExportedItem::Table(table) => {
                    let import = find(&module.imported_tables, table);
                    (ItemKind::Table, self.writer.symbol(Symbol::Table(table)), import)
                }
                ExportedItem::Memory(memory) => {
                    let import = find(&module.imported_memories, memory);
                    (ItemKind::Memory, self.writer.symbol(Symbol::Memory(memory)), import)
                }
                ExportedItem::Global(global) => {
                    let import = find(&module.imported_globals, global);
                    (ItemKind::Global, self.writer.symbol(Symbol::Global(global)), import)
                }
                ExportedItem::Tag(tag) => {
                    let import = find(&module.imported_tags, tag);
                    (ItemKind::Tag, self.writer.symbol(Symbol::Tag(tag)), import)
                }
            };
            let symbol = imported.unwrap_or_else(|| {
                let symbol = symbols::export(export.name);
                self.writer.define_alias(symbol.clone(), original);
                symbol
            });
            summary.exports.push(ExportSummary {
                name: export.name.to_owned(),
                kind,
                symbol,
            });
        }
        list_imports(&module.imported_functions, ItemKind::Function, summary);
        list_imports(&module.imported_tables, ItemKind::Table, summary);
        list_imports(&module.imported_memories, ItemKind::Memory, summary);
        list_imports(&module.imported_globals, ItemKind::Global, summary);
        list_imports(&module.imported_tags, ItemKind::Tag, summary);
    }
}

fn find<T: PartialEq>(imports: &[Import<'_, T>], item: T) -> Option<String> {
    imports.iter().find(|import| import.item == item).map(Import::symbol)
}

fn list_imports<T>(imports: &[Import<'_, T>], kind: ItemKind, summary: &mut ObjectFile) {
    summary.imports.extend(imports.iter().map(|import| ImportSummary {
        module: import.module.to_owned(),
        name: import.name.to_owned(),
        kind,
        symbol: import.symbol(),
    }));
}
