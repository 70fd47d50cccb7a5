//! The kernel that a WebAssembly program is linked with.
//!
//! Portable layers, from the top: [`wasi`] (the functions that programs import), [`fs`], [`random`] and [`time`] (what these act
//! on), [`platform`] (what all of them need from the machine). They know only the `Platform` trait, so they run, are tested and
//! are timed in a Linux process as well.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod fs;
pub mod platform;
pub mod random;
pub mod time;
pub mod wasi;
