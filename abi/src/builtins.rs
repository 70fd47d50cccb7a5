//! The runtime functions that compiled code calls besides its imports. Each is an undefined symbol of the object.
//!
//! They never trap: compiled code checks bounds itself, where it knows the Wasm byte offset, and calls only to get work done.
//! All use the platform's C calling convention. Addresses are virtual addresses, so address 0 is linear memory, not null.

/// The type of a parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// A runtime function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Builtin {
    /// `memory_grow(memory: *mut MemoryInstance, delta_pages: u64) -> u64`: the old length in pages, or `u64::MAX`.
    MemoryGrow,
    /// `memory_copy(destination: u64, source: u64, length_bytes: u64)`: areas may overlap.
    MemoryCopy,
    /// `memory_fill(destination: u64, value: u32, length_bytes: u64)`: the low byte of `value`.
    MemoryFill,
    /// `table_grow(table: *mut TableInstance, delta: u64, value: u64) -> u64`: the old length, or `u64::MAX`.
    TableGrow,
    /// `table_fill(first_element: u64, value: u64, count: u64)`.
    TableFill,
    /// `memory_wait32(address: u64, expected: u32, timeout_ns: i64) -> u32` on an unshared or shared memory.
    MemoryWait32,
    /// `memory_wait64(address: u64, expected: u64, timeout_ns: i64) -> u32`.
    MemoryWait64,
    /// `memory_notify(address: u64, count: u32) -> u32`: the number of waiters woken.
    MemoryNotify,
    /// `exception_new(tag: u64, value_count: u64) -> u64`: the address of a new [exception](crate::handler_table), with its
    /// header set and its values to be filled in; 0 when memory runs out.
    ExceptionNew,
    /// `exception_drop(exception: u64)`: the exception has been caught, and its values have been read.
    ExceptionDrop,
    /// `throw(exception: u64)`: continues at the nearest handler, and returns only if there is none.
    Throw,
}

impl Builtin {
    /// All runtime functions, in the order of their numbers.
    pub const ALL: [Builtin; 11] = [
        Builtin::MemoryGrow,
        Builtin::MemoryCopy,
        Builtin::MemoryFill,
        Builtin::TableGrow,
        Builtin::TableFill,
        Builtin::MemoryWait32,
        Builtin::MemoryWait64,
        Builtin::MemoryNotify,
        Builtin::ExceptionNew,
        Builtin::ExceptionDrop,
        Builtin::Throw,
    ];

    /// Returns the symbol.
    pub const fn symbol(self) -> &'static str {
        match self {
            Builtin::MemoryGrow => "wasmetal.memory_grow",
            Builtin::MemoryCopy => "wasmetal.memory_copy",
            Builtin::MemoryFill => "wasmetal.memory_fill",
            Builtin::TableGrow => "wasmetal.table_grow",
            Builtin::TableFill => "wasmetal.table_fill",
            Builtin::MemoryWait32 => "wasmetal.memory_wait32",
            Builtin::MemoryWait64 => "wasmetal.memory_wait64",
            Builtin::MemoryNotify => "wasmetal.memory_notify",
            Builtin::ExceptionNew => "wasmetal.exception_new",
            Builtin::ExceptionDrop => "wasmetal.exception_drop",
            Builtin::Throw => "wasmetal.throw",
        }
    }

    /// Returns parameters and results.
    pub const fn signature(self) -> (&'static [ValueKind], &'static [ValueKind]) {
        use ValueKind::{I32, I64};
        match self {
            Builtin::MemoryGrow => (&[I64, I64], &[I64]),
            Builtin::MemoryCopy => (&[I64, I64, I64], &[]),
            Builtin::MemoryFill => (&[I64, I32, I64], &[]),
            Builtin::TableGrow => (&[I64, I64, I64], &[I64]),
            Builtin::TableFill => (&[I64, I64, I64], &[]),
            Builtin::MemoryWait32 => (&[I64, I32, I64], &[I32]),
            Builtin::MemoryWait64 => (&[I64, I64, I64], &[I32]),
            Builtin::MemoryNotify => (&[I64, I32], &[I32]),
            Builtin::ExceptionNew => (&[I64, I64], &[I64]),
            Builtin::ExceptionDrop | Builtin::Throw => (&[I64], &[]),
        }
    }
}
