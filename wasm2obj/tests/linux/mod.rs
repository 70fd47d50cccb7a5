//! Linux programs made of objects: `examples/linux-shim/shim.c` and a C compiler, on x86-64 and, emulated, on aarch64.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where linear memory lies: Linux lets no ordinary process map address 0.
const MEMORY_BASE: &str = "0x1000000000";

/// How long a program may run, in seconds.
const TIMEOUT_S: &str = "120";

/// How programs are made and run for one architecture.
pub struct Platform {
    target: &'static str,
    compiler: &'static str,
    emulator: Option<&'static str>,
}

pub const X86_64: Platform = Platform {
    target: "x86_64",
    compiler: "gcc",
    emulator: None,
};
pub const AARCH64: Platform = Platform {
    target: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    emulator: Some("qemu-aarch64"),
};

/// A platform's tools, with the shim compiled.
pub struct Toolchain {
    platform: Platform,
    folder: tempfile::TempDir,
}

impl Toolchain {
    /// Finds the tools and compiles the shim; says so where a tool is missing.
    pub fn find(platform: Platform) -> Option<Toolchain> {
        let tools = [Some(platform.compiler), platform.emulator];
        let missing = |tool: &&str| Command::new(tool).arg("--version").output().is_err();
        if let Some(tool) = tools.into_iter().flatten().find(missing) {
            fixtures::skip(
                &format!("Linux programs for {}", platform.target),
                &format!("there is no {tool}"),
            );
            return None;
        }
        let toolchain = Toolchain {
            platform,
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let mut compile = Command::new(toolchain.platform.compiler);
        compile.args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fno-delete-null-pointer-checks",
            "-c",
        ]);
        compile.arg(fixtures::root().join("examples/linux-shim/shim.c"));
        succeed(compile.arg("-o").arg(toolchain.shim()));
        Some(toolchain)
    }

    fn shim(&self) -> PathBuf {
        self.folder.path().join("shim.o")
    }

    /// Compiles a module, makes a program of it and runs it.
    pub fn run(&self, module: &Path) -> Output {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a temporary folder");
        let (object, program) = (folder.path().join("app.o"), folder.path().join("app"));
        let mut compile = Command::new(env!("CARGO_BIN_EXE_wasm2obj"));
        compile.arg(module).arg("-o").arg(&object);
        succeed(compile.args(["--target", self.platform.target, "--memory-base", MEMORY_BASE]));
        let mut link = Command::new(self.platform.compiler);
        link.args(["-static", "-no-pie"]).arg(self.shim()).arg(&object);
        succeed(link.arg("-o").arg(&program));
        // A program that loops is a failure, not a test that never ends.
        let mut command = Command::new("timeout");
        command.arg(TIMEOUT_S).args(self.platform.emulator).arg(program);
        command.output().expect("the program starts")
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
