//! The result of compiling: the object's bytes, and what a caller may want to know about it without parsing them.

/// A compiled module.
#[derive(Clone, Debug, Default)]
pub struct ObjectFile {
    /// The ELF relocatable object.
    pub bytes: Vec<u8>,
    /// Imports, functions first.
    pub imports: Vec<ImportSummary>,
    /// Exports, in the module's order.
    pub exports: Vec<ExportSummary>,
    /// Number of functions of the module that were compiled; those that nothing reaches are left out.
    pub function_count: usize,
    /// Length of the code in bytes.
    pub code_len_bytes: u64,
    /// The text that [`Emit`](crate::Emit) asked for.
    pub listing: String,
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Module name.
    pub module: String,
    /// Name within it.
    pub name: String,
    /// What is imported.
    pub kind: ItemKind,
    /// The symbol that stands for it.
    pub symbol: String,
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSummary {
    /// Name.
    pub name: String,
    /// What is exported.
    pub kind: ItemKind,
    /// The symbol that stands for it. It is undefined in this object if an import other than a function is exported again.
    pub symbol: String,
}

/// What is imported or exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// A function.
    Function,
    /// A table.
    Table,
    /// A linear memory.
    Memory,
    /// A global.
    Global,
    /// An exception tag.
    Tag,
}
