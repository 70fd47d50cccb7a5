//! How the tests start the command, and what they ask about its outcome. Every guest runs under TCG, which is the same everywhere.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Longer than anything here takes on a busy machine, in seconds.
const TIME_LIMIT: &str = "120";

/// The machines with virtio over MMIO and over PCI.
pub const MACHINES: [&str; 2] = ["microvm", "q35"];

/// What `fixtures/wasi/folder/folder.c` prints after working in a folder.
pub const FOLDER_TOUR: &str = "rename: done\nmkdir: done\nmkdir again: File exists\nrename into: done\nlink: done\nsymlink: done\n\
    soft: from the guest\nreadlink: done\ntarget: sub/note\nappend: done\nfsync: done\nsub/note: from the guest, twice\n\
    unlink: done\nrmdir: Directory not empty\nunlink open: done\ndoomed: still here\nfstat: done\nlength: 10\n\
    doomed: No such file or directory\nutimens: done\ntruncate: done\n";

/// Returns the command, without arguments, under a time limit. What runs past it ends with 124.
pub fn wasmetal() -> Command {
    let mut command = Command::new("timeout");
    command
        .arg(TIME_LIMIT)
        .arg(env!("CARGO_BIN_EXE_wasmetal"))
        .stdin(Stdio::null());
    command
}

/// Returns the command without arguments and without a time limit, for tests that signal it or take its tools away.
pub fn wasmetal_directly() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmetal"));
    command.stdin(Stdio::null());
    command
}

/// Returns the path of a text fixture.
pub fn wat(name: &str) -> PathBuf {
    fixtures::path(&format!("wat/{name}.wat"))
}

/// Runs a text fixture in the guest, with further arguments of `run`.
pub fn run(name: &str, arguments: &[&str]) -> Outcome {
    run_file(wat(name), arguments)
}

/// Runs a file in the guest, with further arguments of `run`.
pub fn run_file(file: impl AsRef<OsStr>, arguments: &[&str]) -> Outcome {
    let mut command = wasmetal();
    command.args(["run", "--accel", "tcg"]).arg(file).args(arguments);
    Outcome::of(&mut command)
}

/// Runs a module given as text.
pub fn run_text(text: &str, arguments: &[&str]) -> Outcome {
    let mut file = tempfile::Builder::new()
        .suffix(".wat")
        .tempfile()
        .expect("a temporary file");
    file.write_all(text.as_bytes()).expect("the file is written");
    run_file(file.path(), arguments)
}

/// Returns QEMU as a user without `wasmetal run` would start it, under a time limit, with the serial port as its standard streams.
pub fn qemu() -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max"]);
    command.args(["-display", "none", "-no-reboot", "-nodefaults", "-serial", "stdio"]);
    command.args(["-device", "isa-debug-exit,iobase=0x501,iosize=4"]);
    command.stdin(Stdio::null());
    command
}

/// Boots by hand and returns what the serial port says.
pub fn boot(arguments: &[&str]) -> Outcome {
    Outcome::of(qemu().args(arguments))
}

/// Builds a text fixture into an image.
pub fn build(name: &str, arguments: &[&str]) -> Vec<u8> {
    build_file(wat(name), arguments)
}

/// Builds a file into an image, with further arguments of `build`.
pub fn build_file(file: impl AsRef<OsStr>, arguments: &[&str]) -> Vec<u8> {
    let mut command = wasmetal();
    command.args(["build", "-o", "-"]).arg(file).args(arguments);
    let output = command.output().expect("wasmetal starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Has a command find another QEMU before the real one: it lies in `folder`, changes each `argument` as a piece of Bash says, and starts
/// the real one.
pub fn edit_arguments_of_qemu(command: &mut Command, folder: &Path, edit: &str) {
    const SCRIPT: &str = r#"#!/bin/bash
PATH=${PATH#*:}
arguments=()
for argument; do
    EDIT
    arguments+=("$argument")
done
exec qemu-system-x86_64 "${arguments[@]}"
"#;
    let folder = folder.join("bin");
    fs::create_dir(&folder).unwrap();
    let script = folder.join("qemu-system-x86_64");
    fs::write(&script, SCRIPT.replace("EDIT", edit)).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let rest = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{rest}", folder.display()));
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Outcome {
        Outcome::from(command.output().expect("the command starts"))
    }

    /// Checks the exit code, and shows the rest if it is wrong.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Outcome {
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Kills a process of ours when the test ends, however it ends.
pub struct KillOnDrop(pub Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the ids of a process's children.
pub fn children(child: &Child) -> Vec<u32> {
    let path = format!("/proc/{0}/task/{0}/children", child.id());
    fs::read_to_string(path)
        .unwrap()
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}

/// Sends a signal to a process that the test started, or a child of it.
pub fn send(signal: &str, id: u32) {
    let mut kill = Command::new("kill");
    kill.args(["-s", signal]).arg(id.to_string());
    Outcome::of(&mut kill).expect_code(0);
}

/// Returns a file in a temporary place that holds `bytes`, at its start.
pub fn temporary_file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("the file is written");
    file
}
