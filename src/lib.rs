//! Turns a WebAssembly program into a unikernel: one bootable file, no operating system and no Wasm runtime inside.
//!
//! ```no_run
//! let wasm = std::fs::read("app.wasm")?;
//! let image = wasmetal::compile_to_unikernel(&wasm)?;
//! std::fs::write("app.elf", image)?; // qemu-system-x86_64 -kernel app.elf
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`UnikernelBuilder`] adds arguments, environment, files and options. Everything happens in this process and in memory: no
//! other programs, no output, and no files but those that [`bake_folder`] and [`ObjectCache`] are told of. The same bytes and options
//! give the same image, byte for byte.
//!
//! The program is a WASI preview 1 *command* (it exports `_start`) or *reactor* (`_initialize`). The image is an ELF64 file for
//! x86-64 that boots through PVH (QEMU, Firecracker, Cloud Hypervisor) and multiboot2 (GRUB).
//!
//! Read in this order: `builder` (the chain from module to image), `module_facts` (what is checked before), `error`,
//! `bake` (files of the host for the image), `object_cache` (modules that are compiled once only), `inspect` (what an image tells
//! about itself),
//! `memory_floor` (in how small a machine it starts).
#![forbid(unsafe_code)]

mod bake;
mod builder;
mod error;
mod inspect;
mod kernel;
mod memory_floor;
mod module_facts;
mod object_cache;

pub use bake::{BakeError, bake_folder};
pub use builder::{Unikernel, UnikernelBuilder};
pub use error::{Error, ErrorKind, UnknownImport};
pub use inspect::{ImageReport, ReportError, SectionReport, SizeReport};
pub use memory_floor::MemoryFloor;
pub use object_cache::ObjectCache;

pub use abi::baked_tree::Builder as TreeBuilder;
pub use linker::{LinkMap, UndefinedPolicy};
pub use wasm2obj::{BoundsChecks, Cpu, OptLevel};

/// Compiles a WebAssembly module into a bootable image, without arguments, environment or files.
///
/// # Errors
/// If the bytes are no module that can be compiled, or it needs imports that nothing supplies; see [`ErrorKind`].
pub fn compile_to_unikernel(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(UnikernelBuilder::new().build(wasm)?.image)
}
