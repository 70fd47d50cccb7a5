//! Faults become traps, whatever code hits them, and leave the process and the store whole.

use host::interface::Import;
use host::{Error, Extern, InstanceId, Store, StoreOptions, Trap};

fn instantiate(text: &str) -> (Store, InstanceId) {
    let mut store = Store::new(StoreOptions::default()).unwrap();
    let wasm = wat::parse_str(text).unwrap();
    let instance = store.instantiate(&wasm, &|_, _| None).unwrap();
    (store, instance)
}

fn trap(outcome: Result<Vec<u128>, Error>) -> Trap {
    match outcome {
        Err(Error::Trap(trap)) => trap,
        other => panic!("no trap: {other:?}"),
    }
}

#[test]
fn endless_recursion_exhausts_the_stack_again_and_again() {
    let (mut store, instance) = instantiate(
        r#"(module (func $deep (export "deep") (param i32) (result i32)
             (if (result i32) (local.get 0)
               (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
               (else (i32.const 0)))))"#,
    );
    for _ in 0..3 {
        let trap = trap(store.call(instance, "deep", &[u128::from(u32::MAX)]));
        assert_eq!(trap.code.message(), "call stack exhausted");
        assert!(
            trap.frames.len() > 10 && trap.frames[0].name == "deep",
            "{}",
            trap.report()
        );
        assert_eq!(store.call(instance, "deep", &[100]).unwrap(), [100]);
    }
}

#[test]
fn a_host_function_that_runs_out_of_stack_is_exhaustion_too() {
    #[unsafe(naked)]
    extern "C" fn push_for_ever() {
        std::arch::naked_asm!("2:", "push 0", "jmp 2b")
    }
    let mut store = Store::new(StoreOptions::default()).unwrap();
    let wasm = wat::parse_str(r#"(module (import "m" "f" (func $f)) (func (export "g") (call $f)))"#).unwrap();
    let host_function = Extern::HostFunction(push_for_ever as *const () as u64);
    let instance = store.instantiate(&wasm, &|_, _| Some(host_function)).unwrap();
    assert_eq!(
        trap(store.call(instance, "g", &[])).code.message(),
        "call stack exhausted"
    );
    assert_eq!(
        trap(store.call(instance, "g", &[])).code.message(),
        "call stack exhausted"
    );
}

#[test]
fn accesses_trap_exactly_at_the_end_of_memory() {
    let (mut store, instance) = instantiate(
        r#"(module (memory 1 2)
             (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
             (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#,
    );
    assert_eq!(store.call(instance, "load", &[65535]).unwrap(), [0]);
    let trap_at_end = trap(store.call(instance, "load", &[65536]));
    assert_eq!(
        trap_at_end.report(),
        "error: wasm trap: out of bounds memory access\n\
         memory fault at address 0x10000 in linear memory of size 0x10000\n\
         wasm backtrace:\n    0: 0x37 - load (function 0)\n"
    );
    assert_eq!(store.call(instance, "grow", &[]).unwrap(), [1]);
    assert_eq!(store.call(instance, "load", &[65536]).unwrap(), [0]);
    assert_eq!(
        trap(store.call(instance, "load", &[131_072])).code.message(),
        "out of bounds memory access"
    );
}

#[test]
fn the_backtrace_names_callers_outwards() {
    let (mut store, instance) = instantiate(
        r#"(module (table 1 funcref)
             (func $inner (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
             (func $outer (export "outer") (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1))))"#,
    );
    let trap = trap(store.call(instance, "outer", &[0]));
    let names: Vec<&str> = trap.frames.iter().map(|frame| frame.name.as_str()).collect();
    assert_eq!(
        (trap.code.message(), names),
        ("integer divide by zero", vec!["inner", "outer"])
    );
}

/// Small functions in one another, one of them with a handler around its call.
const NESTED: &str = r#"(module (memory 1) (tag $tag (param i32))
     (func $load (param i32) (result i32) (i32.load (local.get 0)))
     (func $middle (param i32) (result i32) (i32.add (call $load (local.get 0)) (call $load (i32.const -1))))
     (func $throw (param i32) (throw $tag (local.get 0)))
     (func $maybe (param i32) (if (local.get 0) (then (call $throw (local.get 0)))))
     (func (export "catch") (param i32) (result i32)
       (block $caught (result i32)
         (try_table (catch $tag $caught) (call $maybe (local.get 0)))
         (i32.const 7)))
     (func $outer (export "outer") (param i32) (result i32) (call $middle (local.get 0)))
     (func (export "uncaught") (param i32) (call $maybe (local.get 0))))"#;

#[test]
fn inlined_calls_are_frames_of_their_own() {
    let (mut store, instance) = instantiate(NESTED);
    let mut frames = |name, argument| {
        let trap = trap(store.call(instance, name, &[argument]));
        let frames = trap.frames.iter();
        let frames: Vec<String> = frames
            .map(|frame| format!("{} {}", frame.name, frame.wasm_offset))
            .collect();
        frames.join(", ")
    };
    assert_eq!(frames("outer", 0x10000), "load 77, middle 85, outer 135");
    assert_eq!(frames("outer", 0), "load 77, middle 89, outer 135");
    assert_eq!(frames("uncaught", 1), "throw 97, maybe 108, uncaught 142");
}

#[test]
fn exceptions_of_inlined_functions_are_caught_around_the_call() {
    let (mut store, instance) = instantiate(NESTED);
    assert_eq!(store.call(instance, "catch", &[0]).unwrap(), [7]);
    assert_eq!(store.call(instance, "catch", &[42]).unwrap(), [42]);
}

#[test]
fn instances_share_what_they_import() {
    let mut store = Store::new(StoreOptions::default()).unwrap();
    let wasm = wat::parse_str(
        r#"(module (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 5))
             (func (export "poke") (i32.store (i32.const 8) (i32.const 42))))"#,
    );
    let first = store.instantiate(&wasm.unwrap(), &|_, _| None).unwrap();
    let wasm = wat::parse_str(
        r#"(module (import "a" "m" (memory 1)) (import "a" "g" (global $g (mut i32))) (import "a" "poke" (func $poke))
             (func (export "run") (result i32) (call $poke) (global.set $g (i32.const 6)) (i32.load (i32.const 8))))"#,
    );
    let imports = |store: &Store, import: &Import| store.export(first, &import.name).map(Extern::Item);
    let second = store.instantiate(&wasm.unwrap(), &imports).unwrap();
    assert_eq!(store.call(second, "run", &[]).unwrap(), [42]);
    assert_eq!(store.global(first, "g").unwrap() as u32, 6);
}
