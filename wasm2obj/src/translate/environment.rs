//! What the translation of a function body knows about its surroundings: the module, and how its tables, memories and globals
//! have been laid out. It is shared by all threads and never changes.

use super::signature;
use crate::module::{
    ConstValue, FuncIndex, FunctionType, GlobalIndex, MemoryIndex, Module, TableIndex, TypeIndex, TypeRegistry, Usage,
};
use crate::options::{BoundsChecks, CompileOptions};
use abi::memory_map::WASM_PAGE_SIZE;
use cranelift_codegen::ir::{Signature, TrapCode};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig, TargetIsa};
use cranelift_entity::PrimaryMap;

/// The surroundings of a function body.
pub(crate) struct Environment<'a> {
    /// The module.
    pub module: &'a Module<'a>,
    /// What the module as a whole does.
    pub usage: &'a Usage,
    /// How each table is laid out.
    pub tables: PrimaryMap<TableIndex, TableForm>,
    /// How each global is laid out.
    pub globals: PrimaryMap<GlobalIndex, GlobalForm>,
    /// Each global's value at instantiation, where it is known.
    initial_globals: PrimaryMap<GlobalIndex, Option<ConstValue>>,
    /// How each memory is accessed.
    pub memories: PrimaryMap<MemoryIndex, MemoryForm>,
    /// Whether any type is declared to be a subtype.
    has_subtypes: bool,
    /// Properties of the target.
    pub target: TargetFrontendConfig,
    /// Whether the target multiplies and adds with one rounding.
    pub has_fused_multiply_add: bool,
}

/// How a table is laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TableForm {
    /// A [`TableInstance`](abi::instance::TableInstance), which anything may write.
    General {
        /// Its length, if that cannot change.
        constant_length: Option<u64>,
    },
    /// Arrays of code addresses and type numbers that nothing writes.
    ReadOnly(ReadOnlyTable),
}

/// A table of functions that nothing writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadOnlyTable {
    /// The function at each position.
    pub functions: Vec<Option<FuncIndex>>,
    /// The type number that all functions agree on.
    pub uniform_type: Option<u32>,
}

/// How a global is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum GlobalForm {
    /// A constant.
    Constant(ConstValue),
    /// A cell in memory.
    Cell,
}

/// How a memory is accessed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MemoryForm {
    /// Address of its first byte.
    pub base: u64,
    /// Whether comparisons check its bounds, rather than the MMU.
    pub explicit_checks: bool,
    /// Length in bytes that it always has.
    pub minimum_bytes: u64,
    /// Whether its length can change.
    pub can_grow: bool,
    /// Whether its addresses have 64 bits.
    pub is_64: bool,
    /// Logarithm of its page size.
    pub page_size_log2: u32,
}

impl<'a> Environment<'a> {
    /// Lays out tables, globals and memories.
    pub fn new(
        module: &'a Module<'a>,
        usage: &'a Usage,
        options: &CompileOptions,
        isa: &dyn TargetIsa,
    ) -> Environment<'a> {
        let mut environment = Environment {
            module,
            usage,
            tables: PrimaryMap::with_capacity(module.tables.len()),
            globals: PrimaryMap::with_capacity(module.globals.len()),
            initial_globals: PrimaryMap::with_capacity(module.globals.len()),
            memories: module
                .memories
                .iter()
                .map(|(index, memory_type)| memory_form(module, index, memory_type, options))
                .collect(),
            has_subtypes: module.types.values().any(|definition| definition.supertype.is_some()),
            target: isa.frontend_config(),
            has_fused_multiply_add: isa.has_native_fma(),
        };
        for (index, global) in module.globals.iter() {
            // A global may read only those before it.
            let initial = global.initial.as_ref();
            let value = initial.and_then(|initial| initial.evaluate(|earlier| environment.initial_globals[earlier]));
            environment.initial_globals.push(value);
            let is_constant = !usage.written_globals.contains(index);
            environment.globals.push(match value {
                Some(value) if is_constant => GlobalForm::Constant(value),
                _ => GlobalForm::Cell,
            });
        }
        for index in module.tables.keys() {
            let form = super::table_layout::table_form(&environment, index);
            environment.tables.push(form);
        }
        environment
    }

    /// Returns a global's value at instantiation, if it is known: for a constant expression, which runs before anything can
    /// write a global. An exported global counts too, but not an imported one.
    pub fn initial_global(&self, index: GlobalIndex) -> Option<ConstValue> {
        self.initial_globals[index]
    }

    /// Returns the number of a type.
    pub fn type_id(&self, type_index: TypeIndex) -> u32 {
        self.module.types[type_index].id
    }

    /// Returns the numbers of a type and of all types that the module declares to be its subtypes: what a call through a table
    /// accepts.
    pub fn accepted_type_ids(&self, type_index: TypeIndex) -> Vec<u32> {
        let expected = self.type_id(type_index);
        let types = &self.module.types;
        let mut accepted = vec![expected];
        if !self.has_subtypes {
            return accepted;
        }
        // A supertype comes before its subtypes.
        for definition in types.values() {
            let is_subtype = definition
                .supertype
                .is_some_and(|supertype| accepted.contains(&types[supertype].id));
            if is_subtype && !accepted.contains(&definition.id) {
                accepted.push(definition.id);
            }
        }
        accepted
    }

    /// Returns the type number of a function, or of null.
    pub fn function_type_id(&self, function: Option<FuncIndex>) -> u32 {
        function.map_or(TypeRegistry::NULL_ID, |function| {
            self.type_id(self.module.functions[function])
        })
    }

    /// Returns the signature of calls inside WebAssembly.
    pub fn wasm_signature(&self, function_type: &FunctionType) -> Signature {
        signature::of_type(function_type, signature::WASM_CALL_CONV)
    }

    /// Returns the signature of calls from and to the outside.
    pub fn c_signature(&self, function_type: &FunctionType) -> Signature {
        signature::of_type(function_type, self.c_call_conv())
    }

    /// Returns the platform's C convention.
    pub fn c_call_conv(&self) -> CallConv {
        self.target.default_call_conv
    }
}

fn memory_form(
    module: &Module<'_>,
    index: MemoryIndex,
    memory_type: &wasmparser::MemoryType,
    options: &CompileOptions,
) -> MemoryForm {
    let page_size_log2 = memory_type.page_size_log2.unwrap_or(WASM_PAGE_SIZE.ilog2());
    let default_pages = page_size_log2 == WASM_PAGE_SIZE.ilog2();
    MemoryForm {
        base: options.memory_base(index.as_u32()),
        explicit_checks: options.bounds_checks == BoundsChecks::Explicit || memory_type.memory64 || !default_pages,
        minimum_bytes: memory_type.initial.checked_shl(page_size_log2).unwrap_or(u64::MAX),
        can_grow: module.is_imported_memory(index) || memory_type.maximum != Some(memory_type.initial),
        is_64: memory_type.memory64,
        page_size_log2,
    }
}

/// Returns Cranelift's trap code for one of ours.
pub(crate) fn trap_code(code: abi::trap_code::TrapCode) -> TrapCode {
    TrapCode::unwrap_user(code as u8)
}
