//! Tests of the command: each `cli/*.cmd` holds arguments and an expected exit status, beside it what must appear on standard
//! output and standard error (`.stdout`, `.stderr`; a missing file means nothing).
//!
//! ```text
//! $ wasm2obj --emit clif add.wat -o -
//! status 0
//! ```
//!
//! Commands run in the folder `cli`. With `WASMETAL_BLESS=1` the three files are written anew.

mod golden;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROMPT: &str = "$ wasm2obj";

fn wasm2obj() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wasm2obj"))
}

#[test]
fn commands_print_what_is_recorded() {
    golden::assert_all_same(
        golden::files("cli", "cmd")
            .iter()
            .flat_map(|path| check(path))
            .collect(),
    );
}

fn check(path: &Path) -> Vec<Result<(), String>> {
    let text = fs::read_to_string(path).expect("the list of files is fresh");
    let line = text.lines().next().unwrap_or_default();
    let arguments = line
        .strip_prefix(PROMPT)
        .unwrap_or_else(|| panic!("{}: no `{PROMPT}`", path.display()));
    let output = wasm2obj()
        .args(arguments.split_whitespace())
        .current_dir(path.parent().expect("a file has a folder"))
        .output()
        .expect("the command runs");
    let status = output.status.code().expect("the command exits");
    vec![
        golden::check(path, &format!("{line}\nstatus {status}\n")),
        check_stream(&path.with_extension("stdout"), &output.stdout),
        check_stream(&path.with_extension("stderr"), &output.stderr),
    ]
}

/// A stream on which nothing appeared has no file.
fn check_stream(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() && !path.exists() {
        return Ok(());
    }
    golden::check(path, &String::from_utf8_lossy(bytes))
}

const MODULE: &str = "(module (func (export \"f\") (result i32) i32.const 7))";

/// Runs the command with that standard input.
fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input)
        .expect("the command reads its input");
    child.wait_with_output().expect("the command ends")
}

#[test]
fn standard_input_and_output_make_the_same_object_as_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("m.wat");
    fs::write(&input, MODULE).expect("writable");
    let status = wasm2obj()
        .arg("m.wat")
        .current_dir(folder.path())
        .status()
        .expect("the command runs");
    assert!(status.success());
    let through_files = fs::read(folder.path().join("m.o")).expect("the default output is m.o");
    let through_pipes = run_with_input(wasm2obj().arg("-"), MODULE.as_bytes());
    assert!(through_pipes.status.success());
    assert!(through_files.starts_with(b"\x7fELF"));
    assert_eq!(through_files, through_pipes.stdout);
}

#[test]
fn a_failed_run_leaves_the_old_output_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("m.o"), "old").expect("writable");
    let mut complete = 0;
    let mut binary = wat::parse_str(MODULE).expect("a valid module");
    for len_bytes in 0..binary.len() {
        fs::write(folder.path().join("m.wasm"), &binary[..len_bytes]).expect("writable");
        let output = wasm2obj()
            .arg("m.wasm")
            .current_dir(folder.path())
            .output()
            .expect("the command runs");
        let message = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(2) => {
                assert!(
                    message.starts_with("error: ") && message.lines().count() == 1,
                    "{message}"
                );
                assert_eq!(fs::read(folder.path().join("m.o")).expect("still there"), b"old");
            }
            // Cut between sections, a module can be valid: with nothing in it, or with types alone.
            Some(0) => {
                complete += 1;
                fs::write(folder.path().join("m.o"), "old").expect("writable");
            }
            status => panic!("status {status:?} for {len_bytes} bytes: {message}"),
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2);
    }
    assert_eq!(complete, 2);
    binary.extend_from_slice(b"\x7f\x01\x00");
    fs::write(folder.path().join("m.wasm"), &binary).expect("writable");
    assert_eq!(
        wasm2obj()
            .arg("m.wasm")
            .current_dir(folder.path())
            .status()
            .expect("runs")
            .code(),
        Some(2)
    );
}

#[test]
fn output_follows_links_and_keeps_devices() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("real.o"), "old").expect("writable");
    std::os::unix::fs::symlink("real.o", folder.path().join("link.o")).expect("links are allowed");
    let status = run_with_input(
        wasm2obj().args(["-", "-o", "link.o"]).current_dir(folder.path()),
        MODULE.as_bytes(),
    );
    assert!(status.status.success());
    assert!(
        fs::read(folder.path().join("real.o"))
            .expect("readable")
            .starts_with(b"\x7fELF")
    );
    assert!(folder.path().join("link.o").is_symlink());
    assert!(
        run_with_input(wasm2obj().args(["-", "-o", "/dev/null"]), MODULE.as_bytes())
            .status
            .success()
    );
    assert!(!fs::metadata("/dev/null").expect("there").is_file());
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    let output = run_with_input(wasm2obj().args(["-", "-o", "/nonexistent/m.o"]), MODULE.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        message,
        "error: cannot write `/nonexistent/m.o`: No such file or directory (os error 2)\n"
    );
}
