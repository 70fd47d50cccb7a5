//! Compiles the kernel from source, as an archive that `src/kernel.rs` embeds, and gives the compiler's sources a number, by which
//! `src/object_cache.rs` tells objects of one compiler from those of another.
//!
//! The kernel is built by a second cargo, on the same stable toolchain and for the ordinary Linux target: it is a static library
//! of freestanding code whose sections our own linker takes apart, so no further target, linker script or external tool is
//! needed. The second cargo has its own target folder (the first one holds the lock of the other) and an environment without
//! the flags and wrappers of whoever builds us: a lint run, a coverage build or `RUSTFLAGS` must not change the kernel. Paths
//! of this machine are mapped away, so that equal sources give equal images.
//!
//! Limits: the nested build wants this workspace's sources beside it, that is a checkout and not a single published crate.

use std::env;
use std::error::Error;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The platform whose calling convention and relocations the kernel uses. Its prebuilt `core` comes with every x86-64 toolchain.
const KERNEL_TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the kernel is made from, relative to the workspace.
const SOURCES: [&str; 5] = ["abi", "boot", "unikernel", "Cargo.toml", "Cargo.lock"];

/// What decides which object a module becomes, relative to the workspace.
const COMPILER_SOURCES: [&str; 3] = ["abi", "wasm2obj", "Cargo.lock"];

/// Variables of cargo's own configuration that the nested build keeps: where downloads live and how to make them.
const KEPT_CARGO_VARIABLES: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
];

fn main() -> ExitCode {
    if let Err(error) = build_kernel() {
        println!("cargo::error=the kernel does not build: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = number_compiler() {
        println!("cargo::error=cannot read the compiler's sources: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn number_compiler() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut hasher = DefaultHasher::new();
    for source in COMPILER_SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        hash_files(&workspace.join(source), &mut hasher)?;
    }
    println!("cargo::rustc-env=WASMETAL_COMPILER={:016x}", hasher.finish());
    Ok(())
}

/// Hashes a file, or all files in a folder in the order of their names.
fn hash_files(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if !path.is_dir() {
        fs::read(path)?.hash(hasher);
        return Ok(());
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
    let mut entries = entries?;
    entries.sort();
    entries.iter().try_for_each(|entry| hash_files(entry, hasher))
}

fn build_kernel() -> Result<(), Box<dyn Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", workspace.join(source).display());
    }
    let target_dir = out_dir.join("kernel-target");
    let output = kernel_build_command(&workspace, &target_dir)?.output()?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(format!("the nested cargo ended with {}; its messages follow", output.status).into());
    }
    let archive = target_dir.join(KERNEL_TARGET).join("kernel/libunikernel.a");
    fs::copy(&archive, out_dir.join("kernel.a"))
        .map_err(|error| format!("cannot copy {}: {error}", archive.display()))?;
    Ok(())
}

/// Returns the nested cargo's command.
fn kernel_build_command(workspace: &Path, target_dir: &Path) -> Result<Command, env::VarError> {
    let mut command = Command::new(env::var("CARGO")?);
    command
        .arg("rustc")
        .args(["--package", "unikernel", "--lib", "--features", "kernel"]);
    command.args([
        "--crate-type",
        "staticlib",
        "--profile",
        "kernel",
        "--target",
        KERNEL_TARGET,
    ]);
    command.arg("--manifest-path").arg(workspace.join("Cargo.toml"));
    command.arg("--target-dir").arg(target_dir);
    if workspace.join("Cargo.lock").exists() {
        command.arg("--locked");
    }
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_cargos = name.starts_with("CARGO") || name.starts_with("RUSTC_") || name.starts_with("CLIPPY_");
        if is_cargos && !KEPT_CARGO_VARIABLES.iter().any(|kept| name.starts_with(kept)) {
            command.env_remove(&*name);
        }
    }
    command.env_remove("RUSTFLAGS");
    // This variable, unlike the others, also outranks flags of configuration files.
    command.env("CARGO_ENCODED_RUSTFLAGS", path_mappings(workspace).join("\u{1f}"));
    Ok(command)
}

/// Returns compiler flags that keep this machine's folders out of the kernel's messages.
fn path_mappings(workspace: &Path) -> Vec<String> {
    let mut flags = vec![format!("--remap-path-prefix={}=wasmetal", workspace.display())];
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=registry", home.join("registry/src").display())));
    flags
}
