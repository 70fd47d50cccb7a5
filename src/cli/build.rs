//! `wasmetal build`: compiles into a file.

use super::files::{self, Mode};
use super::flags::BuildFlags;
use super::{image, messages};
use crate::iso;
use anyhow::Context;
use std::process::ExitCode;

/// Builds an image, and an ISO around it if asked for.
pub fn build(flags: &BuildFlags) -> anyhow::Result<ExitCode> {
    let path = &flags.image.module;
    let wasm = files::read_module(path)?;
    let builder = image::builder(&flags.image)?
        .link_map(flags.link_map.is_some())
        .symbols(flags.symbols);
    let progress = messages::progress(format!("compiling {}", path.display()));
    let unikernel = builder.build(&wasm).with_context(|| path.display().to_string())?;
    drop(progress);
    if let (Some(path), Some(map)) = (&flags.link_map, &unikernel.link_map) {
        files::write(path, map.to_string().as_bytes(), Mode::Plain)?;
    }
    if flags.iso {
        let _progress = messages::progress("making the ISO".to_owned());
        files::write(&flags.output, &iso::make(&unikernel.image)?, Mode::Plain)?;
    } else {
        files::write(&flags.output, &unikernel.image, Mode::Executable)?;
    }
    Ok(ExitCode::SUCCESS)
}
