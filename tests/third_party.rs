//! Large programs of others in the guest, as they are published: interpreters, compilers and solvers, with the files they need.
//!
//! `fixtures/fetch` installs them. Each does real work, and its result is one that can be checked: it is printed by another program
//! of the same kind on the host, or follows from the input. Files come from the image and from shared folders; what a program
//! writes is looked at on the host. Read first: [`Program`].

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::Outcome;

/// Compiling and running the largest of them, on a machine that is busy with the others, in seconds.
const TIME_LIMIT: &str = "580";

/// A third-party program and how it is to be run.
struct Program {
    wasm: PathBuf,
    options: Vec<String>,
}

impl Program {
    /// Finds an installed program; says so if there is none.
    fn find(name: &str) -> Option<Program> {
        let wasm = fixtures::third_party(name);
        if wasm.is_none() {
            fixtures::skip(name, "run fixtures/fetch first");
        }
        Some(Program::new(wasm?))
    }

    fn new(wasm: PathBuf) -> Program {
        Program {
            wasm,
            options: Vec::new(),
        }
    }

    /// Copies a folder into the image.
    fn bake(self, host: &Path, guest: &str) -> Program {
        self.option("--bake", format!("{}::{guest}", host.display()))
    }

    /// Shares a folder.
    fn share(self, host: &Path, guest: &str) -> Program {
        self.option("--dir", format!("{}::{guest}", host.display()))
    }

    fn environment(self, variable: &str) -> Program {
        self.option("--env", variable.to_owned())
    }

    fn option(mut self, name: &str, value: String) -> Program {
        self.options.extend([name.to_owned(), value]);
        self
    }

    /// Runs it with arguments; it must succeed.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_until(0, arguments)
    }

    #[track_caller]
    fn run_until(&self, code: i32, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("timeout");
        command.args([TIME_LIMIT, env!("CARGO_BIN_EXE_wasmetal"), "run", "--accel", "tcg"]);
        command.args(&self.options).arg(&self.wasm).arg("--").args(arguments);
        Outcome::of(command.stdin(Stdio::null())).expect_code(code)
    }
}

fn expected(name: &str) -> String {
    fs::read_to_string(fixtures::path(&format!("expected/{name}.stdout"))).expect("expected output")
}

fn sources(name: &str) -> PathBuf {
    fixtures::path(&format!("third_party/{name}"))
}

#[test]
fn boolector_solves_an_smt_problem() {
    let Some(program) = Program::find("boolector") else {
        return;
    };
    let program = program.bake(&sources("boolector"), "/");
    let outcome = program.run_until(20, &["--incremental", "/multiply.smt2"]);
    assert_eq!(outcome.stdout, expected("boolector"));
}

#[test]
fn esbuild_bundles_a_project() {
    let Some(program) = Program::find("esbuild") else {
        return;
    };
    let program = program.bake(&sources("esbuild"), "/").environment("PWD=/");
    let outcome = program.run(&["src/main.ts", "--bundle", "--minify-whitespace"]);
    assert_eq!(outcome.stdout, expected("esbuild"));
}

#[test]
fn yosys_synthesises_a_counter_with_its_library_and_leaves_the_netlist_on_the_host() {
    let Some(program) = Program::find("yosys") else { return };
    let output = tempfile::tempdir().unwrap();
    let library = fixtures::third_party_folder("yosys");
    let program = program.bake(&library, "/share").bake(&sources("yosys"), "/design");
    let script = "read_verilog /design/counter.v; synth_ice40 -top counter; write_json /out/netlist.json";
    program.share(output.path(), "/out").run(&["-q", "-p", script]);
    let netlist = fs::read(output.path().join("netlist.json")).unwrap();
    let netlist: serde_json::Value = serde_json::from_slice(&netlist).unwrap();
    let cells = netlist["modules"]["counter"]["cells"].as_object().unwrap();
    let count = |kind: &str| cells.values().filter(|cell| cell["type"] == kind).count();
    // A flip-flop with reset and a table for each of eight bits; the carry of six of them goes over cells of its own.
    assert_eq!(["SB_DFFSR", "SB_LUT4", "SB_CARRY"].map(count), [8, 8, 6]);
    assert_eq!(cells.len(), 22);
}

#[test]
fn clang_and_its_linker_make_a_program_that_runs() {
    let (Some(clang), Some(linker)) = (Program::find("clang"), Program::find("wasm-ld")) else {
        return;
    };
    let output = tempfile::tempdir().unwrap();
    let system = fixtures::third_party_folder("clang").join("sys");
    let words = fixtures::path("wasi/words");
    let clang = clang
        .share(&system, "/sys:ro")
        .bake(&words, "/src")
        .share(output.path(), "/out");
    let options = "-cc1 -triple wasm32-unknown-wasi -mthread-model single -isysroot /sys -internal-isystem /sys/include \
        -internal-isystem /sys/lib/clang/8.0.1/include -O2 -emit-obj -o /out/words.o /src/words.c";
    clang.run(&options.split(' ').collect::<Vec<_>>());
    let linker = linker.bake(&system, "/sys").share(output.path(), "/out");
    let options = "--no-threads -L/sys/lib/wasm32-wasi /sys/lib/wasm32-wasi/crt1.o /out/words.o -lc -o /out/words.wasm";
    linker.run(&options.split(' ').collect::<Vec<_>>());
    let made = Program::new(output.path().join("words.wasm"));
    let made = made.bake(&words, "/").environment("WORDS_LIMIT=4");
    assert_eq!(made.run(&["/text.txt"]).stdout, expected("words"));
}

#[test]
fn python_unpacks_its_library_on_the_host_and_imports_from_there() {
    let Some(program) = Program::find("python") else { return };
    let output = tempfile::tempdir().unwrap();
    let program = program.bake(&sources("python"), "/app").share(output.path(), "/out");
    program.run(&["-m", "zipfile", "-e", "/usr/local/lib/python311.zip", "/out/lib"]);
    assert_eq!(count_files(&output.path().join("lib")), 486);
    let program = program.environment("PYTHONPATH=/out/lib");
    assert_eq!(program.run(&["/app/report.py", "/out"]).stdout, expected("python"));
    let report = fs::read_to_string(output.path().join("final.json")).unwrap();
    assert_eq!(report + "\n", expected("python"));
}

#[test]
fn ruby_runs_a_program_that_uses_its_standard_library() {
    check_report("ruby", &["/app/report.rb", "/out"]);
}

#[test]
fn php_runs_a_program_that_uses_its_extensions() {
    check_report("php", &["-q", "/app/report.php", "/out"]);
}

/// Runs a script that writes `report.json` and prints it.
fn check_report(name: &str, arguments: &[&str]) {
    let Some(program) = Program::find(name) else { return };
    let output = tempfile::tempdir().unwrap();
    let program = program.bake(&sources(name), "/app").share(output.path(), "/out");
    assert_eq!(program.run(arguments).stdout, expected(name));
    let report = fs::read_to_string(output.path().join("report.json")).unwrap();
    assert_eq!(report + "\n", expected(name));
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}
