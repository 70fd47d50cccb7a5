//! The objects make Linux programs: `examples/linux-shim/shim.c` and a C compiler, on x86-64 and, emulated, on aarch64.
//!
//! This is also the test that aarch64 objects run at all. Needs gcc, aarch64-linux-gnu-gcc and qemu-aarch64; without them the
//! tests say what they skip, and fail under `CI=true`.

mod linux;

use fixtures::scale::{self, Kind};
use linux::{AARCH64, Platform, Toolchain, X86_64};
use std::fs;

/// The exit status of a trap.
const TRAP_STATUS: i32 = 134;

fn prints_hello(platform: Platform) {
    let Some(toolchain) = Toolchain::find(platform) else {
        return;
    };
    let output = toolchain.run(&fixtures::path("wat/hello.wat"));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Hello from a WebAssembly kernel\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

fn traps(platform: Platform) {
    let Some(toolchain) = Toolchain::find(platform) else {
        return;
    };
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
        let output = toolchain.run(&fixtures::path(&format!("wat/trap/{fixture}.wat")));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.starts_with(&format!("error: wasm trap: {message}\n")),
            "{fixture}: {stderr}"
        );
        assert_eq!(output.status.code(), Some(TRAP_STATUS), "{fixture}");
    }
}

/// Small ones of the modules that grow: each traps if it has computed a wrong number.
fn runs_generated_programs(platform: Platform) {
    let Some(toolchain) = Toolchain::find(platform) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The long body is compiled in another way than the short one.
    let long_body = (Kind::Body, Kind::Body.large());
    for (kind, size) in Kind::ALL.map(|kind| (kind, 300)).into_iter().chain([long_body]) {
        let module = folder.path().join("m.wasm");
        fs::write(&module, scale::module(kind, size)).expect("writable");
        let output = toolchain.run(&module);
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
    prints_hello(X86_64);
}

#[test]
fn hello_runs_on_aarch64() {
    prints_hello(AARCH64);
}

#[test]
fn traps_are_reported_on_x86_64() {
    traps(X86_64);
}

#[test]
fn traps_are_reported_on_aarch64() {
    traps(AARCH64);
}

#[test]
fn programs_that_check_themselves_succeed_on_x86_64() {
    runs_generated_programs(X86_64);
}

#[test]
fn programs_that_check_themselves_succeed_on_aarch64() {
    runs_generated_programs(AARCH64);
}
