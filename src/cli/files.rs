//! Reading inputs and writing outputs.
//!
//! An output is written to a temporary file beside its destination and renamed when it is complete, so whoever looks sees the
//! old file or the new one. `-` is standard input or output.

use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Whether a file may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Data.
    Plain,
    /// A program.
    Executable,
}

/// Reads a file, or standard input for `-`.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(bytes);
    }
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a module: binary, or in the text format (`.wat`, or anything that begins like it), which is assembled.
pub fn read_module(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read(path)?;
    let is_text = path.extension() == Some(OsStr::new("wat")) || begins_like_text(&bytes);
    if !is_text {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", path.display()))?;
    wat::Parser::new()
        .parse_str(Some(path), text)
        .map_err(anyhow::Error::from)
}

/// Text modules begin with a parenthesis or a comment.
fn begins_like_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"(") || start.starts_with(b";;")
}

/// Writes a file whole, or standard output for `-`.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> anyhow::Result<()> {
    if path == Path::new("-") {
        if io::stdout().is_terminal() {
            bail!("refusing to write binary data to a terminal; redirect it, or name a file with -o");
        }
        let mut stdout = io::stdout().lock();
        return Ok(stdout.write_all(bytes).and_then(|()| stdout.flush())?);
    }
    write_file(path, bytes, mode).with_context(|| format!("cannot write {}", path.display()))
}

fn write_file(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    // Devices and pipes are written as they are: renaming over them would replace them.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return File::options().write(true).open(path)?.write_all(bytes);
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let permissions = match mode {
        Mode::Plain => 0o666,
        Mode::Executable => 0o777,
    };
    // Made and written as a plain file: errors of `tempfile` name the temporary one.
    let create = |path: &Path| {
        let mut options = File::options();
        options.write(true).create_new(true).mode(permissions).open(path)
    };
    let file = tempfile::Builder::new().prefix(".wasmetal-").make_in(folder, create)?;
    file.as_file().write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Returns the last part of a path as bytes: what a program sees as its name.
pub fn program_name(path: &Path) -> Vec<u8> {
    path.file_name().unwrap_or(path.as_os_str()).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("missing/file"), b"x", Mode::Plain).is_err());
        let target = folder.path().join("file");
        write(&target, b"first", Mode::Plain).unwrap();
        write(&target, b"second", Mode::Executable).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_ne!(fs::metadata(&target).unwrap().permissions().mode() & 0o100, 0);
    }

    #[test]
    fn the_text_format_is_recognized_by_its_start() {
        assert!(begins_like_text(b"\n (module)"));
        assert!(begins_like_text(b";; comment"));
        assert!(!begins_like_text(b"\0asm"));
        assert!(!begins_like_text(b"hello"));
    }
}
