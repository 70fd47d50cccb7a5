//! Rules about the source tree itself, checked as tests: every rule of CONTRIBUTING.md that a machine can check.
//!
//! A failure names the file and the rule. Read first: [`sources`], then one test per rule.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest a source file may be, in lines.
const MAX_FILE_LINES: usize = 500;

/// Where `unsafe` may be written. Everywhere else the compiler forbids it; this list says so in one place.
const UNSAFE_ALLOWED: &[&str] = &[
    "boot/src/",
    "host/src/",
    "netlab/src/system.rs",
    "src/vm/",
    "unikernel/src/arch/",
    "unikernel/src/exception/",
    "unikernel/src/kernel_main.rs",
    "unikernel/src/missing_instructions.rs",
    "unikernel/src/memory/",
    "unikernel/src/runtime/",
    "unikernel/src/drivers/virtio/",
    "unikernel/src/wasi/guest_memory.rs",
    "unikernel/src/wasi/exports.rs",
];

/// Crates in which not even a reviewed exception exists.
const UNSAFE_FORBIDDEN_CRATES: &[&str] = &["abi", "wasm2obj", "linker", "fixtures", "benches"];

/// What a crate may depend on inside the workspace (dev-dependencies aside).
const LAYERS: &[(&str, &[&str])] = &[
    ("abi", &[]),
    ("wasm2obj", &["abi"]),
    ("linker", &["abi"]),
    ("boot", &["abi"]),
    ("unikernel", &["abi", "boot"]),
];

const TOP_FOLDERS: &[&str] = &[
    "abi",
    "benches",
    "boot",
    "fixtures",
    "fuzz",
    "host",
    "linker",
    "netlab",
    "spec",
    "src",
    "tests",
    "unikernel",
    "wasm2obj",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the workspace: its path relative to the root, and its text.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for top in TOP_FOLDERS {
        collect(&root().join(top), &mut files);
    }
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source files are UTF-8");
        (
            path.strip_prefix(root())
                .expect("inside the root")
                .display()
                .to_string(),
            text,
        )
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("readable folder").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}", offenders.join("\n  "));
}

#[test]
fn files_are_short() {
    let offenders: Vec<_> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|&(_, lines)| lines > MAX_FILE_LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    assert_none("a source file has at most 500 lines", &offenders);
}

#[test]
fn files_open_with_a_header() {
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert_none(
        "a source file opens with a `//!` header: what it is and why",
        &offenders,
    );
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    let keyword = ["unsafe ", "{"].concat();
    let has_block = |text: &str| {
        text.lines()
            .any(|line| !line.trim_start().starts_with("//") && line.contains(&keyword))
    };
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| !UNSAFE_ALLOWED.iter().any(|allowed| path.starts_with(allowed)) && has_block(text))
        .map(|(path, _)| path)
        .collect();
    assert_none("`unsafe` outside the list in tests/tidy.rs", &offenders);
}

#[test]
fn safe_crates_forbid_unsafe_code() {
    let library = |name: &str| fs::read_to_string(root().join(name).join("src/lib.rs")).expect("a library");
    let offenders: Vec<_> = UNSAFE_FORBIDDEN_CRATES
        .iter()
        .filter(|name| !library(name).contains("#![forbid(unsafe_code)]"))
        .map(|name| format!("{name}/src/lib.rs"))
        .collect();
    assert_none("`#![forbid(unsafe_code)]` is missing", &offenders);
}

#[test]
fn crates_depend_only_downwards() {
    let members: Vec<&str> = LAYERS
        .iter()
        .map(|(name, _)| *name)
        .chain(["host", "fixtures", "benches"])
        .collect();
    let mut offenders = Vec::new();
    for (name, allowed) in LAYERS {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest
            .split("[dev-dependencies]")
            .next()
            .expect("split yields one part");
        for member in members
            .iter()
            .filter(|member| *member != name && !allowed.contains(member))
        {
            let starts = [format!("{member}."), format!("{member} ")];
            if dependencies
                .lines()
                .any(|line| starts.iter().any(|start| line.starts_with(start.as_str())))
            {
                offenders.push(format!("{name} depends on {member}"));
            }
        }
    }
    assert_none("a crate depends on one above or beside it", &offenders);
}

#[test]
fn unfinished_work_is_not_left_in_the_code() {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| words.iter().any(|word| text.contains(word.as_str())))
        .map(|(path, _)| path)
        .collect();
    assert_none("unfinished work has an owner and a place outside the code", &offenders);
}
