//! Compiles the kernel from source, as an archive that `src/kernel.rs` embeds.
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
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The platform whose calling convention and relocations the kernel uses. Its prebuilt `core` comes with every x86-64 toolchain.
const KERNEL_TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the kernel is made from, relative to the workspace.
const SOURCES: [&str; 5] = ["abi", "boot", "unikernel", "Cargo.toml", "Cargo.lock"];

/// Variables of cargo's own configuration that the nested build keeps: where downloads live and how to make them.
const KEPT_CARGO_VARIABLES: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
];

fn main() -> ExitCode {
    match build_kernel() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the kernel does not build: {error}");
            ExitCode::FAILURE
        }
    }
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
