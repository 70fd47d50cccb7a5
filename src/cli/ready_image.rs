//! An image made before, as `run` takes it: what it can be told still, by words of the kernel command line.
//!
//! Arguments replace those baked in, variables join them. Flags that say how to make an image have no meaning here and are refused.

use super::flags::ImageFlags;
use super::image;
use anyhow::{Context, bail};
use std::os::unix::ffi::OsStrExt;
use wasmetal::{ImageReport, MemoryFloor};

const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Tells whether a file is to be taken for an image and not for a module.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(ELF_MAGIC)
}

/// Checks an image; returns the least memory in which it starts, and the words for the flags.
pub fn prepare(flags: &ImageFlags, bytes: &[u8]) -> anyhow::Result<(MemoryFloor, Vec<Vec<u8>>)> {
    let path = flags.module.display();
    let report = ImageReport::read(bytes).with_context(|| path.to_string())?;
    let refused = [
        ("--bake", !flags.bake.is_empty()),
        ("--link", !flags.link.is_empty()),
        ("-W", !flags.wasm.is_empty()),
        ("--cpu", flags.cpu.is_some()),
        ("--opt", flags.opt.is_some()),
        ("--no-cache", flags.no_cache),
    ];
    if let Some((flag, _)) = refused.iter().find(|(_, is_given)| *is_given) {
        bail!("{path} is an image already: `{flag}` is for `wasmetal build`");
    }
    let mut words = Vec::new();
    for variable in &flags.environment {
        let (name, value) = image::environment_variable(variable)?;
        words.push([b"env.", &name[..], b"=", &value].concat());
    }
    let arguments = flags.arguments.iter();
    words.extend(arguments.map(|argument| [b"arg=", argument.as_bytes()].concat()));
    Ok((report.memory_floor, words))
}
