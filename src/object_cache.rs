//! Objects of compiled modules, kept on disk, so that a large module starts at once the second time.
//!
//! What is kept is the object and not the image: compiling takes the time, while an image depends on arguments and files, and
//! linking it is quick. The name of an entry is a hash of all that decides the object's bytes: the module, the options and the
//! compiler's own sources. Its contents end with their own hash, so what was cut off or changed by a failing disk is not taken for
//! an object. An entry is written under another name and renamed, and nothing is changed in place, so any number of processes may
//! use one folder. Whatever goes wrong, the module is compiled: a cache is never a reason to fail.
//!
//! When the folder holds more than its capacity, entries that were not used for the longest time go. Read first:
//! [`ObjectCache::compile`]. Limits: small modules are compiled faster than they are looked up, so they are not kept; nor are
//! objects for [`Cpu::Native`], which means something else on each machine.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasm2obj::{CompileOptions, Cpu};

/// The version of this crate, and a number that stands for the compiler's sources.
const COMPILER: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("WASMETAL_COMPILER"));

const DEFAULT_CAPACITY_BYTES: u64 = 1 << 30;
/// Modules below this size are not kept.
const MINIMUM_MODULE_LEN_BYTES: usize = 64 << 10;

/// A folder of compiled modules.
#[derive(Clone, Debug)]
pub struct ObjectCache {
    folder: PathBuf,
    capacity_bytes: u64,
}

impl ObjectCache {
    /// Uses a folder, which is made when it is needed and should hold nothing else.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        ObjectCache {
            folder: folder.into(),
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
        }
    }

    /// Sets how many bytes the folder may hold. Default: 1 GiB.
    pub fn capacity_bytes(mut self, capacity_bytes: u64) -> Self {
        self.capacity_bytes = capacity_bytes;
        self
    }

    /// Returns the object of a module: the one that is kept, or a new one, which is kept from now on.
    pub(crate) fn compile(&self, wasm: &[u8], options: &CompileOptions) -> wasm2obj::Result<Vec<u8>> {
        let path = entry_name(wasm, options).map(|name| self.folder.join(name));
        if let Some(object) = path.as_deref().and_then(read_entry) {
            return Ok(object);
        }
        let object = wasm2obj::compile(wasm, options)?.bytes;
        if let Some(path) = path {
            // Without the entry, the module is compiled again the next time.
            let _ = self.store(&path, &object);
        }
        Ok(object)
    }

    fn store(&self, path: &Path, object: &[u8]) -> io::Result<()> {
        if object.len() as u64 > self.capacity_bytes {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(object)?;
        file.write_all(blake3::hash(object).as_bytes())?;
        file.persist(path)?;
        self.remove_oldest()
    }

    /// Removes entries until the others fit. Unfinished ones of a process that died are among the oldest one day.
    fn remove_oldest(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            // Another process may have removed it.
            if let Ok(metadata) = entry.metadata() {
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut sum_bytes: u64 = entries.iter().map(|(_, len_bytes, _)| len_bytes).sum();
        for (_, len_bytes, path) in entries {
            if sum_bytes <= self.capacity_bytes {
                break;
            }
            fs::remove_file(path)?;
            sum_bytes -= len_bytes;
        }
        Ok(())
    }
}

/// Returns the name of a module's entry, if it is to have one.
fn entry_name(wasm: &[u8], options: &CompileOptions) -> Option<String> {
    // Names every field, so that a new option cannot be forgotten here.
    let CompileOptions {
        target,
        cpu,
        opt_level,
        memory_bases,
        bounds_checks,
        type_registry: _,
        call_trampolines,
        emit,
    } = options;
    if wasm.len() < MINIMUM_MODULE_LEN_BYTES || *cpu == Cpu::Native {
        return None;
    }
    let options = (
        target.to_string(),
        cpu,
        opt_level,
        memory_bases,
        bounds_checks,
        call_trampolines,
        emit,
    );
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{COMPILER} {options:?}\n").as_bytes());
    hasher.update(wasm);
    Some(hasher.finalize().to_hex().to_string())
}

/// Reads an entry and marks it as used; `None` if there is none, or a damaged one.
fn read_entry(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let (object, hash) = bytes.split_last_chunk::<{ blake3::OUT_LEN }>()?;
    if blake3::hash(object) != *hash {
        return None;
    }
    bytes.truncate(bytes.len() - blake3::OUT_LEN);
    // Where that is not allowed, the entry is removed earlier than others.
    let _ = File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()));
    Some(bytes)
}

#[cfg(test)]
mod tests;
