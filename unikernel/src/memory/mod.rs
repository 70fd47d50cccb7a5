//! Physical and virtual memory: frames, page tables, the kernel heap, stacks.
//!
//! ```text
//! BootInfo ─▶ frame_allocator (buddy system over all RAM) ─┬─▶ kernel_heap (the global allocator)
//!                                                          ├─▶ page_table ─▶ address_space (abi::memory_map)
//!                                                          └─▶ linear memory, stacks, DMA buffers
//! ```
//!
//! Frames are reached through the direct map, so the allocator keeps its lists inside the free frames themselves and needs no
//! memory of its own. [`initialize`] builds the final page tables: no mapping is writable and executable, everything but code is
//! no-execute, and what is not needed is not mapped.

mod address;
mod address_space;
mod frame_allocator;
mod kernel_heap;
mod page_table;

pub use address::PhysAddr;
pub use address_space::{
    Stack, boot_module, image_data, initialize, map_device, map_linear_memory, map_stack, physical_address,
};
pub use frame_allocator::{
    allocate_frames, allocate_zeroed_frame, allocate_zeroed_frames, available_bytes, free_frames,
};

/// A request for memory that cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;
