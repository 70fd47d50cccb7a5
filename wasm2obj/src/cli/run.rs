//! Reads the module, compiles it and writes the result, whole or not at all.

use super::flags::Flags;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use wasm2obj::{CompileOptions, ObjectFile};

/// Runs the command.
pub(crate) fn run(flags: &Flags) -> Result<()> {
    let output = flags.output();
    if output.is_none() && !flags.output_is_text() && io::stdout().is_terminal() {
        bail!("an object is not for the terminal: name a file with `-o FILE`");
    }
    let (name, input) = read_input(flags.input())?;
    let object = compile(input, &flags.compile_options()).with_context(|| name)?;
    let result = if flags.output_is_text() {
        object.listing.as_bytes()
    } else {
        &object.bytes
    };
    match output {
        None => write_stream(&mut io::stdout().lock(), result),
        Some(path) => write_file(&path, result).with_context(|| format!("cannot write `{}`", path.display())),
    }
}

/// Reads the module and returns it with the name that messages use.
fn read_input(path: Option<&Path>) -> Result<(String, Vec<u8>)> {
    match path {
        Some(path) => {
            let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            Ok((path.display().to_string(), bytes))
        }
        None => {
            let mut bytes = Vec::new();
            io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
            Ok(("standard input".to_owned(), bytes))
        }
    }
}

fn compile(input: Vec<u8>, options: &CompileOptions) -> Result<ObjectFile, wasm2obj::Error> {
    match text(&input) {
        Some(text) => wasm2obj::compile(&wasm2obj::parse_text(text)?, options),
        None => wasm2obj::compile(&input, options),
    }
}

/// Returns the input if it looks like the text form: UTF-8 that begins with a parenthesis or a comment.
fn text(input: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(input).ok()?;
    text.trim_start().starts_with(['(', ';']).then_some(text)
}

fn write_stream(stream: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes)?;
    stream.flush()?;
    Ok(())
}

/// Writes a file through a temporary one beside it. Pipes and devices are written as they are; links are followed.
fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return File::options().write(true).open(&target)?.write_all(bytes);
    }
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Made and written as a plain file: errors of `tempfile` name the temporary one.
    let create = |path: &Path| File::create_new(path);
    let file = tempfile::Builder::new().prefix(".wasm2obj-").make_in(folder, create)?;
    file.as_file().write_all(bytes)?;
    file.persist(&target)?;
    Ok(())
}
