//! Expected output kept in files, and written anew when `WASMETAL_BLESS=1` is set.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the files of `tests/<folder>` with that extension, in order of their names.
///
/// # Panics
/// Panics if there are none: a suite that tests nothing is a mistake.
pub fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "no .{extension} files in {}", folder.display());
    files
}

/// Compares the content that a file should have with what it has. Returns a description of the first difference.
pub fn check(path: &Path, expected_content: &str) -> Result<(), String> {
    let content = fs::read_to_string(path).unwrap_or_default();
    if content == expected_content {
        return Ok(());
    }
    if std::env::var_os("WASMETAL_BLESS").is_some() {
        fs::write(path, expected_content).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(());
    }
    let same = content
        .lines()
        .zip(expected_content.lines())
        .take_while(|(old, new)| old == new)
        .count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(nothing)").to_owned();
    Err(format!(
        "{}:{}:\n  in the file: {}\n  now:         {}\nIf the change is meant, set WASMETAL_BLESS=1.",
        path.display(),
        same + 1,
        line(&content),
        line(expected_content)
    ))
}

/// Fails with all of the differences.
pub fn assert_all_same(results: Vec<Result<(), String>>) {
    let differences: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(
        differences.is_empty(),
        "{} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
