//! What the compiler, the linker, the boot code and the kernel agree on, and nothing else.
//!
//! wasmetal's parts are built at different times and by different compilers, and meet in an ELF object: `wasm2obj` writes one,
//! `linker` joins it with the kernel's, and the kernel finds the application by the symbols and layouts named here. Whatever
//! two of them must agree on lives in this crate, so that a change of one side cannot pass unnoticed by the other.
//!
//! Read in this order: [`memory_map`] (the address space), [`symbols`] (every exported name), [`instance`] (what compiled code
//! reads and writes), [`builtins`] (what compiled code calls), [`preview1`] and [`socket_extension`] (the WASI functions), [`trap_code`] and
//! [`trap_table`] (how a fault becomes a Wasm trap), [`handler_table`] (where an exception continues), [`boot_info`] (what boot tells the kernel), [`configuration`] (arguments
//! and environment that travel in the image), [`baked_tree`] (the files that travel in the image).
//!
//! The crate has no dependencies and no unsafe code; `alloc` serves the encoders only.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod baked_tree;
pub mod boot_info;
pub mod builtins;
pub mod configuration;
pub mod handler_table;
pub mod instance;
mod leb128;
pub mod memory_map;
pub mod preview1;
pub mod socket_extension;
pub mod symbols;
pub mod trap_code;
pub mod trap_table;

/// The version of everything in this crate. It rises with every incompatible change; objects of different versions do not link.
pub const ABI_VERSION: u32 = 2;
