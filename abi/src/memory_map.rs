//! The one picture of the address space (x86-64, 48-bit virtual addresses).
//!
//! ```text
//! 0x0000_0000_0000_0000  linear memory 0: a window of 16 GiB, of which 8 GiB + 64 KiB can be named by an access
//! 0x0000_0004_0000_0000  linear memory 1, and so on: memory N at N * 16 GiB
//! 0xffff_8000_0000_0000  direct map of guest-physical memory (kernel only: DMA, frames)
//! 0xffff_9000_0000_0000  alias of the windows: the same page tables seen from the upper half
//! 0xffff_a000_0000_0000  stacks, each with unmapped guard pages below it
//! 0xffff_ffff_8000_0000  the image: kernel and application code and data, all within reach of a rel32 call
//! ```
//!
//! An access names index + offset, both 32 bits wide, so it reaches at most 8 GiB + 15 bytes: one window of 8 GiB would let the
//! last bytes of one memory's guard fall into the next memory. Windows are therefore 16 GiB apart, which costs nothing but
//! addresses.

/// Bytes from the start of one linear memory's window to the next.
pub const WINDOW_STRIDE: u64 = 0x4_0000_0000;

/// Bytes from a window's start that a 32-bit access can name, rounded up to a wasm page: they are linear memory or unmapped.
pub const WINDOW_REACH: u64 = 0x2_0001_0000;

/// Where the direct map of guest-physical memory starts.
pub const DIRECT_MAP_BASE: u64 = 0xffff_8000_0000_0000;

/// Where the kernel's alias of the linear memory windows starts: guest address `a` is seen at `WINDOW_ALIAS_BASE + a`.
pub const WINDOW_ALIAS_BASE: u64 = 0xffff_9000_0000_0000;

/// Where stacks are placed.
pub const STACKS_BASE: u64 = 0xffff_a000_0000_0000;

/// The virtual address of guest-physical address 0 within the image's mapping: image address = physical address + this.
pub const IMAGE_BASE: u64 = 0xffff_ffff_8000_0000;

/// The guest-physical address of the image's first byte.
pub const IMAGE_LOAD_ADDRESS: u64 = 0x10_0000;

/// The size of the smallest page and frame, in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// The size of a large page and frame, in bytes.
pub const LARGE_PAGE_SIZE: u64 = 2 * 1024 * 1024;

/// The size of a page of linear memory where the module does not choose another, in bytes.
pub const WASM_PAGE_SIZE: u64 = 65536;

/// What linear memory leaves to the kernel when it grows, in bytes. At its minimum size it leaves a sixteenth of what is free if that is less.
pub const KERNEL_RESERVE_LEN_BYTES: u64 = 1024 * 1024;

/// The default address of linear memory `index`.
pub const fn linear_memory_base(index: u32) -> u64 {
    index as u64 * WINDOW_STRIDE
}
