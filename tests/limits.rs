//! The limits of the guest: file memory that is full, a large directory, a linear memory of 4 GiB, and no memory left at all.
//!
//! The guest's side is `fixtures/wasi/limits/limits.c` where files are concerned.

mod support;

use support::{MACHINES, run_file, run_text};

fn run_limits(arguments: &[&str]) -> String {
    let file = fixtures::path("wasi/limits/limits.wasm");
    run_file(file, arguments).expect_code(0).stdout
}

#[test]
fn full_file_memory_is_an_error_and_freed_space_is_used_again() {
    assert_eq!(
        run_limits(&["--memory", "128M", "fill", "/tmp"]),
        "No space left on device\nunlink: 0\nNo space left on device\nat least 16 MiB: 1\nas much as before: 1\nall of it is there: 1\n"
    );
}

#[test]
fn a_directory_of_10_000_files_is_listed_whole_even_while_they_are_removed() {
    assert_eq!(
        run_limits(&["list", "/tmp"]),
        "entries: 10000, different: 10000, removed: 0\n\
         entries: 10000, different: 10000, removed: 10000\n\
         entries: 0, different: 0, removed: 0\n"
    );
}

/// Grows its memory to 4 GiB and no further, writes to each Wasm page its number and reads all of them back.
const GROWING: &str = r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $page i32)
    (if (i32.ne (memory.grow (i32.const 65535)) (i32.const 1)) (then (call $exit (i32.const 3))))
    (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (call $exit (i32.const 4))))
    (loop $write
      (i32.store (i32.shl (local.get $page) (i32.const 16)) (local.get $page))
      (local.set $page (i32.add (local.get $page) (i32.const 1)))
      (br_if $write (i32.lt_u (local.get $page) (i32.const 0x10000))))
    (local.set $page (i32.const 0))
    (loop $read
      (if (i32.ne (i32.load (i32.shl (local.get $page) (i32.const 16))) (local.get $page))
        (then (call $exit (i32.const 5))))
      (local.set $page (i32.add (local.get $page) (i32.const 1)))
      (br_if $read (i32.lt_u (local.get $page) (i32.const 0x10000))))))"#;

#[test]
fn a_memory_grows_to_4_gib_in_a_machine_that_has_them() {
    for machine in MACHINES {
        run_text(GROWING, &["--machine", machine, "--memory", "5G"]).expect_code(0);
    }
    run_text(GROWING, &["--memory", "4G"]).expect_code(3);
}

/// Grows its memory until that fails, and then writes for the first time.
const GREEDY: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\0c\00\00\00still there\n")
  (func (export "_start")
    (loop $grow (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))"#;

#[test]
fn a_program_that_has_grown_its_memory_to_the_end_still_prints() {
    for machine in MACHINES {
        for memory in ["3M", "4M", "5M", "16M", "64M"] {
            let outcome = run_text(GREEDY, &["--machine", machine, "--memory", memory]).expect_code(0);
            assert_eq!(outcome.stdout, "still there\n", "{machine}, {memory}");
        }
    }
}

#[test]
fn a_program_that_has_taken_all_memory_gets_errors_and_ends_by_itself() {
    let check = |stdout: &str| assert_eq!(stdout, "unlink: 0\nstill there\n");
    for memory in ["20M", "21M", "24M", "64M"] {
        check(&run_limits(&["--memory", memory, "exhaust", "/tmp"]));
    }
    let folder = tempfile::tempdir().unwrap();
    let share = format!("{}::/share", folder.path().display());
    check(&run_limits(&["--memory", "24M", "--dir", &share, "exhaust", "/share"]));
}
