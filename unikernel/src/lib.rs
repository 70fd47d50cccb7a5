//! The kernel that a WebAssembly program is linked with.
//!
//! Portable layers, from the top: [`wasi`] (the functions that programs import), [`fs`], [`net`], [`random`] and [`time`] (what
//! these act on), [`platform`] (what all of them need from the machine). They know only the `Platform` trait, so they run, are
//! tested and are timed in a Linux process as well. [`command_line`], [`counter_clock`] and [`headroom`] are portable too.
//!
//! Below that border, with the feature `kernel`: `kernel_main` (the entry) and `machine` (the `Platform` of the bare machine),
//! then `runtime` (what compiled code stands on), `drivers`, `memory` and `arch`, each using only what is named after it.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "kernel", not(test)))]
extern crate boot as _;
#[cfg(test)]
extern crate std;

pub mod command_line;
pub mod counter_clock;
#[allow(
    unsafe_code,
    reason = "it reads the frames of compiled code, and finds references there"
)]
pub mod exception;
pub mod fs;
pub mod headroom;
#[allow(unsafe_code, reason = "vectors become bytes, and compiled code calls it by symbols")]
pub mod missing_instructions;
pub mod net;
pub mod platform;
pub mod random;
pub mod time;
pub mod trap_report;
pub mod wasi;

#[cfg(feature = "kernel")]
#[allow(unsafe_code, reason = "the machine is reached by assembly and registers")]
mod arch;
#[cfg(feature = "kernel")]
mod drivers;
#[cfg(feature = "kernel")]
mod exit;
#[cfg(feature = "kernel")]
#[allow(unsafe_code, reason = "the boot code calls it by its symbol")]
mod kernel_main;
#[cfg(feature = "kernel")]
mod log;
#[cfg(feature = "kernel")]
mod machine;
#[cfg(feature = "kernel")]
#[allow(unsafe_code, reason = "page tables and allocators make memory out of addresses")]
mod memory;
#[cfg(feature = "kernel")]
mod panic;
#[cfg(feature = "kernel")]
#[allow(unsafe_code, reason = "compiled code and the kernel meet in raw addresses")]
mod runtime;
#[cfg(all(feature = "kernel", test))]
#[allow(unsafe_code, reason = "it stands in for what the linker defines")]
mod test_image;
