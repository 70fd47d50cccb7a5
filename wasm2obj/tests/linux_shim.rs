//! The objects make Linux programs: `examples/linux-shim/shim.c` and a C compiler, on x86-64 and, emulated, on aarch64.
//!
//! This is also the test that aarch64 objects run at all. Needs gcc, aarch64-linux-gnu-gcc and qemu-aarch64; without them the
//! tests say what they skip, and fail under `CI=true`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where linear memory lies: Linux lets no ordinary process map address 0.
const MEMORY_BASE: &str = "0x1000000000";

/// How long a program may run, in seconds.
const TIMEOUT_S: &str = "120";

/// The exit status of a trap.
const TRAP_STATUS: i32 = 134;

/// How programs are made and run for one architecture.
struct Platform {
    target: &'static str,
    compiler: &'static str,
    emulator: Option<&'static str>,
}

const X86_64: Platform = Platform {
    target: "x86_64",
    compiler: "gcc",
    emulator: None,
};
const AARCH64: Platform = Platform {
    target: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    emulator: Some("qemu-aarch64"),
};

impl Platform {
    /// Whether its tools are there; says so if not.
    fn is_available(&self) -> bool {
        let tools = [Some(self.compiler), self.emulator];
        let missing = tools
            .into_iter()
            .flatten()
            .find(|tool| Command::new(tool).arg("--version").output().is_err());
        if let Some(tool) = missing {
            fixtures::skip(
                &format!("Linux programs for {}", self.target),
                &format!("there is no {tool}"),
            );
        }
        missing.is_none()
    }

    /// Compiles a module and links it with the shim.
    fn build(&self, module: &Path, folder: &Path) -> PathBuf {
        let object = folder.join("app.o");
        let program = folder.join("app");
        let shim = fixtures::root().join("examples/linux-shim/shim.c");
        let mut compile = Command::new(env!("CARGO_BIN_EXE_wasm2obj"));
        compile
            .arg(module)
            .arg("-o")
            .arg(&object)
            .args(["--target", self.target, "--memory-base", MEMORY_BASE]);
        succeed(&mut compile);
        let mut link = Command::new(self.compiler);
        link.args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-static",
            "-no-pie",
            "-fno-delete-null-pointer-checks",
        ]);
        succeed(link.arg(shim).arg(&object).arg("-o").arg(&program));
        program
    }

    fn run(&self, module: &Path) -> Output {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = self.build(module, folder.path());
        // A program that loops is a failure, not a test that never ends.
        let mut command = Command::new("timeout");
        command.arg(TIMEOUT_S).args(self.emulator).arg(program);
        command.args(["one", "two"]).output().expect("the program starts")
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("the command starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn prints_hello(platform: &Platform) {
    if !platform.is_available() {
        return;
    }
    let output = platform.run(&fixtures::path("wat/hello.wat"));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Hello from a WebAssembly kernel\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

fn traps(platform: &Platform) {
    if !platform.is_available() {
        return;
    }
    for (fixture, message) in [
        ("unreachable", "wasm `unreachable` instruction executed"),
        ("memory_out_of_bounds", "out of bounds memory access"),
        ("memory_out_of_bounds_far", "out of bounds memory access"),
        ("integer_divide_by_zero", "integer divide by zero"),
        ("integer_overflow", "integer overflow"),
        ("conversion_of_nan", "invalid conversion to integer"),
        ("indirect_call_to_null", "uninitialized element"),
        ("indirect_call_type_mismatch", "indirect call type mismatch"),
        ("stack_exhaustion", "call stack exhausted"),
    ] {
        let output = platform.run(&fixtures::path(&format!("wat/trap/{fixture}.wat")));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.starts_with(&format!("error: wasm trap: {message}\n")),
            "{fixture}: {stderr}"
        );
        assert_eq!(output.status.code(), Some(TRAP_STATUS), "{fixture}");
    }
}

/// Small ones of the modules that grow: each traps if it has computed a wrong number.
fn runs_generated_programs(platform: &Platform) {
    if !platform.is_available() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for kind in fixtures::scale::Kind::ALL {
        let module = folder.path().join("m.wasm");
        fs::write(&module, fixtures::scale::module(kind, 300)).expect("writable");
        let output = platform.run(&module);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "ok\n",
            "{}: {stderr}",
            kind.name()
        );
    }
}

#[test]
fn hello_runs_on_x86_64() {
    prints_hello(&X86_64);
}

#[test]
fn hello_runs_on_aarch64() {
    prints_hello(&AARCH64);
}

#[test]
fn traps_are_reported_on_x86_64() {
    traps(&X86_64);
}

#[test]
fn traps_are_reported_on_aarch64() {
    traps(&AARCH64);
}

#[test]
fn programs_that_check_themselves_succeed_on_x86_64() {
    runs_generated_programs(&X86_64);
}

#[test]
fn programs_that_check_themselves_succeed_on_aarch64() {
    runs_generated_programs(&AARCH64);
}
