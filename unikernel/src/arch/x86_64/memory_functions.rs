//! `memcpy` and its kin, which compiled Rust and C code calls, and the builtins `memory_copy` and `memory_fill`.
//!
//! They are assembly, because the Rust versions would be compiled into calls of themselves, and because linear memory starts at
//! address 0, which no Rust pointer may be.

use core::arch::global_asm;

global_asm!(include_str!("memory_functions.s"), options(att_syntax));
