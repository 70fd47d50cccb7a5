//! The clocks of the guest beside those of the host. The guest is asked over its standard input, so that what the machine took to
//! start does not matter.

mod support;

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::SystemTime;
use support::{KillOnDrop, temporary_file, wasmetal};

/// Answers each byte of its input with the wall clock: eight bytes, the lowest first.
const CLOCK: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\01\00\00\00" "\28\00\00\00\08\00\00\00")
  (func (export "_start")
    (loop $again
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)) (then (return)))
      (if (i32.eqz (i32.load (i32.const 16))) (then (return)))
      (if (call $time (i32.const 0) (i64.const 1) (i32.const 40)) (then unreachable))
      (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))
      (br $again))))"#;

/// What a busy host may add between the answer of its clock and the guest's look at it.
const TOLERANCE_NS: u64 = 10_000_000;

fn host_ns() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap()
}

#[test]
fn the_wall_clock_is_that_of_the_host() {
    let module = temporary_file(CLOCK.as_bytes());
    for machine in ["microvm", "q35", "pc"] {
        let mut command = wasmetal();
        command
            .args(["run", "--accel", "tcg", "--machine", machine])
            .arg(module.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = KillOnDrop(command.spawn().unwrap());
        let mut stdin = child.0.stdin.take().unwrap();
        let mut stdout = child.0.stdout.take().unwrap();
        for round in 0..20 {
            let before_ns = host_ns();
            stdin.write_all(b"?").unwrap();
            let mut answer = [0; 8];
            stdout.read_exact(&mut answer).unwrap();
            let after_ns = host_ns();
            let guest_ns = u64::from_le_bytes(answer);
            assert!(
                (before_ns - TOLERANCE_NS..after_ns + TOLERANCE_NS).contains(&guest_ns),
                "{machine}, round {round}: {before_ns} {guest_ns} {after_ns}"
            );
        }
        drop(stdin);
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
    }
}
