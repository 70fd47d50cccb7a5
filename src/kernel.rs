//! The kernel, embedded: the archive that `build.rs` compiles from `boot` and `unikernel`.

/// The name of the archive in messages and link maps.
pub(crate) const NAME: &str = "kernel";

/// The archive. The linker takes from it what an application reaches.
pub(crate) const ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel.a"));
