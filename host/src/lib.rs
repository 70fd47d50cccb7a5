//! wasmetal's objects inside a Linux process, for tests, fuzzing and benchmarks. Not published.
//!
//! What runs here is what runs in the guest: the object that `wasm2obj` makes, with linear memory 0 at address 0 where the
//! process may map that, and the unikernel's own WASI layers over a Linux implementation of its `Platform`. What differs is who
//! catches faults (signals instead of exceptions) and who maps memory (`mmap` instead of page tables).
//!
//! Read in this order: [`instance`] (compile, link, load, call), [`interface`] (imports and exports and their types), [`arena`]
//! and [`linear_memory`] (where things lie), [`trap`] (how Wasm code is entered and left), [`runtime`] (what it calls),
//! [`program`] and [`platform`] (WASI), and [`spec`] (the runner of the specification's test suite).
//!
//! Limits: x86-64 Linux; one thread per store.

pub mod arena;
#[path = "../../src/bake.rs"]
pub mod bake;
mod clock;
pub mod code_map;
pub mod error;
pub mod exception;
pub mod instance;
pub mod interface;
pub mod linear_memory;
mod memory_file;
pub mod platform;
pub mod program;
pub mod reservation;
pub mod runtime;
pub mod spec;
pub mod trap;

pub use error::{Error, Frame, Trap};
pub use instance::{Extern, Imports, InstanceId, Item, Store, StoreOptions};
