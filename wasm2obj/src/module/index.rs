//! One newtype per index space, so that indices of different kinds cannot be mixed up.
//!
//! Index spaces of WebAssembly count imports first. [`DefinedFuncIndex`] counts only the functions that have a body.

use cranelift_entity::entity_impl;

macro_rules! index_spaces {
    ($($(#[$doc:meta])* $name:ident, $display:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(u32);
            entity_impl!($name, $display);
        )*
    };
}

index_spaces! {
    /// Index of a type.
    TypeIndex, "type";
    /// Index of a function, imported or defined.
    FuncIndex, "function";
    /// Index of a function that the module defines.
    DefinedFuncIndex, "body";
    /// Index of a table.
    TableIndex, "table";
    /// Index of a linear memory.
    MemoryIndex, "memory";
    /// Index of a global.
    GlobalIndex, "global";
    /// Index of an exception tag.
    TagIndex, "tag";
    /// Index of a data segment.
    DataIndex, "data";
    /// Index of an element segment.
    ElemIndex, "elem";
}
