//! The layouts that compiled code, the runtime and the linker read and write: one struct per kind, `repr(C)`, fields of fixed
//! width, little-endian, with their byte offsets as constants for the code generator.
//!
//! Addresses are `u64` virtual addresses. All instances of one module are data at link-time addresses; nothing is found through
//! a context pointer.
//!
//! Values: `i32`, `f32` take 4 bytes, `i64`, `f64` 8, `v128` 16. A `funcref` is the address of a [`FuncRef`] or 0 for null; an
//! `externref` is an opaque 64-bit value with 0 for null.

/// The root of an application: everything the runtime needs to start it.
#[repr(C)]
#[derive(Debug)]
pub struct ModuleDescriptor {
    /// [`ABI_VERSION`](crate::ABI_VERSION) of the compiler.
    pub abi_version: u32,
    /// Reserved, zero.
    pub reserved: u32,
    /// CPU features that the code needs: a set of [`cpu_features`] bits.
    pub cpu_features: u64,
    /// Address of the first byte of the application's code.
    pub text_start: u64,
    /// Address of the first byte after the application's code.
    pub text_end: u64,
    /// Address of the encoded [`trap_table`](crate::trap_table).
    pub trap_table: u64,
    /// Length of the encoded trap table in bytes.
    pub trap_table_len_bytes: u64,
    /// Address of an array of addresses of [`MemoryInstance`]s, by memory index (imported ones included).
    pub memories: u64,
    /// Number of memories.
    pub memory_count: u64,
    /// Address of an array of [`ActiveSegment`]s: what to copy into linear memory before anything runs.
    pub active_segments: u64,
    /// Number of active segments.
    pub active_segment_count: u64,
    /// Address of `extern "C" fn()` that does what is left of instantiation (segments and globals whose offsets or values are
    /// not constant, then the start function), or 0.
    pub initialize: u64,
    /// Address of `extern "C" fn()`: the export `_start` of a command, or 0.
    pub command_start: u64,
    /// Address of `extern "C" fn()`: the export `_initialize` of a reactor, or 0.
    pub reactor_initialize: u64,
    /// Address of the [`handler_table`](crate::handler_table), or 0.
    pub handler_table: u64,
    /// Length of the handler table in bytes.
    pub handler_table_len_bytes: u64,
}

impl ModuleDescriptor {
    /// Size in bytes.
    pub const SIZE: usize = 15 * 8;
}

/// Bits of [`ModuleDescriptor::cpu_features`].
pub mod cpu_features {
    /// SSE3.
    pub const SSE3: u64 = 1 << 0;
    /// SSSE3.
    pub const SSSE3: u64 = 1 << 1;
    /// SSE4.1.
    pub const SSE41: u64 = 1 << 2;
    /// SSE4.2.
    pub const SSE42: u64 = 1 << 3;
    /// `popcnt`.
    pub const POPCNT: u64 = 1 << 4;
    /// AVX (the kernel must enable its state).
    pub const AVX: u64 = 1 << 5;
    /// AVX2.
    pub const AVX2: u64 = 1 << 6;
    /// FMA3.
    pub const FMA: u64 = 1 << 7;
    /// BMI1.
    pub const BMI1: u64 = 1 << 8;
    /// BMI2.
    pub const BMI2: u64 = 1 << 9;
    /// `lzcnt`.
    pub const LZCNT: u64 = 1 << 10;
    /// AVX-512 F, BITALG, DQ, VL and VBMI together.
    pub const AVX512: u64 = 1 << 11;
    /// `cmpxchg16b`.
    pub const CMPXCHG16B: u64 = 1 << 12;

    /// Names for messages, in bit order.
    pub const NAMES: [&str; 13] = [
        "sse3",
        "ssse3",
        "sse4.1",
        "sse4.2",
        "popcnt",
        "avx",
        "avx2",
        "fma",
        "bmi1",
        "bmi2",
        "lzcnt",
        "avx512",
        "cmpxchg16b",
    ];
}

/// A linear memory.
#[repr(C)]
#[derive(Debug)]
pub struct MemoryInstance {
    /// Address of byte 0: the constant that compiled code uses.
    pub base: u64,
    /// Current length in bytes. Compiled code reads it (`memory.size`, explicit bounds checks, bulk operations).
    pub length_bytes: u64,
    /// Length at instantiation, in pages of this memory.
    pub minimum_pages: u64,
    /// Largest length in pages of this memory; `u64::MAX` where the module sets none.
    pub maximum_pages: u64,
    /// Logarithm of the page size (16 unless the module chooses another).
    pub page_size_log2: u32,
    /// 1 if the memory's addresses are 64 bits wide.
    pub is_64: u32,
    /// Length in bytes from `base` that compiled code without explicit checks relies on to be memory or to fault.
    pub reach_bytes: u64,
}

impl MemoryInstance {
    /// Offset of `length_bytes`.
    pub const LENGTH_BYTES: i32 = 8;
    /// Size in bytes.
    pub const SIZE: usize = 48;
}

/// A table in its general form. (A table that nothing can write has a form of its own inside the object.)
#[repr(C)]
#[derive(Debug)]
pub struct TableInstance {
    /// Address of the elements, 8 bytes each.
    pub elements: u64,
    /// Current length in elements.
    pub length: u64,
    /// Largest length in elements; `u64::MAX` where the module sets none.
    pub maximum: u64,
    /// Elements that fit at `elements`.
    pub capacity: u64,
}

impl TableInstance {
    /// Offset of `elements`.
    pub const ELEMENTS: i32 = 0;
    /// Offset of `length`.
    pub const LENGTH: i32 = 8;
    /// Size in bytes.
    pub const SIZE: usize = 32;
}

/// A function as a value.
#[repr(C)]
#[derive(Debug)]
pub struct FuncRef {
    /// Address of the code, of the convention that the type implies.
    pub code: u64,
    /// Identity of the function type: equal numbers, equal types, among objects compiled with one type registry.
    pub type_id: u32,
    /// Index of the function in its module, for messages.
    pub function_index: u32,
}

impl FuncRef {
    /// Offset of `code`.
    pub const CODE: i32 = 0;
    /// Offset of `type_id`.
    pub const TYPE_ID: i32 = 8;
    /// Size in bytes.
    pub const SIZE: usize = 16;
}

/// A passive (or dynamically placed) data or element segment. Dropping it sets `length` to 0.
#[repr(C)]
#[derive(Debug)]
pub struct SegmentInstance {
    /// Address of the bytes, or of the elements (8 bytes each).
    pub start: u64,
    /// Length in bytes for data, in elements for elements.
    pub length: u64,
}

impl SegmentInstance {
    /// Offset of `start`.
    pub const START: i32 = 0;
    /// Offset of `length`.
    pub const LENGTH: i32 = 8;
    /// Size in bytes.
    pub const SIZE: usize = 16;
}

/// An active data segment with a constant offset that lies within the memory's minimum size.
#[repr(C)]
#[derive(Debug)]
pub struct ActiveSegment {
    /// Address of the bytes.
    pub start: u64,
    /// Length in bytes.
    pub length_bytes: u64,
    /// Index of the memory.
    pub memory_index: u64,
    /// Offset in the memory.
    pub offset: u64,
}

impl ActiveSegment {
    /// Size in bytes.
    pub const SIZE: usize = 32;
}

/// Size of a global's cell in bytes; cells are aligned to it.
pub const GLOBAL_SIZE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::{offset_of, size_of};

    #[test]
    fn constants_match_the_layouts() {
        assert_eq!(size_of::<ModuleDescriptor>(), ModuleDescriptor::SIZE);
        assert_eq!(size_of::<MemoryInstance>(), MemoryInstance::SIZE);
        assert_eq!(size_of::<TableInstance>(), TableInstance::SIZE);
        assert_eq!(size_of::<FuncRef>(), FuncRef::SIZE);
        assert_eq!(size_of::<SegmentInstance>(), SegmentInstance::SIZE);
        assert_eq!(size_of::<ActiveSegment>(), ActiveSegment::SIZE);
        assert_eq!(
            offset_of!(MemoryInstance, length_bytes) as i32,
            MemoryInstance::LENGTH_BYTES
        );
        assert_eq!(offset_of!(TableInstance, elements) as i32, TableInstance::ELEMENTS);
        assert_eq!(offset_of!(TableInstance, length) as i32, TableInstance::LENGTH);
        assert_eq!(offset_of!(FuncRef, code) as i32, FuncRef::CODE);
        assert_eq!(offset_of!(FuncRef, type_id) as i32, FuncRef::TYPE_ID);
        assert_eq!(offset_of!(SegmentInstance, start) as i32, SegmentInstance::START);
        assert_eq!(offset_of!(SegmentInstance, length) as i32, SegmentInstance::LENGTH);
    }
}
