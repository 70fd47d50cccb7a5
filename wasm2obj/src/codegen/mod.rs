//! From a [`Module`] to an ELF object: functions are compiled in parallel, laid out one after the other, and everything they
//! refer to is defined as data.
//!
//! Read first: [`compile_module`], [`ObjectWriter`], [`Instantiation`].

mod allocator;
mod entry;
mod exports;
mod functions;
mod globals;
mod inlining;
mod instantiation;
mod isa;
mod linear_memory;
mod listing;
mod object_writer;
mod placement;
mod symbol_names;
mod tables;
mod thunks;

use crate::error::Result;
use crate::module::{FuncIndex, Module, Usage};
use crate::object_file::ObjectFile;
use crate::options::{CompileOptions, Emit};
use crate::translate::{Environment, Symbol, signature};
use abi::symbols;
use abi::trap_table::NO_FUNCTION;
use cranelift_codegen::isa::TargetIsa;
use functions::Worker;
use instantiation::Instantiation;
use object::SymbolKind;
use object::write::SymbolId;
use object_writer::{Data, DataKind, FunctionOrigin, ObjectWriter};
use target_lexicon::Architecture;

/// The origin of code that no function of the module stands for.
const GLUE: FunctionOrigin<'static> = FunctionOrigin {
    index: NO_FUNCTION,
    wasm_offset: 0,
    name: "",
};

/// Compiles a module to an object.
pub(crate) fn compile_module(module: &Module<'_>, usage: &Usage, options: &CompileOptions) -> Result<ObjectFile> {
    let generators = isa::Generators::build(options)?;
    let isa = generators.usual();
    let environment = Environment::new(module, usage, options, isa);
    let compiled = functions::compile_all(&environment, &generators, options.emit)?;
    let architecture = match options.target.architecture {
        Architecture::Aarch64(_) => object::Architecture::Aarch64,
        _ => object::Architecture::X86_64,
    };
    let mut generator = Generator {
        environment: &environment,
        plan: Instantiation::plan(&environment),
        writer: ObjectWriter::new(module, architecture),
        worker: Worker::new(&generators, Emit::Object),
        seen_functions: 0,
    };
    let mut summary = ObjectFile {
        function_count: compiled.values().flatten().count(),
        ..ObjectFile::default()
    };
    for (body, function) in compiled {
        let index = module.function_of_body(body);
        let origin = FunctionOrigin {
            index: index.as_u32(),
            wasm_offset: module.bodies[body].range().start as u32,
            name: module.names.function(index),
        };
        match function {
            Some(function) => {
                summary.listing.push_str(&function.listing);
                generator
                    .writer
                    .define_function(Symbol::Function(index), function, origin)?;
            }
            None if usage.live_functions.contains(index) => generator.writer.note_inlined_function(origin),
            None => {}
        }
    }
    generator.finish(isa, options, summary)
}

/// The state of making an object.
struct Generator<'a, 'w> {
    environment: &'a Environment<'a>,
    plan: Instantiation,
    writer: ObjectWriter<'a>,
    worker: Worker<'w>,
    seen_functions: usize,
}

impl Generator<'_, '_> {
    /// Defines everything but the bodies, and writes the object.
    fn finish(mut self, isa: &dyn TargetIsa, options: &CompileOptions, mut summary: ObjectFile) -> Result<ObjectFile> {
        let entry_points = self.define_exports(options.call_trampolines)?;
        let initialize = self.define_initialize()?;
        let descriptor = self.writer.local_symbol("wasm.module".to_owned(), SymbolKind::Data);
        let mut data = self.descriptor_start(isa::required_cpu_features(isa));
        let memories = self.define_memory_list()?;
        let (segments, segment_count) = self.define_active_segments()?;
        self.define_references()?;
        let handler_table = self.define_handler_table()?;
        self.define_trap_table(&mut data)?;
        data.push_address(memories);
        data.push_u64(self.environment.module.memories.len() as u64);
        data.push_address(segments);
        data.push_u64(segment_count);
        data.push_address(initialize);
        data.push_address(entry_points.command_start);
        data.push_address(entry_points.reactor_initialize);
        data.push_address(handler_table.map(|(id, _)| id));
        data.push_u64(handler_table.map_or(0, |(_, len_bytes)| len_bytes));
        self.writer.define_data(descriptor, DataKind::ReadOnly, 8, &data)?;
        self.writer.define_alias(symbols::MODULE.to_owned(), descriptor);
        self.define_export_aliases(&entry_points, &mut summary);
        self.add_notes(&mut summary);
        summary.code_len_bytes = self.writer.text_extent().1;
        summary.bytes = self.writer.finish()?;
        Ok(summary)
    }

    /// Starts the [`ModuleDescriptor`](abi::instance::ModuleDescriptor).
    fn descriptor_start(&mut self, cpu_features: u64) -> Data {
        let mut data = Data::default();
        data.push_u32(abi::ABI_VERSION);
        data.push_u32(0);
        data.push_u64(cpu_features);
        data
    }

    fn define_initialize(&mut self) -> Result<Option<SymbolId>> {
        let Some(code) = entry::compile_initialize(&mut self.worker, self.environment, &self.plan)? else {
            return Ok(None);
        };
        let id = self.writer.local_symbol("wasm.initialize".to_owned(), SymbolKind::Text);
        self.writer.place_function(id, code, GLUE)?;
        Ok(Some(id))
    }

    fn define_memory_list(&mut self) -> Result<Option<SymbolId>> {
        if self.environment.module.memories.is_empty() {
            return Ok(None);
        }
        let mut data = Data::default();
        for memory in self.environment.module.memories.keys() {
            data.push_address(Some(self.writer.symbol(Symbol::Memory(memory))));
        }
        let id = self.writer.local_symbol("wasm.memories".to_owned(), SymbolKind::Data);
        self.writer.define_data(id, DataKind::ReadOnly, 8, &data)?;
        Ok(Some(id))
    }

    fn define_active_segments(&mut self) -> Result<(Option<SymbolId>, u64)> {
        let (data, count) = linear_memory::active_segments(&mut self.writer, self.environment, &self.plan);
        if count == 0 {
            return Ok((None, 0));
        }
        let id = self
            .writer
            .local_symbol("wasm.active_segments".to_owned(), SymbolKind::Data);
        self.writer.define_data(id, DataKind::ReadOnly, 8, &data)?;
        Ok((Some(id), count))
    }

    /// Defines whatever code and data refer to, until nothing is missing.
    fn define_references(&mut self) -> Result<()> {
        loop {
            self.seen_functions = self.writer.reference_symbols(self.seen_functions);
            let Some(symbol) = self.writer.take_undefined() else {
                return Ok(());
            };
            self.define(symbol)?;
        }
    }

    fn define(&mut self, symbol: Symbol) -> Result<()> {
        let id = self.writer.symbol(symbol);
        let (writer, environment, plan) = (&mut self.writer, self.environment, &self.plan);
        match symbol {
            Symbol::FuncRef(function) => tables::define_func_ref(writer, environment, id, function),
            Symbol::Global(global) => globals::define_cell(writer, environment, id, global),
            Symbol::Memory(memory) => linear_memory::define_instance(writer, environment, id, memory),
            Symbol::Table(table) => tables::define_instance(writer, environment, id, table),
            Symbol::TableElements(table) => tables::define_elements(writer, environment, plan, id, table),
            Symbol::TableCode(table) => tables::define_code(writer, environment, id, table),
            Symbol::TableTypes(table) => tables::define_types(writer, environment, id, table),
            Symbol::DataSegment(data) => linear_memory::define_segment(writer, environment, plan, id, data),
            Symbol::DataBytes(data) => linear_memory::define_bytes(writer, environment, id, data),
            Symbol::ElemSegment(element) => tables::define_segment(writer, environment, plan, id, element),
            Symbol::ElemElements(element) => tables::define_segment_elements(writer, environment, id, element),
            Symbol::Tag(tag) => writer.define_data(
                id,
                DataKind::ReadOnly,
                8,
                &Data::of(&u64::from(tag.as_u32()).to_le_bytes()),
            ),
            Symbol::ImportThunk(function) => self.define_import_thunk(id, function),
            Symbol::NullCallee(_) => {
                let code = thunks::compile_null_callee(&mut self.worker, environment)?;
                writer.place_function(id, code, GLUE)
            }
            Symbol::Function(_) | Symbol::ImportedFunction(_) | Symbol::Builtin(_) => {
                unreachable!("{symbol:?} is a live function, or undefined in this object")
            }
        }
    }

    fn define_import_thunk(&mut self, id: SymbolId, function: FuncIndex) -> Result<()> {
        let code = thunks::compile_entry(&mut self.worker, self.environment, function, signature::WASM_CALL_CONV)?;
        self.writer.place_function(id, code, GLUE)
    }

    /// Appends the extent of the code and the trap table to the descriptor. All code has been placed.
    fn define_trap_table(&mut self, descriptor: &mut Data) -> Result<()> {
        let table = Data::of(&self.writer.encode_trap_table());
        let (text_start, text_len_bytes) = self.writer.text_extent();
        descriptor.push_address(Some(text_start));
        descriptor.push_address_after(text_start, text_len_bytes);
        let id = self.writer.local_symbol("wasm.trap_table".to_owned(), SymbolKind::Data);
        descriptor.push_address(Some(id));
        descriptor.push_u64(table.len_bytes());
        self.writer.define_data(id, DataKind::ReadOnly, 4, &table)
    }

    /// Defines the table of exception handlers, if there are any, and the tags in it. All code has been placed.
    fn define_handler_table(&mut self) -> Result<Option<(SymbolId, u64)>> {
        let Some(table) = self.writer.handler_table() else {
            return Ok(None);
        };
        let id = self
            .writer
            .local_symbol("wasm.handler_table".to_owned(), SymbolKind::Data);
        self.writer.define_data(id, DataKind::ReadOnly, 8, &table)?;
        self.define_references()?;
        Ok(Some((id, table.len_bytes())))
    }

    fn add_notes(&mut self, summary: &mut ObjectFile) {
        self.writer
            .add_note(symbols::ABI_VERSION_SECTION, &abi::ABI_VERSION.to_le_bytes());
        let mut list = String::new();
        for import in &summary.imports {
            list.push_str(&import.symbol);
            list.push('\n');
        }
        self.writer.add_note(symbols::IMPORTS_SECTION, list.as_bytes());
    }
}
