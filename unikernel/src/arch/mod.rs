//! The machine: everything that names a register, an instruction or a port of one architecture.
//!
//! x86-64 is the only one so far; another comes beside it as a folder with the same public names.

mod x86_64;

pub use x86_64::*;
