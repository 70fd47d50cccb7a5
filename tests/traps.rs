//! Every kind of trap in the guest: its words, the functions and byte offsets of its backtrace, and status 134.
//!
//! The fixtures have one shape: `_start` calls `$caller`, which calls `$culprit`, which traps. The expected byte offset of the
//! trapping instruction is found in the module itself, by walking its operators, so nothing here depends on an encoder.

mod support;

use support::{Outcome, run};
use wasmparser::{Operator, Parser, Payload};

/// Checks a trap of `$culprit`; `is_culprit` finds the instruction.
#[track_caller]
fn check(name: &str, message: &str, is_culprit: impl Fn(&Operator<'_>) -> bool) {
    let outcome = run(&format!("trap/{name}"), &[]).expect_code(134);
    assert_eq!(outcome.stdout, "");
    let first_line = outcome.stderr.lines().next();
    assert_eq!(
        first_line,
        Some(format!("error: wasm trap: {message}").as_str()),
        "{}",
        outcome.stderr
    );
    let frames = frames(&outcome);
    assert!(frames.len() >= 3, "{}", outcome.stderr);
    assert_eq!(
        (frames[0].1.as_str(), frames[1].1.as_str(), frames[2].1.as_str()),
        ("culprit", "caller", "_start"),
        "{}",
        outcome.stderr
    );
    assert_eq!(frames[0].0, offset_of(name, is_culprit), "{}", outcome.stderr);
}

/// Returns offset and name of each line `N: 0xOFFSET - NAME (function INDEX)` of the backtrace.
fn frames(outcome: &Outcome) -> Vec<(u64, String)> {
    let parse = |line: &str| {
        let (offset, function) = line.split_once(": 0x")?.1.split_once(" - ")?;
        let (name, _index) = function.split_once(" (function ")?;
        Some((u64::from_str_radix(offset, 16).ok()?, name.to_owned()))
    };
    let lines = outcome.stderr.lines().skip_while(|line| *line != "wasm backtrace:");
    lines.skip(1).map_while(parse).collect()
}

/// Returns the offset of the first instruction of the module that `is_culprit` knows.
fn offset_of(name: &str, is_culprit: impl Fn(&Operator<'_>) -> bool) -> u64 {
    let wasm = fixtures::wat(&format!("trap/{name}"));
    for payload in Parser::new(0).parse_all(&wasm) {
        if let Payload::CodeSectionEntry(body) = payload.unwrap() {
            for item in body.get_operators_reader().unwrap().into_iter_with_offsets() {
                let (operator, offset) = item.unwrap();
                if is_culprit(&operator) {
                    return offset;
                }
            }
        }
    }
    panic!("{name}: no such instruction")
}

#[test]
fn unreachable() {
    check("unreachable", "wasm `unreachable` instruction executed", |operator| {
        matches!(operator, Operator::Unreachable)
    });
}

#[test]
fn load_past_the_end_of_memory() {
    check("memory_out_of_bounds", "out of bounds memory access", |operator| {
        matches!(operator, Operator::I32Load { .. })
    });
}

#[test]
fn store_at_the_largest_address() {
    check("memory_out_of_bounds_far", "out of bounds memory access", |operator| {
        matches!(operator, Operator::I64Store { .. })
    });
}

#[test]
fn bulk_operation_past_the_end_of_memory() {
    check("bulk_out_of_bounds", "out of bounds memory access", |operator| {
        matches!(operator, Operator::MemoryFill { .. })
    });
}

#[test]
fn division_by_zero() {
    check("integer_divide_by_zero", "integer divide by zero", |operator| {
        matches!(operator, Operator::I32DivS)
    });
}

#[test]
fn remainder_by_zero() {
    check("remainder_by_zero", "integer divide by zero", |operator| {
        matches!(operator, Operator::I64RemU)
    });
}

#[test]
fn overflow_of_a_division() {
    check("integer_overflow", "integer overflow", |operator| {
        matches!(operator, Operator::I32DivS)
    });
}

#[test]
fn conversion_of_nan() {
    check("conversion_of_nan", "invalid conversion to integer", |operator| {
        matches!(operator, Operator::I32TruncF64S)
    });
}

#[test]
fn conversion_of_a_large_float() {
    check("conversion_overflow", "integer overflow", |operator| {
        matches!(operator, Operator::I32TruncF64S)
    });
}

#[test]
fn indirect_call_to_null() {
    check("indirect_call_to_null", "uninitialized element", |operator| {
        matches!(operator, Operator::CallIndirect { .. })
    });
}

#[test]
fn indirect_call_past_the_end_of_the_table() {
    let message = "undefined element: out of bounds table access";
    check("indirect_call_out_of_bounds", message, |operator| {
        matches!(operator, Operator::CallIndirect { .. })
    });
}

#[test]
fn indirect_call_of_another_type() {
    check(
        "indirect_call_type_mismatch",
        "indirect call type mismatch",
        |operator| matches!(operator, Operator::CallIndirect { .. }),
    );
}

#[test]
fn table_access_past_its_end() {
    let message = "undefined element: out of bounds table access";
    check("table_out_of_bounds", message, |operator| {
        matches!(operator, Operator::TableSet { .. })
    });
}

#[test]
fn endless_recursion_exhausts_the_stack() {
    let outcome = run("trap/stack_exhaustion", &[]).expect_code(134);
    assert!(
        outcome
            .stderr
            .starts_with("error: wasm trap: call stack exhausted\nwasm backtrace:\n"),
        "{}",
        outcome.stderr
    );
    assert_eq!(frames(&outcome)[0].1, "culprit");
}
