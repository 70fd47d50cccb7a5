//! Names of the object's symbols. Those that other objects see are agreed on in [`abi::symbols`]; local ones are for people.

use crate::module::{FuncIndex, Import, Module};
use crate::translate::Symbol;
use cranelift_codegen::ir::LibCall;
use cranelift_entity::EntityRef;

/// Returns the name of a symbol that another object defines, or `None` if this object does.
pub(super) fn undefined(module: &Module<'_>, symbol: Symbol) -> Option<String> {
    fn import<T>(imports: &[Import<'_, T>], index: usize) -> Option<String> {
        imports.get(index).map(Import::symbol)
    }
    match symbol {
        Symbol::ImportedFunction(function) => import(&module.imported_functions, function.index()),
        Symbol::Global(global) => import(&module.imported_globals, global.index()),
        Symbol::Memory(memory) => import(&module.imported_memories, memory.index()),
        Symbol::Table(table) => import(&module.imported_tables, table.index()),
        Symbol::Tag(tag) => import(&module.imported_tags, tag.index()),
        Symbol::Builtin(builtin) => Some(builtin.symbol().to_owned()),
        _ => None,
    }
}

/// Returns the name of a symbol that only this object sees.
pub(super) fn local(module: &Module<'_>, symbol: Symbol) -> String {
    match symbol {
        Symbol::Function(function) => function_name(module, function),
        Symbol::ImportThunk(function) => format!("wasm.import.{}", function.as_u32()),
        Symbol::ImportedFunction(function) => format!("wasm.imported.{}", function.as_u32()),
        Symbol::FuncRef(function) => format!("wasm.funcref.{}", function.as_u32()),
        Symbol::Global(global) => format!("wasm.global.{}", global.as_u32()),
        Symbol::Memory(memory) => format!("wasm.memory.{}", memory.as_u32()),
        Symbol::Table(table) => format!("wasm.table.{}", table.as_u32()),
        Symbol::TableElements(table) => format!("wasm.table.{}.elements", table.as_u32()),
        Symbol::TableCode(table) => format!("wasm.table.{}.code", table.as_u32()),
        Symbol::TableTypes(table) => format!("wasm.table.{}.types", table.as_u32()),
        Symbol::DataSegment(data) => format!("wasm.data.{}.segment", data.as_u32()),
        Symbol::DataBytes(data) => format!("wasm.data.{}", data.as_u32()),
        Symbol::ElemSegment(elem) => format!("wasm.elem.{}.segment", elem.as_u32()),
        Symbol::ElemElements(elem) => format!("wasm.elem.{}", elem.as_u32()),
        Symbol::Tag(tag) => format!("wasm.tag.{}", tag.as_u32()),
        Symbol::NullCallee(_) => "wasm.null_callee".to_owned(),
        Symbol::Builtin(builtin) => builtin.symbol().to_owned(),
    }
}

/// Returns a function's name from the name section, without what ELF cannot hold, or one made of its index.
fn function_name(module: &Module<'_>, function: FuncIndex) -> String {
    match module.names.function(function) {
        "" => format!("wasm.function.{}", function.as_u32()),
        name => name.replace('\0', ""),
    }
}

/// Returns the symbol of a function that Cranelift calls for an instruction which the CPU lacks: those of the C library.
pub(super) fn libcall(libcall: LibCall) -> &'static str {
    match libcall {
        LibCall::CeilF32 => "ceilf",
        LibCall::CeilF64 => "ceil",
        LibCall::FloorF32 => "floorf",
        LibCall::FloorF64 => "floor",
        LibCall::TruncF32 => "truncf",
        LibCall::TruncF64 => "trunc",
        LibCall::NearestF32 => "rintf",
        LibCall::NearestF64 => "rint",
        LibCall::FmaF32 => "fmaf",
        LibCall::FmaF64 => "fma",
        LibCall::Memcpy => "memcpy",
        LibCall::Memset => "memset",
        LibCall::Memmove => "memmove",
        LibCall::Memcmp => "memcmp",
        LibCall::Probestack => "__cranelift_probestack",
        LibCall::ElfTlsGetAddr | LibCall::ElfTlsGetOffset => "__tls_get_addr",
        LibCall::X86Pshufb => "__cranelift_x86_pshufb",
    }
}
