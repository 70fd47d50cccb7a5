//! The application as the linker put it next to the kernel: its descriptor, and the configuration that was baked in.

use abi::instance::{ActiveSegment, MemoryInstance, ModuleDescriptor};
use abi::trap_table::TrapTable;
use core::slice;

unsafe extern "C" {
    #[link_name = "wasmetal.module"]
    static MODULE: ModuleDescriptor;
    #[link_name = "wasmetal.configuration"]
    static CONFIGURATION: u8;
    #[link_name = "wasmetal.configuration.end"]
    static CONFIGURATION_END: u8;
    #[link_name = "wasmetal.baked_tree"]
    static BAKED_TREE: u8;
    #[link_name = "wasmetal.baked_tree.end"]
    static BAKED_TREE_END: u8;
}

/// Returns the descriptor.
pub(super) fn descriptor() -> &'static ModuleDescriptor {
    // SAFETY: the linker resolves the symbol to the compiler's descriptor, which is read-only data of that layout; objects of
    // another ABI version do not link.
    unsafe { &MODULE }
}

/// Returns the baked configuration, encoded as [`abi::configuration`] says.
pub fn configuration() -> &'static [u8] {
    // SAFETY: the linker places both symbols around one piece of read-only data.
    unsafe { between(&raw const CONFIGURATION, &raw const CONFIGURATION_END) }
}

/// Returns the baked files, encoded as [`abi::baked_tree`] says.
pub fn baked_tree() -> &'static [u8] {
    // SAFETY: as above.
    unsafe { between(&raw const BAKED_TREE, &raw const BAKED_TREE_END) }
}

/// Returns the bytes between two symbols.
///
/// # Safety
/// They are the first byte and the end of one piece of data that nothing ever writes.
unsafe fn between(start: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Returns the addresses of the memories, by index.
pub fn memories() -> &'static [*mut MemoryInstance] {
    let module = descriptor();
    // SAFETY: the descriptor names an array of so many addresses in read-only data.
    unsafe { array(module.memories, module.memory_count) }
}

/// Returns what is to be copied into linear memory before anything runs.
pub(super) fn active_segments() -> &'static [ActiveSegment] {
    let module = descriptor();
    // SAFETY: the descriptor names an array of so many segments in read-only data.
    unsafe { array(module.active_segments, module.active_segment_count) }
}

/// Returns the trap table.
pub(super) fn trap_table() -> TrapTable<'static> {
    let module = descriptor();
    // SAFETY: the descriptor names so many bytes of read-only data.
    TrapTable::new(unsafe { array(module.trap_table, module.trap_table_len_bytes) })
}

/// Returns the encoded table of exception handlers.
pub(super) fn handler_table() -> &'static [u8] {
    let module = descriptor();
    // SAFETY: as above.
    unsafe { array(module.handler_table, module.handler_table_len_bytes) }
}

/// Returns the offset of a code address in the application's code, or `None` if it lies elsewhere.
pub(super) fn code_offset(address: u64) -> Option<u32> {
    let module = descriptor();
    (module.text_start..module.text_end)
        .contains(&address)
        .then(|| (address - module.text_start) as u32)
}

/// Views memory as an array; an empty one needs no address.
///
/// # Safety
/// If `count` is not 0, so many values of `T` stand at `address`, and nothing ever writes them.
unsafe fn array<T>(address: u64, count: u64) -> &'static [T] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's promise; the image lies in the upper half, so the address is not null.
    unsafe { slice::from_raw_parts(address as *const T, count as usize) }
}
