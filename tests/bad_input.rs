//! Bad input: one clear message with the offset or the name, exit code 2, and no output file.

mod support;

use std::fs;
use std::path::Path;
use support::{Outcome, build, wasmetal, wasmetal_directly, wat};

/// A file that is no program, and what the message must contain.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    expected: &'static [&'static str],
}

fn text(name: &'static str, text: &str, expected: &'static [&'static str]) -> Case {
    Case {
        name,
        bytes: wat::parse_str(text).unwrap(),
        expected,
    }
}

fn bytes(name: &'static str, bytes: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        expected,
    }
}

fn cases() -> Vec<Case> {
    let hello = fixtures::wat("hello");
    let truncated = &hello[..hello.len() - 10];
    let mut invalid = hello.clone();
    // The last instruction of `_start`: `drop` becomes `i64.add`.
    let drop_and_end = invalid.windows(2).rposition(|pair| pair == [0x1a, 0x0b]).unwrap();
    invalid[drop_and_end] = 0x7c;
    let too_many_bytes = [&hello[..], &[0xff; 20]].concat();
    vec![
        bytes("empty", [], &["not a WebAssembly module"]),
        bytes("text", "This is a text file.\n", &["not a WebAssembly module"]),
        bytes("magic_only", *b"\0asm", &["truncated", "0x4"]),
        bytes("truncated", truncated, &["truncated", "offset 0x"]),
        bytes("invalid", invalid, &["type mismatch", "offset 0x"]),
        bytes("trailing", too_many_bytes, &["offset 0x"]),
        bytes(
            "malformed_text",
            "(module (func (export \"_start\") (i32.add)))",
            &["type mismatch"],
        ),
        bytes("unfinished_text", "(module", &["expected"]),
        text("component", "(component)", &["component", "module"]),
        text(
            "no_start",
            "(module (func (export \"main\")))",
            &["`_start`", "`_initialize`", "`main`"],
        ),
        text(
            "unknown_imports",
            r#"(module (import "env" "first" (func $a)) (import "env" "second" (func $b)) (func (export "_start") (call $a) (call $b)))"#,
            &["env.first", "env.second", "--link", "unknown-imports-trap"],
        ),
        text(
            "unknown_wasi_function",
            r#"(module (import "wasi_snapshot_preview1" "fd_teleport" (func $f)) (func (export "_start") (call $f)))"#,
            &["fd_teleport"],
        ),
        text(
            "wrong_signature",
            r#"(module (import "wasi_snapshot_preview1" "fd_close" (func $f (param i64) (result i32)))
                 (func (export "_start") (drop (call $f (i64.const 3)))))"#,
            &["fd_close", "i64", "i32", "offset 0x"],
        ),
        text(
            "reserved_module",
            r#"(module (import "wasmetal" "x" (func $f)) (func (export "_start") (call $f)))"#,
            &["reserved"],
        ),
    ]
}

#[track_caller]
fn check(name: &str, outcome: &Outcome, expected: &[&str], folder: &Path) {
    assert_eq!(outcome.code, Some(2), "{name}: {outcome:#?}");
    assert_eq!(outcome.stdout, "", "{name}");
    assert!(outcome.stderr.starts_with("error: "), "{name}: {}", outcome.stderr);
    assert_eq!(
        outcome.stderr.matches("error: ").count(),
        1,
        "{name}: {}",
        outcome.stderr
    );
    for part in expected {
        assert!(
            outcome.stderr.contains(part),
            "{name}: `{part}` is missing in: {}",
            outcome.stderr
        );
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "{name}: a file was left");
}

#[test]
fn every_bad_file_is_refused_with_one_message_and_no_output() {
    let inputs = tempfile::tempdir().unwrap();
    let outputs = tempfile::tempdir().unwrap();
    for case in cases() {
        let file = inputs.path().join(case.name);
        fs::write(&file, &case.bytes).unwrap();
        let mut build = wasmetal();
        build
            .arg("build")
            .arg(&file)
            .arg("-o")
            .arg(outputs.path().join("image"));
        check(case.name, &Outcome::of(&mut build), case.expected, outputs.path());
        let mut run = wasmetal();
        run.args(["run", "--accel", "tcg"]).arg(&file);
        check(case.name, &Outcome::of(&mut run), case.expected, outputs.path());
    }
}

#[test]
fn an_image_is_not_built_again() {
    let (inputs, outputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = inputs.path().join("hello.elf");
    fs::write(&image, build("hello", &[])).unwrap();
    let mut command = wasmetal();
    command
        .arg("build")
        .arg(&image)
        .arg("-o")
        .arg(outputs.path().join("image"));
    let expected = &["not a WebAssembly module", "ELF"];
    check("an image", &Outcome::of(&mut command), expected, outputs.path());
}

#[test]
fn an_old_output_survives_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("image");
    fs::write(&output, "old").unwrap();
    let mut command = wasmetal();
    command.args(["build", "/dev/null", "-o"]).arg(&output);
    Outcome::of(&mut command).expect_code(2);
    assert_eq!(fs::read(&output).unwrap(), b"old");
}

#[test]
fn a_module_larger_than_the_machine_is_refused_before_it_boots() {
    let file = support::temporary_file(b"(module (memory (export \"memory\") 2000) (func (export \"_start\")))");
    let mut command = wasmetal();
    command
        .args(["run", "--accel", "tcg", "--memory", "64M"])
        .arg(file.path());
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert!(
        outcome.stderr.contains("the program needs 129 MiB"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("the machine has 64 MiB"), "{}", outcome.stderr);
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let mut command = wasmetal();
    command.args(["run", "/nonexistent/app.wasm"]);
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert_eq!(
        outcome.stderr,
        "error: cannot read /nonexistent/app.wasm: No such file or directory (os error 2)\n"
    );
    let mut command = wasmetal();
    command
        .arg("build")
        .arg(wat("hello"))
        .args(["-o", "/nonexistent/image"]);
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert_eq!(
        outcome.stderr,
        "error: cannot write /nonexistent/image: No such file or directory (os error 2)\n"
    );
}

#[test]
fn wrong_flags_say_what_would_be_right() {
    for (arguments, expected) in [
        (&["run"][..], "FILE"),
        (&["run", "--memory", "64", "x.wasm"], "did you mean 64M?"),
        (&["run", "--accel", "xen", "x.wasm"], "possible values: auto, kvm, tcg"),
        (&["run", "-W", "fuel=3", "x.wasm"], "known are max-wasm-stack"),
        (&["run", "x.wasm", "--verbose"], "--verbose"),
        (&["build", "x.wasm"], "--output"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let mut command = wasmetal();
        command.args(arguments);
        let outcome = Outcome::of(&mut command).expect_code(2);
        assert!(outcome.stderr.contains(expected), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn without_qemu_the_message_says_what_to_install() {
    let mut command = wasmetal_directly();
    command
        .env("PATH", "")
        .args(["run", "--accel", "tcg"])
        .arg(wat("hello"));
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert!(
        outcome.stderr.contains("apt-get install qemu-system-x86"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn without_grub_the_message_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = wasmetal_directly();
    command
        .env("PATH", "")
        .args(["build", "--iso"])
        .arg(wat("hello"))
        .arg("-o")
        .arg(folder.path().join("iso"));
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert!(
        outcome.stderr.contains("apt-get install grub-pc-bin"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn inspect_refuses_other_files() {
    let mut command = wasmetal();
    command.arg("inspect").arg(wat("hello"));
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert!(outcome.stderr.contains("not an image"), "{}", outcome.stderr);
    let mut command = wasmetal();
    command.args(["inspect", env!("CARGO_BIN_EXE_wasmetal")]);
    Outcome::of(&mut command).expect_code(2);
}
