//! One WebAssembly module as data, before any code generation.
//!
//! [`Module::parse`] validates the module and takes it apart; function bodies stay bytes. What the rest of the compiler asks
//! about the whole module (which tables nothing writes, which functions nothing reaches) is answered by [`Usage`], from one
//! linear pass over all bodies.
//!
//! Read first: [`Module`], [`Usage`].

mod const_expr;
mod imports;
mod index;
mod names;
mod parse;
mod segments;
mod types;
mod usage;

pub(crate) use const_expr::{ConstExpr, ConstOperator, ConstValue};
pub(crate) use imports::Import;
pub(crate) use index::{
    DataIndex, DefinedFuncIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex,
};
pub(crate) use names::Names;
pub(crate) use parse::index;
pub(crate) use segments::{DataSegment, ElementSegment, SegmentMode};
pub use types::TypeRegistry;
pub(crate) use types::{FunctionType, TypeDefinition};
pub(crate) use usage::Usage;

use cranelift_entity::{EntityRef, PrimaryMap};
use wasmparser::{FunctionBody, GlobalType, MemoryType, TableType};

/// A validated module.
#[derive(Debug, Default)]
pub(crate) struct Module<'data> {
    /// Types.
    pub types: PrimaryMap<TypeIndex, TypeDefinition>,
    /// Type of each function, imported ones first.
    pub functions: PrimaryMap<FuncIndex, TypeIndex>,
    /// Imported functions, which are the first of `functions`.
    pub imported_functions: Vec<Import<'data, FuncIndex>>,
    /// Bodies of the other functions.
    pub bodies: PrimaryMap<DefinedFuncIndex, FunctionBody<'data>>,
    /// Tables, imported ones first.
    pub tables: PrimaryMap<TableIndex, Table>,
    /// Imported tables.
    pub imported_tables: Vec<Import<'data, TableIndex>>,
    /// Linear memories, imported ones first.
    pub memories: PrimaryMap<MemoryIndex, MemoryType>,
    /// Imported memories.
    pub imported_memories: Vec<Import<'data, MemoryIndex>>,
    /// Globals, imported ones first.
    pub globals: PrimaryMap<GlobalIndex, Global>,
    /// Imported globals.
    pub imported_globals: Vec<Import<'data, GlobalIndex>>,
    /// Function type of each exception tag, imported ones first.
    pub tags: PrimaryMap<TagIndex, TypeIndex>,
    /// Imported tags.
    pub imported_tags: Vec<Import<'data, TagIndex>>,
    /// Exports, in the module's order.
    pub exports: Vec<Export<'data>>,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// Element segments.
    pub elements: PrimaryMap<ElemIndex, ElementSegment>,
    /// Data segments.
    pub data: PrimaryMap<DataIndex, DataSegment<'data>>,
    /// Names for messages.
    pub names: Names<'data>,
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Element type and limits.
    pub table_type: TableType,
    /// What its elements are at first; `None` for null, and for imported tables.
    pub initial: Option<ConstExpr>,
}

/// A global.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    /// Type and mutability.
    pub global_type: GlobalType,
    /// Initial value; `None` if it is imported.
    pub initial: Option<ConstExpr>,
}

/// An export.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Export<'data> {
    /// Name.
    pub name: &'data str,
    /// What is exported.
    pub item: ExportedItem,
}

/// What an export stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportedItem {
    /// A function.
    Function(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A linear memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// An exception tag.
    Tag(TagIndex),
}

impl Module<'_> {
    /// Returns the position of a function's body, or `None` if it is imported.
    pub fn defined_function(&self, function: FuncIndex) -> Option<DefinedFuncIndex> {
        let position = function.index().checked_sub(self.imported_functions.len())?;
        Some(DefinedFuncIndex::new(position))
    }

    /// Returns the index of the function with this body.
    pub fn function_of_body(&self, body: DefinedFuncIndex) -> FuncIndex {
        FuncIndex::new(self.imported_functions.len() + body.index())
    }

    /// Returns parameters and results of a type that validation knows to be a function type.
    pub fn function_type(&self, type_index: TypeIndex) -> &FunctionType {
        self.types[type_index]
            .function
            .as_ref()
            .expect("validated: a function type")
    }

    /// Returns parameters and results of a function.
    pub fn type_of_function(&self, function: FuncIndex) -> &FunctionType {
        self.function_type(self.functions[function])
    }

    /// Tells whether the table is imported.
    pub fn is_imported_table(&self, table: TableIndex) -> bool {
        table.index() < self.imported_tables.len()
    }

    /// Tells whether the memory is imported.
    pub fn is_imported_memory(&self, memory: MemoryIndex) -> bool {
        memory.index() < self.imported_memories.len()
    }
}
