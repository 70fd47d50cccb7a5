//! Whole programs in the guest: each boots in QEMU under TCG, and its output and exit code are compared with what is expected.
//!
//! Programs of our own (C, Rust and Go in `fixtures/wasi`) and the sightglass suite. Expected output lies in `fixtures/expected` or
//! comes with the suite; `third_party.rs` runs larger programs. Read first: [`Case`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One program with its input and what it must do.
#[derive(Default)]
struct Case {
    wasm: PathBuf,
    arguments: Vec<&'static str>,
    environment: Vec<&'static str>,
    /// Host folder and guest path.
    bake: Option<(PathBuf, &'static str)>,
    link: Option<PathBuf>,
    stdin: Option<PathBuf>,
    exit_code: i32,
    stdout: Option<Vec<u8>>,
    stderr: Option<Vec<u8>>,
}

impl Case {
    fn fixture(topic: &str) -> Case {
        let expected = |stream: &str| fs::read(fixtures::path(&format!("expected/{topic}.{stream}"))).ok();
        Case {
            wasm: fixtures::path(&format!("wasi/{topic}/{topic}.wasm")),
            stdout: Some(expected("stdout").expect("every fixture has expected output")),
            stderr: Some(expected("stderr").unwrap_or_default()),
            ..Case::default()
        }
    }

    fn run(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasmetal"));
        command.args(["run", "--accel", "tcg"]);
        command.args(self.environment.iter().flat_map(|variable| ["--env", variable]));
        if let Some((host, guest)) = &self.bake {
            command.arg("--bake").arg(format!("{}::{guest}", host.display()));
        }
        if let Some(object) = &self.link {
            command.arg("--link").arg(object);
        }
        let stdin = self
            .stdin
            .as_ref()
            .map_or_else(Stdio::null, |path| fs::File::open(path).expect("an input file").into());
        command
            .arg(&self.wasm)
            .arg("--")
            .args(&self.arguments)
            .stdin(stdin)
            .output()
            .expect("wasmetal starts")
    }

    fn check(&self) {
        let output = self.run();
        let name = self.wasm.display();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(self.exit_code),
            "{name}: exit code; standard error:\n{log}"
        );
        for (stream, found, expected) in [
            ("stdout", &output.stdout, &self.stdout),
            ("stderr", &output.stderr, &self.stderr),
        ] {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
                let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
                panic!(
                    "{name}: {stream} differs at byte {at}:\n{}\nexpected:\n{}",
                    String::from_utf8_lossy(&found[at..found.len().min(at + 300)]),
                    String::from_utf8_lossy(&expected[at..expected.len().min(at + 300)])
                );
            }
        }
    }
}

/// Compiles `fixtures/bench/marks.c`.
fn bench_marks(folder: &Path) -> PathBuf {
    let object = folder.join("marks.o");
    let status = Command::new("gcc")
        .args(["-c", "-ffreestanding", "-fno-asynchronous-unwind-tables", "-o"])
        .arg(&object)
        .arg(fixtures::path("bench/marks.c"))
        .status()
        .expect("gcc starts");
    assert!(status.success());
    object
}

#[test]
fn c_program_reads_baked_files_and_its_environment() {
    Case {
        arguments: vec!["/text.txt"],
        environment: vec!["WORDS_LIMIT=4"],
        bake: Some((fixtures::path("wasi/words"), "/")),
        ..Case::fixture("words")
    }
    .check();
}

#[test]
fn c_program_tells_a_missing_file_by_its_error() {
    let stderr = b"words: /absent.txt: No such file or directory\n".to_vec();
    Case {
        arguments: vec!["/absent.txt"],
        bake: Some((fixtures::path("wasi/words"), "/")),
        exit_code: 1,
        stdout: Some(Vec::new()),
        stderr: Some(stderr),
        ..Case::fixture("words")
    }
    .check();
}

#[test]
fn rust_program_reads_standard_input_to_its_end() {
    Case {
        arguments: vec!["--hex"],
        stdin: Some(fixtures::path("wasi/calculator/lines.txt")),
        exit_code: 4,
        ..Case::fixture("calculator")
    }
    .check();
}

#[test]
fn go_program_runs_with_its_scheduler_and_garbage_collector() {
    Case {
        arguments: vec!["/items.json"],
        bake: Some((fixtures::path("wasi/inventory"), "/")),
        ..Case::fixture("inventory")
    }
    .check();
}

#[test]
fn cpp_exceptions_pass_destructors_and_find_their_clause_in_both_forms() {
    for form in ["cpp_exceptions", "cpp_exceptions_older"] {
        Case {
            wasm: fixtures::path(&format!("wat/{form}.wat")),
            stdout: Some(b"gggdddAa\ngggdddB\ngggdddU\n".to_vec()),
            ..Case::default()
        }
        .check();
    }
}

#[test]
fn sightglass_programs_print_what_they_should() {
    let Some(programs) = fixtures::sightglass() else {
        return fixtures::skip("sightglass", "../shared/sightglass is absent");
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let marks = bench_marks(folder.path());
    assert!(programs.len() >= 19, "only {} programs", programs.len());
    for program in programs {
        Case {
            wasm: program.wasm,
            bake: Some((program.folder, ".")),
            link: Some(marks.clone()),
            stdout: program.stdout,
            stderr: program.stderr,
            ..Case::default()
        }
        .check();
    }
}
