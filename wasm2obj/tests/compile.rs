//! What `compile` promises to its callers: equal bytes for equal input, dropped dead code, and an error for every bad input.

use wasm2obj::{CompileOptions, ErrorKind, ImportProblem, ItemKind, ObjectFile, OptLevel, compile, parse_text};

fn compile_text(text: &str) -> wasm2obj::Result<ObjectFile> {
    compile(
        &parse_text(text).expect("the test's module parses"),
        &CompileOptions::default(),
    )
}

fn kind_of_error(bytes: &[u8]) -> ErrorKind {
    compile(bytes, &CompileOptions::default())
        .expect_err("the input is bad")
        .kind()
        .clone()
}

/// A module with something of everything.
const VARIED: &str = r#"
    (module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "env" "base" (global $base i32))
        (memory (export "memory") 1 10)
        (table $table 4 funcref)
        (tag $tag (param i32))
        (global $counter (mut i64) (i64.const 7))
        (elem (i32.const 1) $double $write)
        (data (i32.const 16) "hello")
        (data (global.get $base) "there")
        (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func $dead (result i32) (i32.const 1234567))
        (func (export "run") (param i32) (result i32) (local i64)
            (block $caught (result i32)
                (try_table (catch $tag $caught)
                    (global.set $counter (i64.load (local.get 0)))
                    (throw $tag (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1))))
                (unreachable)))
        (func (export "loop") (param i32) (result f64)
            (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            (f64.convert_i32_s (local.get 0))))"#;

#[test]
fn equal_input_gives_equal_bytes() {
    let first = compile_text(VARIED).unwrap();
    let second = compile_text(VARIED).unwrap();
    assert_eq!(first.bytes, second.bytes);
}

#[test]
fn unreachable_functions_are_left_out() {
    assert_eq!(compile_text(VARIED).unwrap().function_count, 3);
}

/// A chain of small functions, a recursive one and a large one around them.
const SMALL_FUNCTIONS: &str = r#"
    (module
        (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $twice (param i32) (result i32) (call $add (call $add (local.get 0))))
        (func $sum (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (local.get 0) (call $sum (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))
        (func (export "run") (param i32) (result i32) (i32.mul (call $twice (local.get 0)) (call $sum (local.get 0)))))"#;

#[test]
fn functions_that_are_inlined_wherever_they_are_called_are_left_out() {
    assert_eq!(compile_text(SMALL_FUNCTIONS).unwrap().function_count, 2);
    let options = CompileOptions {
        opt_level: OptLevel::None,
        ..CompileOptions::default()
    };
    let unoptimised = compile(&parse_text(SMALL_FUNCTIONS).unwrap(), &options).unwrap();
    assert_eq!(unoptimised.function_count, 4);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let wasm = std::fs::read(fixtures::path("compute/sort.wasm")).unwrap();
    let with_threads = |count| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| compile(&wasm, &CompileOptions::default()))
            .unwrap()
            .bytes
    };
    assert_eq!(with_threads(1), with_threads(7));
}

#[test]
fn the_summary_names_the_symbols() {
    let object = compile_text(VARIED).unwrap();
    assert_eq!(object.imports[0].symbol, "wasi_snapshot_preview1.fd_write");
    assert_eq!(object.exports[0].kind, ItemKind::Memory);
    assert_eq!(object.exports[1].symbol, "wasm.export.run");
}

#[test]
fn input_that_is_no_module_is_named() {
    assert!(matches!(kind_of_error(b""), ErrorKind::NotWasm { .. }));
    assert!(matches!(
        kind_of_error(b"\x7fELF\x02\x01\x01"),
        ErrorKind::NotWasm {
            looks_like: "it is an ELF file"
        }
    ));
    assert!(matches!(
        kind_of_error(b"(module)"),
        ErrorKind::NotWasm {
            looks_like: "it is text"
        }
    ));
    assert!(matches!(kind_of_error(b"\0as"), ErrorKind::Truncated { offset: 3 }));
    assert!(matches!(kind_of_error(b"\0asm\x0d\0\x01\0"), ErrorKind::Component));
}

#[test]
fn every_truncation_and_every_flipped_byte_ends_in_an_object_or_an_error() {
    let module = parse_text(VARIED).unwrap();
    let options = CompileOptions::default();
    for end in 0..module.len() {
        let _ = compile(&module[..end], &options);
    }
    for position in 8..module.len() {
        for flip in [0x01, 0x40, 0x80, 0xff] {
            let mut damaged = module.clone();
            damaged[position] ^= flip;
            let _ = compile(&damaged, &options);
        }
    }
}

#[test]
fn imports_of_wasi_must_have_the_right_type() {
    let problem = |import: &str| match compile_text(&format!("(module {import})")).unwrap_err().kind() {
        ErrorKind::Import { problem, .. } => problem.clone(),
        other => panic!("{other}"),
    };
    let wrong = problem(r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32)))"#);
    let ImportProblem::Signature { expected, found } = wrong else {
        panic!("{wrong}")
    };
    assert_eq!(
        (expected.as_str(), found.as_str()),
        ("(i32) -> (i32)", "(i64) -> (i32)")
    );
    let unknown = problem(r#"(import "wasi_snapshot_preview1" "fd_frobnicate" (func))"#);
    assert_eq!(unknown, ImportProblem::UnknownWasiFunction);
    assert_eq!(
        problem(r#"(import "wasmetal" "memory_grow" (func))"#),
        ImportProblem::ReservedModule
    );
}

#[test]
fn errors_carry_the_offset() {
    let module = parse_text("(module (func (result i32) (i64.const 1)))").unwrap();
    let ErrorKind::Invalid { offset, .. } = kind_of_error(&module) else {
        panic!("not invalid")
    };
    assert!(offset > 8 && offset <= module.len() as u64);
}

#[test]
fn hundreds_of_parameters_and_results_compile_in_every_convention() {
    let types = "i32 i64 f32 f64 ".repeat(100);
    let params: String = format!("(param {types})");
    let gets: String = (0..400).map(|index| format!("(local.get {index})")).collect();
    let text = format!(
        r#"(module (import "env" "f" (func $f {params} (result {types})))
            (table 1 funcref) (elem (i32.const 0) $f)
            (func $g (export "g") {params} (result {types}) {gets} call $f)
            (func (export "h") {params} (result {types}) {gets} return_call $g))"#
    );
    let options = CompileOptions {
        call_trampolines: true,
        ..CompileOptions::default()
    };
    for target in ["x86_64-unknown-none-elf", "aarch64-unknown-none-elf"] {
        let options = CompileOptions {
            target: target.parse().unwrap(),
            ..options.clone()
        };
        compile(&parse_text(&text).unwrap(), &options).unwrap();
    }
}
