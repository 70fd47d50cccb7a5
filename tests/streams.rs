//! The standard streams in the guest: what is a terminal, what small writes become, what long lists of strings survive.
//!
//! A terminal is made by `script`, of util-linux, which runs the command on one. `-- --nocapture` shows how fast output is.

mod support;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{KillOnDrop, MACHINES, Outcome, build_file, qemu, run_text, temporary_file, wasmetal, wat};

/// Ends with the file types of descriptors 0, 1 and 2 as digits: 2 is a character device, 0 is unknown.
const FILE_TYPES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $type (param i32) (result i32)
    (drop (call $stat (local.get 0) (i32.const 64)))
    (i32.load8_u (i32.const 64)))
  (func (export "_start")
    (call $exit (i32.add (i32.mul (i32.const 100) (call $type (i32.const 0)))
      (i32.add (i32.mul (i32.const 10) (call $type (i32.const 1))) (call $type (i32.const 2)))))))"#;

#[test]
fn streams_of_the_guest_are_terminals_where_those_of_the_host_are() {
    run_text(FILE_TYPES, &[]).expect_code(0);
    let module = tempfile::Builder::new().suffix(".wat").tempfile().unwrap();
    std::fs::write(module.path(), FILE_TYPES).unwrap();
    for (redirection, code) in [("", 222), ("</dev/null", 22), (" | cat", 202), ("2>/dev/null", 220)] {
        let line = format!(
            "set -o pipefail; timeout --foreground 120 {} run --accel tcg {} {redirection}",
            env!("CARGO_BIN_EXE_wasmetal"),
            module.path().display()
        );
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env("SHELL", "/bin/bash").stdin(std::process::Stdio::null());
        Outcome::of(&mut command).expect_code(code);
    }
}

/// Writes 64 bytes to standard output so many times, then traps.
fn small_writes(count: u32) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\40\00\00\00")
  (data (i32.const 16) "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n")
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const {count}))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    unreachable))"#
    )
}

#[test]
fn small_writes_arrive_whole_before_a_trap_is_reported() {
    for count in [1, 2, 127, 128, 129, 100_000] {
        let outcome = run_text(&small_writes(count), &[]).expect_code(134);
        let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
        assert!(
            outcome.stdout == line.repeat(count as usize),
            "{} bytes",
            outcome.stdout.len()
        );
        assert!(outcome.stderr.contains("unreachable"), "{}", outcome.stderr);
    }
}

#[test]
fn an_environment_and_arguments_of_64_kib_arrive_on_each_machine() {
    let value = "ü \"'\\=\n".repeat(8 * 1024);
    for machine in ["microvm", "q35"] {
        let mut command = wasmetal();
        command.args(["run", "--accel", "tcg", "--machine", machine, "--env"]);
        command
            .arg(format!("LONG={value}"))
            .arg(wat("arguments"))
            .args(["--", "", &value]);
        let outcome = Outcome::of(&mut command).expect_code(0);
        assert!(outcome.stdout == format!("arguments.wat\0\0{value}\0"), "{machine}");
        assert!(outcome.stderr == format!("LONG={value}\0"), "{machine}");
    }
}

const BLOCK_LEN_BYTES: u32 = 0x10000;

/// Writes so many blocks of printable text, each of which begins with its number.
fn blocks(count: u32) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\00\00\01\00\00\00\01\00")
  (func $put (param $place i32) (param $digit i32)
    (i32.store8 offset=0x10000 (local.get $place) (i32.add (i32.const 32) (i32.and (local.get $digit) (i32.const 63)))))
  (func (export "_start") (local $index i32)
    (loop $pattern
      (call $put (local.get $index) (i32.shr_u (i32.mul (local.get $index) (i32.const 0x9e3779b1)) (i32.const 26)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $pattern (i32.lt_u (local.get $index) (i32.const {BLOCK_LEN_BYTES}))))
    (local.set $index (i32.const 0))
    (loop $block
      (call $put (i32.const 0) (local.get $index))
      (call $put (i32.const 1) (i32.shr_u (local.get $index) (i32.const 6)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $block (i32.lt_u (local.get $index) (i32.const {count}))))))"#
    )
}

/// Checks the blocks that a command writes; returns how many bytes it wrote in a second, once the first block had arrived.
fn checked_rate(command: &mut Command, count: u32) -> f64 {
    let mut child = KillOnDrop(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = child.0.stdout.take().unwrap();
    let character = |digit: u32| 32 + (digit & 63) as u8;
    let pattern = (0..BLOCK_LEN_BYTES).map(|index| character(index.wrapping_mul(0x9e37_79b1) >> 26));
    let mut expected: Vec<u8> = pattern.collect();
    let mut block = vec![0; expected.len()];
    let mut start = Instant::now();
    for number in 0..count {
        stdout.read_exact(&mut block).unwrap();
        if number == 0 {
            start = Instant::now();
        }
        expected[..2].copy_from_slice(&[character(number), character(number >> 6)]);
        assert!(block == expected, "block {number}");
    }
    let elapsed = start.elapsed();
    assert_eq!(stdout.read(&mut block).unwrap(), 0, "nothing follows");
    f64::from((count - 1) * BLOCK_LEN_BYTES) / elapsed.as_secs_f64()
}

#[test]
fn a_hundred_megabytes_of_output_arrive_whole_and_much_faster_than_over_a_serial_port() {
    const COUNT: u32 = 1600;
    const SERIAL_COUNT: u32 = 32;
    let file = temporary_file(blocks(SERIAL_COUNT).as_bytes());
    let image = temporary_file(&build_file(file.path(), &[]));
    let serial_rate = checked_rate(qemu().arg("-kernel").arg(image.path()), SERIAL_COUNT);
    println!("serial port: {:.2} MB/s", serial_rate / 1e6);
    let file = temporary_file(blocks(COUNT).as_bytes());
    for machine in MACHINES {
        let mut command = wasmetal();
        command
            .args(["run", "--accel", "tcg", "--machine", machine])
            .arg(file.path());
        let rate = checked_rate(&mut command, COUNT);
        println!("virtio-console, {machine}: {:.0} MB/s", rate / 1e6);
        assert!(rate > 10.0 * serial_rate, "{machine}");
    }
}
