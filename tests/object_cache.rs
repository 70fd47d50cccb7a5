//! Compiled modules are kept: what a user sees of it, and several processes at once.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::wasmetal;

/// Returns the command that builds a program to standard output, with its cache in a folder.
fn build(cache: &Path, arguments: &[&str]) -> Command {
    let mut command = wasmetal();
    command.env("XDG_CACHE_HOME", cache).args(["build", "-o", "-"]);
    command
        .arg(fixtures::path("wasi/inventory/inventory.wasm"))
        .args(arguments)
        .stdout(Stdio::piped());
    command
}

fn output(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn entry_count(cache: &Path) -> usize {
    fs::read_dir(cache.join("wasmetal/objects")).map_or(0, Iterator::count)
}

#[test]
fn an_image_is_the_same_with_and_without_a_cache() {
    let cache = tempfile::tempdir().unwrap();
    let fresh = output(build(cache.path(), &["--no-cache"]));
    assert_eq!(entry_count(cache.path()), 0);
    for _ in 0..2 {
        assert!(output(build(cache.path(), &[])) == fresh);
        assert_eq!(entry_count(cache.path()), 1);
    }
    // Arguments are none of the compiler's business.
    assert!(output(build(cache.path(), &["argument"])) != fresh);
    assert_eq!(entry_count(cache.path()), 1);
    assert!(output(build(cache.path(), &["--cpu", "baseline"])) != fresh);
    assert_eq!(entry_count(cache.path()), 2);
}

#[test]
fn several_processes_use_one_cache_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4).map(|_| build(cache.path(), &[]).spawn().unwrap()).collect();
    let images: Vec<_> = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap())
        .collect();
    assert!(images.iter().all(|image| image.status.success()));
    assert!(images.iter().all(|image| image.stdout == images[0].stdout));
    assert_eq!(entry_count(cache.path()), 1);
}
