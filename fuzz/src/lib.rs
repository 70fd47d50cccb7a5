//! Fuzzing of what strangers may send: modules to the compiler, and frames to the network stack.
//!
//! The commands `fuzz` and `packets` feed random bytes, on any toolchain and bounded; `fuzz_targets/` has the same for `cargo fuzz`,
//! which looks for bytes that reach new code.
//!
//! Read in this order: [`module`] (what is generated), `ours` and `theirs` (the two sides), [`compare`]; then [`packets`].
#![forbid(unsafe_code)]

pub mod compare;
pub mod module;
mod ours;
pub mod packets;
pub mod theirs;
