//! The meaning of the flags that `run` and `build` share: a builder, filled with what the flags name.

use super::files;
use super::flags::{ImageFlags, Optimization, WasmOption};
use crate::cache_folder::cache_folder;
use anyhow::bail;
use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wasmetal::{Cpu, ObjectCache, OptLevel, TreeBuilder, UndefinedPolicy, UnikernelBuilder, bake_folder};

const GUEST_PATH_SEPARATOR: &[u8] = b"::";

/// Returns a builder for the flags.
pub fn builder(flags: &ImageFlags) -> anyhow::Result<UnikernelBuilder> {
    let name = files::program_name(&flags.module);
    let mut builder = UnikernelBuilder::new()
        .name(String::from_utf8_lossy(&name))
        .argument(name)
        .baked_tree(bake(&flags.bake)?)
        .cpu(flags.cpu.as_deref().map_or(Cpu::Default, Cpu::from_name))
        .opt_level(flags.opt.map_or(OptLevel::default(), opt_level));
    if let Some(folder) = cache_folder().filter(|_| !flags.no_cache) {
        builder = builder.object_cache(ObjectCache::new(folder.join("objects")));
    }
    for argument in &flags.arguments {
        builder = builder.argument(argument.as_bytes());
    }
    for variable in &flags.environment {
        let (name, value) = environment_variable(variable)?;
        builder = builder.environment_variable(name, value);
    }
    for path in &flags.link {
        builder = builder.link_object(path.display().to_string(), files::read(path)?);
    }
    for option in &flags.wasm {
        builder = match *option {
            WasmOption::MaxWasmStack(size_bytes) => builder.stack_size_bytes(size_bytes),
            WasmOption::UnknownImportsTrap(true) => builder.undefined_imports(UndefinedPolicy::Trap),
            WasmOption::UnknownImportsTrap(false) => builder.undefined_imports(UndefinedPolicy::Error),
        };
    }
    Ok(builder)
}

fn opt_level(level: Optimization) -> OptLevel {
    match level {
        Optimization::None => OptLevel::None,
        Optimization::Speed => OptLevel::Speed,
        Optimization::SpeedAndSize => OptLevel::SpeedAndSize,
    }
}

/// Splits `NAME=VALUE`; `NAME` alone has the value that this process has.
pub fn environment_variable(text: &OsStr) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    if let Some((name, value)) = split_once(text.as_bytes(), b"=") {
        return Ok((name.to_vec(), value.to_vec()));
    }
    match env::var_os(text) {
        Some(value) => Ok((text.as_bytes().to_vec(), value.as_bytes().to_vec())),
        None => bail!(
            "--env {0}: this command has no variable of that name to pass on; write --env {0}=VALUE",
            text.display()
        ),
    }
}

fn bake(folders: &[impl AsRef<OsStr>]) -> anyhow::Result<TreeBuilder> {
    let mut tree = TreeBuilder::new();
    for folder in folders {
        let text = folder.as_ref().as_bytes();
        let (host, guest) = split_once(text, GUEST_PATH_SEPARATOR).unwrap_or((text, text));
        bake_folder(&mut tree, Path::new(OsStr::from_bytes(host)), guest)?;
    }
    Ok(tree)
}

fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let position = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..position], &text[position + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_splits() {
        assert_eq!(split_once(b"a::b::c", b"::"), Some((&b"a"[..], &b"b::c"[..])));
        assert_eq!(split_once(b"A=", b"="), Some((&b"A"[..], &b""[..])));
        assert_eq!(split_once(b"a:b", b"::"), None);
    }

    #[test]
    fn a_variable_without_value_must_exist() {
        assert!(environment_variable(OsStr::new("WASMETAL_NO_SUCH_VARIABLE")).is_err());
        let path = environment_variable(OsStr::new("PATH")).unwrap();
        assert_eq!(path.1, env::var_os("PATH").unwrap().as_bytes());
    }
}
