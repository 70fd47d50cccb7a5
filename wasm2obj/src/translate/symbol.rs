//! What code and data refer to by relocation, and its encoding in Cranelift's external names.

use crate::module::{DataIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex};
use abi::builtins::Builtin;
use cranelift_codegen::ir::{ExternalName, UserExternalName, UserExternalNameRef};
use cranelift_entity::EntityRef;

macro_rules! symbols {
    ($($(#[$doc:meta])* $name:ident($index:ty) = $namespace:literal;)*) => {
        /// Something with an address that the linker decides, or that the object's layout does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Symbol {
            $($(#[$doc])* $name($index),)*
            /// A runtime function.
            Builtin(Builtin),
        }

        impl Symbol {
            /// Returns the name under which Cranelift's relocations carry the symbol.
            pub fn external_name(self) -> UserExternalName {
                let (namespace, index) = match self {
                    $(Symbol::$name(index) => ($namespace, index.index() as u32),)*
                    Symbol::Builtin(builtin) => (BUILTIN_NAMESPACE, builtin as u32),
                };
                UserExternalName { namespace, index }
            }

            /// Returns the symbol of a name made by [`Symbol::external_name`].
            pub fn from_external_name(name: &UserExternalName) -> Symbol {
                let index = name.index as usize;
                match name.namespace {
                    $($namespace => Symbol::$name(<$index>::new(index)),)*
                    BUILTIN_NAMESPACE => Symbol::Builtin(Builtin::ALL[index]),
                    other => unreachable!("no symbol has namespace {other}"),
                }
            }
        }
    };
}

/// The namespace of runtime functions.
const BUILTIN_NAMESPACE: u32 = 255;

symbols! {
    /// Entry of a defined function, in the convention of calls inside WebAssembly.
    Function(FuncIndex) = 0;
    /// An imported function, in the platform's C convention: an undefined symbol.
    ImportedFunction(FuncIndex) = 1;
    /// Entry of an imported function in the convention of calls inside WebAssembly.
    ImportThunk(FuncIndex) = 2;
    /// The [`abi::instance::FuncRef`] of a function.
    FuncRef(FuncIndex) = 3;
    /// The cell of a global.
    Global(GlobalIndex) = 4;
    /// The [`abi::instance::MemoryInstance`] of a memory.
    Memory(MemoryIndex) = 5;
    /// The [`abi::instance::TableInstance`] of a table.
    Table(TableIndex) = 6;
    /// The elements of a table, as they are at first.
    TableElements(TableIndex) = 7;
    /// The code addresses of a table that nothing writes.
    TableCode(TableIndex) = 8;
    /// The type numbers of a table that nothing writes.
    TableTypes(TableIndex) = 9;
    /// The [`abi::instance::SegmentInstance`] of a data segment.
    DataSegment(DataIndex) = 10;
    /// The bytes of a data segment.
    DataBytes(DataIndex) = 11;
    /// The [`abi::instance::SegmentInstance`] of an element segment.
    ElemSegment(ElemIndex) = 12;
    /// The elements of an element segment.
    ElemElements(ElemIndex) = 13;
    /// The identity of an exception tag.
    Tag(TagIndex) = 14;
    /// The function that null elements of a read-only table lead to (index 0): it traps.
    NullCallee(FuncIndex) = 15;
}

impl Symbol {
    /// Tells whether the symbol stands for code.
    pub fn is_code(self) -> bool {
        matches!(
            self,
            Symbol::Function(_)
                | Symbol::ImportedFunction(_)
                | Symbol::ImportThunk(_)
                | Symbol::NullCallee(_)
                | Symbol::Builtin(_)
        )
    }

    /// Returns a Cranelift name for the symbol, given the function's reference to [`Symbol::external_name`].
    pub fn name(reference: UserExternalNameRef) -> ExternalName {
        ExternalName::User(reference)
    }
}
