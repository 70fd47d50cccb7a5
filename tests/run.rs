//! `wasmetal run` as a user sees it: streams, exit codes, arguments, environment and baked files, in the guest.

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Stdio;
use support::{Outcome, build, run, run_file, run_text, temporary_file, wasmetal, wat};

#[test]
fn hello_prints_its_line_and_nothing_else() {
    let outcome = run("hello", &[]).expect_code(0);
    assert_eq!(outcome.stdout, "Hello from a WebAssembly kernel\n");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn the_exit_code_of_the_program_is_that_of_the_command() {
    for (guest, host) in [(0, 0), (1, 1), (42, 42), (127, 127), (255, 255), (256, 255)] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
                 (func (export "_start") (call $exit (i32.const {guest}))))"#
        );
        run_text(&text, &[]).expect_code(host);
    }
}

#[test]
fn a_program_for_any_cpu_rounds_and_shuffles_as_another_does() {
    // The functions have the names of what the compiler calls where there is no instruction.
    let text = r#"(module (memory (export "memory") 1)
        (func $floor (param f64) (result f64) (f64.floor (local.get 0)))
        (func $ceilf (param f32) (result f32) (f32.ceil (local.get 0)))
        (func $check (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))
        (func (export "_start")
            (call $check (i64.eq (i64.reinterpret_f64 (call $floor (f64.const nan:0x4000000000000)))
                                 (i64.const 0x7ffc000000000000)))
            (call $check (f64.eq (call $floor (f64.const -1.5)) (f64.const -2)))
            (call $check (f32.eq (call $ceilf (f32.const 1.5)) (f32.const 2)))
            (call $check (i8x16.all_true (i8x16.eq
                (i8x16.swizzle (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
                               (v128.const i8x16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 16))
                (v128.const i8x16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0))))))"#;
    for cpu in ["baseline", "x86-64-v2"] {
        run_text(text, &["--cpu", cpu]).expect_code(0);
    }
}

#[test]
fn a_million_caught_exceptions_fit_into_little_memory_and_those_held_survive() {
    run("held_exceptions", &["--memory", "32M"]).expect_code(0);
}

#[test]
fn arguments_and_environment_reach_the_program_unchanged() {
    let arguments = [
        "one",
        "--env",
        "A=1=2",
        "--env",
        "EMPTY=",
        "--",
        "--two words",
        "",
        "$ü",
    ];
    let outcome = run("arguments", &arguments).expect_code(0);
    assert_eq!(outcome.stdout, "arguments.wat\0one\0--two words\0\0$ü\0");
    assert_eq!(outcome.stderr, "A=1=2\0EMPTY=\0");
}

#[test]
fn a_variable_without_a_value_is_inherited() {
    let mut command = wasmetal();
    command.env("WASMETAL_TEST_VALUE", "from outside");
    command
        .args(["run", "--accel", "tcg", "--env", "WASMETAL_TEST_VALUE"])
        .arg(wat("arguments"));
    assert_eq!(
        Outcome::of(&mut command).expect_code(0).stderr,
        "WASMETAL_TEST_VALUE=from outside\0"
    );
}

#[test]
fn a_baked_folder_is_found_under_its_guest_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("greeting.txt"), "baked bytes\n").unwrap();
    let bake = format!("{}::/data", folder.path().display());
    assert_eq!(
        run("read_baked", &["--bake", &bake]).expect_code(0).stdout,
        "baked bytes\n"
    );
    fs::remove_file(folder.path().join("greeting.txt")).unwrap();
    let outcome = run("read_baked", &["--bake", &bake]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(44), ""),
        "44 is the errno `noent`"
    );
}

#[test]
fn standard_input_arrives_whole_and_ends() {
    // Every byte value, more than any buffer on the way holds, and no line break at the end.
    let input: Vec<u8> = (0..700_001u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let file = temporary_file(&input);
    let mut command = wasmetal();
    command
        .args(["run", "--accel", "tcg"])
        .arg(wat("echo"))
        .stdin(file.reopen().unwrap());
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.stdout == input,
        "{} bytes of {}",
        output.stdout.len(),
        input.len()
    );
}

#[test]
fn empty_input_ends_at_once() {
    let outcome = run("echo", &[]).expect_code(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn input_is_answered_before_it_ends() {
    let mut command = wasmetal();
    command
        .args(["run", "--accel", "tcg"])
        .arg(wat("echo"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = support::KillOnDrop(command.spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(child.0.stdout.take().unwrap());
    for text in ["first\n", "second\n"] {
        stdin.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        assert_eq!(line, text);
    }
    drop(stdin);
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn much_output_arrives_whole() {
    let output = wasmetal()
        .args(["run", "--accel", "tcg"])
        .arg(wat("flood"))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stdout.len(), 100 << 20);
    assert!(output.stdout.iter().all(|&byte| byte == 0x41));
}

#[test]
fn a_further_object_supplies_imports() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("twice.c");
    let object = folder.path().join("twice.o");
    fs::write(
        &source,
        "int twice(int x) __asm__(\"env.twice\");\nint twice(int x) { return 2 * x; }\n",
    )
    .unwrap();
    let mut gcc = std::process::Command::new("gcc");
    gcc.args(["-c", "-ffreestanding", "-o"]).arg(&object).arg(&source);
    Outcome::of(&mut gcc).expect_code(0);
    let text = r#"(module (import "env" "twice" (func $twice (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func (export "_start") (call $exit (call $twice (i32.const 21)))))"#;
    run_text(text, &["--link", object.to_str().unwrap()]).expect_code(42);
}

#[test]
fn an_unknown_import_traps_only_when_called_if_so_wished() {
    let module = |body: &str| {
        format!(
            r#"(module (import "env" "missing" (func $missing)) (memory (export "memory") 1) (func (export "_start") {body}))"#
        )
    };
    let wish = ["-W", "unknown-imports-trap"];
    let uncalled = module("(if (i32.load (i32.const 0)) (then (call $missing)))");
    run_text(&uncalled, &wish).expect_code(0);
    let outcome = run_text(&module("(call $missing)"), &wish).expect_code(134);
    let message = "error: wasm trap: call of an import that nothing defines\nwasm backtrace:\n    0: ";
    assert!(outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn the_stack_is_as_large_as_asked_for() {
    let text = r#"(module (memory (export "memory") 1)
        (func $down (param i32) (result i32)
          (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0))))
        (func (export "_start") (drop (call $down (i32.const 200000)))))"#;
    run_text(text, &["-W", "max-wasm-stack=256K"]).expect_code(134);
    run_text(text, &["-W", "max-wasm-stack=32M"]).expect_code(0);
}

#[test]
fn a_ready_made_image_runs_with_other_arguments_and_variables() {
    let baked = ["baked", "--env", "A=1", "--env", "B=2"];
    let image = temporary_file(&build("arguments", &baked));
    let long = "ü \"'\\=\n".repeat(200);
    for machine in ["microvm", "q35"] {
        let outcome = run_file(image.path(), &["--machine", machine]).expect_code(0);
        assert_eq!(outcome.stdout, "arguments.wat\0baked\0");
        assert_eq!(outcome.stderr, "A=1\0B=2\0");
        let arguments = ["--machine", machine, "--env", "A=a b", "", &long, "--", "-x"];
        let outcome = run_file(image.path(), &arguments).expect_code(0);
        assert!(outcome.stdout == format!("arguments.wat\0\0{long}\0-x\0"), "{machine}");
        assert_eq!(outcome.stderr, "B=2\0A=a b\0");
    }
    let flags = [
        "--bake=.",
        "--link=x",
        "-Wmax-wasm-stack=4M",
        "--cpu=native",
        "--opt=none",
        "--no-cache",
    ];
    for flag in flags {
        let outcome = run_file(image.path(), &[flag]).expect_code(2);
        assert!(
            outcome.stderr.contains("is an image already"),
            "{flag}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_ready_made_image_takes_long_arguments_and_variables_beside_shared_folders() {
    let image = temporary_file(&build("arguments", &[]));
    let folder = tempfile::tempdir().unwrap();
    // The longest that Linux passes to a program is 128 KiB.
    let value = b"\xff \"'\\=\n".repeat(9 * 1024);
    for machine in ["microvm", "q35", "pc"] {
        let mut command = wasmetal();
        command.args(["run", "--accel", "tcg", "--machine", machine, "--memory", "4G", "--dir"]);
        command
            .arg(folder.path())
            .arg("--env")
            .arg(OsString::from_vec([b"LONG=", &value[..]].concat()));
        let command = command
            .arg(image.path())
            .args(["--", "", "--"])
            .arg(OsStr::from_bytes(&value));
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr[..output.stderr.len().min(300)]);
        assert_eq!(output.status.code(), Some(0), "{machine}: {log}");
        assert!(
            output.stdout == [b"arguments.wat\0\0--\0", &value[..], b"\0"].concat(),
            "{machine}"
        );
        assert!(output.stderr == [b"LONG=", &value[..], b"\0"].concat(), "{machine}");
    }
}

#[test]
fn an_elf_file_of_another_origin_is_refused() {
    let outcome = run_file("/bin/true", &[]).expect_code(2);
    assert!(
        outcome.stderr.contains("not an image of wasmetal"),
        "{}",
        outcome.stderr
    );
}
