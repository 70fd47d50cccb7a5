//! The WASI test suite in the guest: each program boots in QEMU under TCG with its own folder, and must end as its `.json` file says
//! (arguments, environment, folders, exit code, standard output). The programs that get a folder run twice: with it baked into the
//! image, and with a copy of it shared from the host.
//!
//! The suite's vectors for the wasi-threads proposal are modules with shared memories, which the compiler refuses in words. Read
//! first: [`Expectation`].

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Outcome;

const LANGUAGES: [&str; 3] = ["assemblyscript", "c", "rust"];
const PROGRAM_COUNT: usize = 72;
const THREADS: &str = "wasi-threads";
const ABSENT: &str = "../shared/wasi-testsuite is absent";

/// How a program gets its folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folders {
    Baked,
    Shared,
}

/// What a program gets and how it must end.
struct Expectation {
    arguments: Vec<String>,
    environment: Vec<String>,
    folders: Vec<String>,
    exit_code: i32,
    stdout: Option<String>,
}

impl Expectation {
    /// Reads the file beside a program; without one, the program gets nothing and ends with 0.
    fn read(wasm: &Path) -> Expectation {
        let json = match fs::read(wasm.with_extension("json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).expect("the suite's files are JSON"),
            Err(_) => Value::Null,
        };
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let list = |key: &str| json[key].as_array().into_iter().flatten().map(text).collect();
        Expectation {
            arguments: list("args"),
            environment: json["env"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| format!("{name}={}", text(value)))
                .collect(),
            folders: list("dirs"),
            exit_code: json["exit_code"].as_i64().map_or(0, |code| code as i32),
            stdout: json["stdout"].as_str().map(str::to_owned),
        }
    }

    fn run(&self, wasm: &Path, folders: Folders) -> Outcome {
        let folder = wasm.parent().expect("a program lies in a folder");
        // A program may change what is shared with it, so it gets a copy.
        let copies = tempfile::tempdir().expect("a temporary folder");
        let mut command = support::wasmetal();
        command.args(["run", "--accel", "tcg"]);
        for variable in &self.environment {
            command.args(["--env", variable]);
        }
        for name in &self.folders {
            let (flag, host) = match folders {
                Folders::Baked => ("--bake", folder.join(name)),
                Folders::Shared => ("--dir", copy(&folder.join(name), copies.path())),
            };
            command.arg(flag).arg(format!("{}::{name}", host.display()));
        }
        Outcome::of(command.arg(wasm).arg("--").args(&self.arguments))
    }

    /// Returns what is wrong with an outcome.
    fn complaint(&self, outcome: &Outcome) -> Option<String> {
        if outcome.code != Some(self.exit_code) {
            return Some(format!("exit code {:?} instead of {}", outcome.code, self.exit_code));
        }
        match &self.stdout {
            Some(expected) if *expected != outcome.stdout => Some(format!("standard output {:?}", outcome.stdout)),
            _ => None,
        }
    }
}

/// Copies a folder into another one, and returns where to.
fn copy(folder: &Path, into: &Path) -> PathBuf {
    let status = Command::new("cp")
        .arg("-r")
        .arg(folder)
        .arg(into)
        .status()
        .expect("cp starts");
    assert!(status.success());
    into.join(folder.file_name().expect("the folder has a name"))
}

fn programs(folder: &Path) -> Vec<PathBuf> {
    let mut programs: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the suite can be read")
        .map(|entry| entry.expect("the suite can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    programs.sort();
    programs
}

/// Runs the programs of the suite that have a folder, or all if theirs are baked, and says which fail.
fn check_suite(folders: Folders) {
    let Some(suite) = fixtures::shared("wasi-testsuite") else {
        return fixtures::skip("the WASI test suite", ABSENT);
    };
    let programs: Vec<PathBuf> = LANGUAGES
        .iter()
        .flat_map(|language| programs(&suite.join(language)))
        .collect();
    assert_eq!(programs.len(), PROGRAM_COUNT, "programs in the suite");
    let failures: Vec<String> = programs
        .iter()
        .filter_map(|wasm| {
            let expectation = Expectation::read(wasm);
            if folders == Folders::Shared && expectation.folders.is_empty() {
                return None;
            }
            let outcome = expectation.run(wasm, folders);
            let complaint = expectation.complaint(&outcome)?;
            Some(format!("{}: {complaint}\n{}", wasm.display(), outcome.stderr))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {PROGRAM_COUNT} programs fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_program_of_the_wasi_test_suite_passes_in_the_guest() {
    check_suite(Folders::Baked);
}

#[test]
fn programs_of_the_wasi_test_suite_pass_with_a_folder_of_the_host() {
    check_suite(Folders::Shared);
}

#[test]
fn programs_with_threads_are_refused_in_words() {
    let Some(suite) = fixtures::shared("wasi-testsuite") else {
        return fixtures::skip("the WASI test suite's programs with threads", ABSENT);
    };
    for wasm in programs(&suite.join(THREADS)) {
        let outcome = support::run_file(&wasm, &[]).expect_code(2);
        assert!(
            outcome.stderr.contains("shared memor") || outcome.stderr.contains("thread"),
            "{}: {}",
            wasm.display(),
            outcome.stderr
        );
    }
}
