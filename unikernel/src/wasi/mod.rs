//! WASI preview 1, one file per topic; each function: check the guest's pointers, act through a safe layer, return an errno.
//!
//! ```text
//! compiled code ─▶ exports (symbols) ─▶ topic (args_environ, clock, fd_*, path_*, poll, …) ─▶ fs, random, time, platform
//!                                         │
//!                                         └─▶ guest_memory (the only code that touches linear memory)
//! ```
//!
//! Read in this order: [`exports`] (the list of functions), [`context`] (what they act on), [`guest_memory`] (what holding a
//! pointer proves), [`descriptor_table`], then any topic. Behaviour is the specification's; where that leaves room, Wasmtime's on
//! Linux. A program can make no call fault, panic or reach outside its linear memory and its preopened directories.

pub mod args_environ;
pub mod clock;
pub mod context;
pub mod descriptor_table;
pub mod errno;
pub mod exports;
pub mod fd_directory;
pub mod fd_file;
pub mod fd_io;
pub mod fd_stat;
pub mod guest_memory;
mod interest_list;
pub mod path_edit;
pub mod path_open;
pub mod path_stat;
pub mod poll;
pub mod preopens;
pub mod preview0;
pub mod process;
pub mod random;
pub mod rights;
pub mod socket;
#[cfg(all(test, not(feature = "kernel")))]
mod tests;
pub mod types;

pub use context::{Context, ContextOptions};
pub use errno::Errno;
pub use exports::{functions, install};
pub use guest_memory::GuestMemory;
