//! Every function that the kernel gives to programs, called in the guest with arbitrary arguments: pointers that are valid, at the
//! edge of memory, or wild. None may stop the kernel or touch what is not the memory that the pointers are about.
//!
//! The program is generated from the lists in `abi`: preview 1, its predecessor `wasi_unstable`, and WasmEdge's sockets in all
//! their forms. It keeps a second memory full of a pattern, counts its calls and outcomes, and prints them in the end. With
//! `WASMETAL_POINTER_ROUNDS=2000` it runs that many rounds instead of a few, `-- --nocapture` shows the figures.
//!
//! Limits: `proc_exit` is not called, 1 and 2 are not passed for a descriptor, so that the program can say how it went, and the
//! folder stays open; there is no network; subscriptions are such that nothing waits.

mod support;

use abi::builtins::ValueKind;
use abi::{preview1, socket_extension};
use std::fmt::Write;
use support::run_text;

/// Name of the import module, of the function, and its parameters.
type Import = (&'static str, &'static str, &'static [ValueKind]);

fn imports() -> Vec<Import> {
    let standard = preview1::FUNCTIONS
        .iter()
        .filter(|function| function.name != "proc_exit");
    let old = standard.clone().filter(|function| function.name != "sock_accept");
    let forms = socket_extension::FORMS.iter();
    standard
        .map(|function| (preview1::MODULE, function.name, function.params))
        .chain(old.map(|function| ("wasi_unstable", function.name, function.params)))
        .chain(forms.map(|form| (preview1::MODULE, form.name, form.params)))
        .collect()
}

/// What the program needs besides the calls: random numbers, arguments made of them, memory filled with paths and small words,
/// and the output of the counts.
const SUPPORT: &str = r#"
  (memory (export "memory") 1 1)
  (memory $guard 1 1)
  (global $state (mut i64) (i64.const 0))
  (global $calls (mut i64) (i64.const 0))
  (global $done (mut i64) (i64.const 0))
  (global $faults (mut i64) (i64.const 0))
  (data $paths "sub/../file\00sub\00/x\00.\00..\00link\00name.test\00http\00")
  (func $next (result i64)
    (global.set $state (i64.add (i64.mul (global.get $state) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
    (i64.xor (global.get $state) (i64.shr_u (global.get $state) (i64.const 29))))
  (func $argument (result i64) (local $x i64) (local $y i64)
    (local.set $x (call $next))
    (local.set $y (i64.shr_u (local.get $x) (i64.const 24)))
    (block $wild (block $word (block $aligned (block $edge (block $byte (block $small
      (br_table $small $small $aligned $aligned $edge $byte $word $wild
        (i32.and (i32.wrap_i64 (i64.shr_u (local.get $x) (i64.const 8))) (i32.const 7))))
      (return (i64.and (local.get $y) (i64.const 15))))
      (return (i64.and (local.get $y) (i64.const 65535))))
      (return (i64.add (i64.const 65472) (i64.and (local.get $y) (i64.const 127)))))
      (return (i64.and (local.get $y) (i64.const 65528))))
      (return (i64.and (local.get $y) (i64.const 0xffffffff))))
    (i64.sub (local.get $x) (i64.const 1)))
  (func $descriptor (result i32) (local $x i32)
    (if (i64.lt_s (call $next) (i64.const 0)) (then (return (i32.const 3))))
    (local.set $x (i32.wrap_i64 (call $argument)))
    (select (i32.const 3) (local.get $x) (i32.lt_u (i32.sub (local.get $x) (i32.const 1)) (i32.const 2))))
  (func $prepare (local $count i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))
    (memory.init $paths (i32.const 8) (i32.const 0) (i32.const 44))
    (local.set $count (i32.const 64))
    (loop $words
      (i32.store (i32.wrap_i64 (i64.and (call $next) (i64.const 65532))) (i32.wrap_i64 (call $argument)))
      (br_if $words (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
  (func $count (param $errno i32)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (global.set $done (i64.add (global.get $done) (i64.extend_i32_u (i32.eqz (local.get $errno)))))
    (global.set $faults (i64.add (global.get $faults) (i64.extend_i32_u (i32.eq (local.get $errno) (i32.const 21))))))
  (func $print (param $value i64) (local $place i32)
    (local.set $place (i32.const 48))
    (i32.store8 (local.get $place) (i32.const 10))
    (loop $digits
      (local.set $place (i32.sub (local.get $place) (i32.const 1)))
      (i32.store8 (local.get $place) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $digits (i64.ne (local.get $value) (i64.const 0))))
    (i32.store (i32.const 0) (local.get $place))
    (i32.store (i32.const 4) (i32.sub (i32.const 49) (local.get $place)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 56))))
  (func $check_guard (local $place i32)
    (loop $bytes
      (if (i64.ne (i64.load $guard (local.get $place)) (i64.const 0xa5a5a5a5a5a5a5a5)) (then unreachable))
      (br_if $bytes (i32.lt_u (local.tee $place (i32.add (local.get $place) (i32.const 8))) (i32.const 65536)))))
"#;

/// Writes the program that calls each import once in each of so many rounds.
fn program(imports: &[Import], seed: u64, rounds: u64) -> String {
    let (mut declarations, mut calls) = (String::new(), String::new());
    for (index, (module, name, params)) in imports.iter().enumerate() {
        let is_fd_write = (*module, *name) == (preview1::MODULE, "fd_write");
        let id = if is_fd_write {
            "fd_write".to_owned()
        } else {
            format!("f{index}")
        };
        let types: String = params.iter().map(|kind| format!(" {}", type_name(*kind))).collect();
        writeln!(
            declarations,
            r#"(import "{module}" "{name}" (func ${id} (param{types}) (result i32)))"#
        )
        .unwrap();
        // A subscription of zeros is a timeout that has passed.
        let prepare = if *name == "poll_oneoff" {
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))"
        } else {
            "(call $prepare)"
        };
        let argument = |(place, kind): (usize, &ValueKind)| argument(name, place, *kind);
        let arguments: String = params.iter().enumerate().map(argument).collect();
        writeln!(calls, "{prepare} (call $count (call ${id} {arguments}))").unwrap();
    }
    format!(
        r#"(module {declarations} {SUPPORT}
          (func (export "_start") (local $rounds i64)
            (global.set $state (i64.const {seed}))
            (memory.fill $guard (i32.const 0) (i32.const 0xa5) (i32.const 65536))
            (local.set $rounds (i64.const {rounds}))
            (loop $again
              {calls}
              (br_if $again (i64.ne (i64.const 0) (local.tee $rounds (i64.sub (local.get $rounds) (i64.const 1))))))
            (call $check_guard)
            (call $print (global.get $calls)) (call $print (global.get $done)) (call $print (global.get $faults))))"#
    )
}

fn type_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::I32 => "i32",
        ValueKind::I64 => "i64",
    }
}

fn argument(name: &str, place: usize, kind: ValueKind) -> &'static str {
    match kind {
        // The streams and the folder stay open.
        ValueKind::I32 if matches!(name, "fd_close" | "fd_renumber") => "(i32.or (call $descriptor) (i32.const 4))",
        // Descriptors come first, or, where there are two, first and second.
        ValueKind::I32 if place < 2 => "(call $descriptor)",
        ValueKind::I32 => "(i32.wrap_i64 (call $argument))",
        ValueKind::I64 => "(call $argument)",
    }
}

#[test]
fn arbitrary_pointers_end_in_an_errno_and_touch_nothing_else() {
    let rounds = std::env::var("WASMETAL_POINTER_ROUNDS").map_or(200, |text| text.parse().expect("a number of rounds"));
    let imports = imports();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "contents").unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let bake = format!("{}::/data", folder.path().display());
    for seed in 1..=4 {
        let outcome = run_text(&program(&imports, seed, rounds), &["--bake", &bake]).expect_code(0);
        let counts: Vec<u64> = outcome
            .stdout
            .lines()
            .map(|line| line.parse().expect("a count"))
            .collect();
        println!("seed {seed}: calls, done, faults: {counts:?}");
        assert_eq!(counts[0], rounds * imports.len() as u64);
        assert!(counts[1] > counts[0] / 20, "few calls succeed: {counts:?}");
        assert!(counts[2] > counts[0] / 20, "few calls meet a bad pointer: {counts:?}");
    }
}
