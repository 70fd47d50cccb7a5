//! From bytes to a [`Module`]: wasmparser reads and validates section by section, and what matters later is kept.
//!
//! Function bodies are validated apart, in parallel ([`Usage::collect`](super::Usage)), as they make up most of a module.

use super::const_expr::ConstExpr;
use super::imports::{self, Import};
use super::types::TypeRegistry;
use super::{Export, ExportedItem, Global, Module, Table, segments};
use crate::error::{Error, ErrorKind, Result};
use cranelift_entity::EntityRef;
use wasmparser::{
    ExternalKind, FuncToValidate, Parser, Payload, TableInit, TypeRef, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};

/// The first bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// Everything that this compiler may meet in a valid module. What it then cannot translate is an error of its own.
pub(super) fn features() -> WasmFeatures {
    WasmFeatures::default()
        .union(WasmFeatures::CUSTOM_PAGE_SIZES)
        .union(WasmFeatures::WIDE_ARITHMETIC)
        .union(WasmFeatures::LEGACY_EXCEPTIONS)
}

/// Turns the number of an index space into its index.
pub(crate) fn index<I: EntityRef>(number: u32) -> I {
    I::new(number as usize)
}

/// Narrows an offset in the module's file; [`Module::parse`] has refused modules for which this would lose something.
pub(super) fn narrow(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// What is left to validate of each body, in order.
pub(crate) type BodyValidators = Vec<FuncToValidate<ValidatorResources>>;

impl<'data> Module<'data> {
    /// Validates and parses all but the function bodies.
    pub fn parse(bytes: &'data [u8], registry: &TypeRegistry) -> Result<(Module<'data>, BodyValidators)> {
        check_preamble(bytes)?;
        let mut validator = Validator::new_with_features(features());
        let mut module = Module::default();
        let mut validators = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                validators.push(function);
                module.bodies.push(body);
            } else {
                module.take_section(payload, registry)?;
            }
        }
        Ok((module, validators))
    }

    fn take_section(&mut self, payload: Payload<'data>, registry: &TypeRegistry) -> Result<()> {
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups {
                    registry.append_group(&group?, &mut self.types);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.take_import(import, offset)?;
                }
            }
            Payload::FunctionSection(functions) => {
                for type_index in functions {
                    self.functions.push(index(type_index?));
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    let initial = match &table.init {
                        TableInit::RefNull => None,
                        TableInit::Expr(expression) => Some(ConstExpr::parse(expression)?),
                    };
                    self.tables.push(Table {
                        table_type: table.ty,
                        initial,
                    });
                }
            }
            Payload::MemorySection(section) => {
                let offset = section.range().start;
                for memory in section {
                    self.take_memory(memory?, offset)?;
                }
            }
            Payload::TagSection(tags) => {
                for tag in tags {
                    self.tags.push(index(tag?.func_type_idx));
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    let initial = Some(ConstExpr::parse(&global.init_expr)?);
                    self.globals.push(Global {
                        global_type: global.ty,
                        initial,
                    });
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.take_export(export?)?;
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(index(func)),
            Payload::ElementSection(elements) => {
                for element in elements {
                    self.elements.push(segments::parse_element(element?)?);
                }
            }
            Payload::DataSection(data) => {
                for segment in data {
                    self.data.push(segments::parse_data(segment?)?);
                }
            }
            Payload::CustomSection(section) => self.names.read(&section),
            _ => {}
        }
        Ok(())
    }

    fn take_memory(&mut self, memory: wasmparser::MemoryType, offset: u64) -> Result<()> {
        if memory.shared {
            return Err(Error::unsupported("shared memories", offset));
        }
        self.memories.push(memory);
        Ok(())
    }

    fn take_import(&mut self, import: wasmparser::Import<'data>, offset: u64) -> Result<()> {
        let function = match import.ty {
            TypeRef::Func(type_index) | TypeRef::FuncExact(type_index) => Some(self.function_type(index(type_index))),
            _ => None,
        };
        let form = imports::check(&import, function, offset)?;
        let wasmparser::Import { module, name, ty } = import;
        match ty {
            TypeRef::Func(type_index) | TypeRef::FuncExact(type_index) => {
                let item = self.functions.push(index(type_index));
                self.imported_functions.push(Import {
                    module,
                    name,
                    form,
                    item,
                });
            }
            TypeRef::Table(table_type) => {
                let item = self.tables.push(Table {
                    table_type,
                    initial: None,
                });
                self.imported_tables.push(Import {
                    module,
                    name,
                    form,
                    item,
                });
            }
            TypeRef::Memory(memory) => {
                let item = self.memories.next_key();
                self.take_memory(memory, offset)?;
                self.imported_memories.push(Import {
                    module,
                    name,
                    form,
                    item,
                });
            }
            TypeRef::Global(global_type) => {
                let item = self.globals.push(Global {
                    global_type,
                    initial: None,
                });
                self.imported_globals.push(Import {
                    module,
                    name,
                    form,
                    item,
                });
            }
            TypeRef::Tag(tag) => {
                let item = self.tags.push(index(tag.func_type_idx));
                self.imported_tags.push(Import {
                    module,
                    name,
                    form,
                    item,
                });
            }
        }
        Ok(())
    }

    fn take_export(&mut self, export: wasmparser::Export<'data>) -> Result<()> {
        let item = match export.kind {
            ExternalKind::Func | ExternalKind::FuncExact => ExportedItem::Function(index(export.index)),
            ExternalKind::Table => ExportedItem::Table(index(export.index)),
            ExternalKind::Memory => ExportedItem::Memory(index(export.index)),
            ExternalKind::Global => ExportedItem::Global(index(export.index)),
            ExternalKind::Tag => ExportedItem::Tag(index(export.index)),
        };
        if let ExportedItem::Function(function) = item {
            self.names.name_by_export(function, export.name);
        }
        self.exports.push(Export {
            name: export.name,
            item,
        });
        Ok(())
    }
}

/// Tells what is no core module apart, before wasmparser would call it invalid.
fn check_preamble(bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(MAGIC) {
        let looks_like = match bytes {
            [] => "the input is empty",
            _ if MAGIC.starts_with(bytes) => {
                return Err(ErrorKind::Truncated {
                    offset: bytes.len() as u64,
                }
                .into());
            }
            [0x7f, b'E', b'L', b'F', ..] => "it is an ELF file",
            [b'M', b'Z', ..] => "it is a Windows executable",
            [b'!', b'<', b'a', b'r', ..] => "it is an archive",
            [b'B', b'C', 0xc0, 0xde, ..] => "it is LLVM bitcode",
            [0x1f, 0x8b, ..] => "it is compressed by gzip",
            [b'P', b'K', 3, 4, ..] => "it is a zip archive",
            _ if bytes
                .iter()
                .take(64)
                .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
            {
                "it is text"
            }
            _ => "the first bytes are not `\\0asm`",
        };
        return Err(ErrorKind::NotWasm { looks_like }.into());
    }
    if u32::try_from(bytes.len()).is_err() {
        return Err(Error::limit("the module is larger than 4 GiB", u64::from(u32::MAX)));
    }
    if bytes.len() >= 8 && bytes[6] == 1 && bytes[7] == 0 {
        return Err(ErrorKind::Component.into());
    }
    Ok(())
}
