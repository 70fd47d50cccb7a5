//! Arguments and expected results of a script as the 16-byte values that compiled code takes and leaves.

use wasmparser::ValType;
use wast::core::{NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

const F32_CANONICAL_NAN: u32 = 0x7fc0_0000;
const F64_CANONICAL_NAN: u64 = 0x7ff8_0000_0000_0000;

/// Returns the value of an argument, or what kind of argument is not supported.
///
/// # Errors
/// The argument, in words.
pub fn argument(argument: &WastArg<'_>) -> Result<u128, String> {
    let WastArg::Core(core) = argument else {
        return Err(format!("argument {argument:?}"));
    };
    Ok(match core {
        WastArgCore::I32(value) => u128::from(*value as u32),
        WastArgCore::I64(value) => u128::from(*value as u64),
        WastArgCore::F32(value) => u128::from(value.bits),
        WastArgCore::F64(value) => u128::from(value.bits),
        WastArgCore::V128(value) => u128::from_le_bytes(value.to_le_bytes()),
        WastArgCore::RefNull(_) => 0,
        WastArgCore::RefExtern(number) => external_reference(*number),
        WastArgCore::RefHost(_) => return Err("argument ref.host".to_owned()),
    })
}

/// Numbers of external references start at 0, which is null in compiled code.
fn external_reference(number: u32) -> u128 {
    u128::from(number) + 1
}

/// Returns a value without the bytes that do not belong to its type.
pub fn truncate(value: u128, value_type: ValType) -> u128 {
    match value_type {
        ValType::I32 | ValType::F32 => u128::from(value as u32),
        ValType::I64 | ValType::F64 | ValType::Ref(_) => u128::from(value as u64),
        ValType::V128 => value,
    }
}

/// Tells whether a result is what the script expects.
pub fn is_expected(value: u128, expected: &WastRet<'_>) -> bool {
    match expected {
        WastRet::Core(core) => is_expected_core(value, core),
        _ => false,
    }
}

fn is_expected_core(value: u128, expected: &WastRetCore<'_>) -> bool {
    match expected {
        WastRetCore::I32(expected) => value as u32 == *expected as u32,
        WastRetCore::I64(expected) => value as u64 == *expected as u64,
        WastRetCore::F32(expected) => is_expected_f32(value as u32, expected),
        WastRetCore::F64(expected) => is_expected_f64(value as u64, expected),
        WastRetCore::V128(expected) => is_expected_v128(value, expected),
        WastRetCore::RefNull(_) => value as u64 == 0,
        WastRetCore::RefExtern(Some(number)) => value == external_reference(*number),
        WastRetCore::RefExtern(None) | WastRetCore::RefFunc(_) | WastRetCore::RefAny | WastRetCore::RefEq => value != 0,
        WastRetCore::RefArray | WastRetCore::RefStruct | WastRetCore::RefI31 | WastRetCore::RefI31Shared => value != 0,
        WastRetCore::RefHost(_) => false,
        WastRetCore::Either(choices) => choices.iter().any(|choice| is_expected_core(value, choice)),
    }
}

fn is_expected_f32(bits: u32, expected: &NanPattern<F32>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == F32_CANONICAL_NAN,
        NanPattern::ArithmeticNan => bits & F32_CANONICAL_NAN == F32_CANONICAL_NAN,
        NanPattern::Value(expected) => bits == expected.bits,
    }
}

fn is_expected_f64(bits: u64, expected: &NanPattern<F64>) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & (u64::MAX >> 1) == F64_CANONICAL_NAN,
        NanPattern::ArithmeticNan => bits & F64_CANONICAL_NAN == F64_CANONICAL_NAN,
        NanPattern::Value(expected) => bits == expected.bits,
    }
}

fn is_expected_v128(value: u128, expected: &V128Pattern) -> bool {
    let lane = |index: usize, bits: usize| value >> (index * bits);
    match expected {
        V128Pattern::I8x16(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, &wanted)| lane(index, 8) as i8 == wanted),
        V128Pattern::I16x8(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, &wanted)| lane(index, 16) as i16 == wanted),
        V128Pattern::I32x4(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, &wanted)| lane(index, 32) as i32 == wanted),
        V128Pattern::I64x2(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, &wanted)| lane(index, 64) as i64 == wanted),
        V128Pattern::F32x4(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, wanted)| is_expected_f32(lane(index, 32) as u32, wanted)),
        V128Pattern::F64x2(lanes) => lanes
            .iter()
            .enumerate()
            .all(|(index, wanted)| is_expected_f64(lane(index, 64) as u64, wanted)),
    }
}

/// Writes values for a message.
pub fn words(values: &[u128]) -> String {
    let words: Vec<String> = values.iter().map(|value| format!("{value:#x}")).collect();
    format!("({})", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_patterns_accept_either_sign_and_canonical_only_one_payload() {
        assert!(is_expected_f32(0xffc0_0000, &NanPattern::CanonicalNan));
        assert!(!is_expected_f32(0x7fc0_0001, &NanPattern::CanonicalNan));
        assert!(is_expected_f32(0x7fc0_0001, &NanPattern::ArithmeticNan));
        assert!(!is_expected_f64(0x7ff4_0000_0000_0000, &NanPattern::ArithmeticNan));
    }

    #[test]
    fn external_reference_zero_is_not_null() {
        let zero = argument(&WastArg::Core(WastArgCore::RefExtern(0))).unwrap();
        assert!(!is_expected(zero, &WastRet::Core(WastRetCore::RefNull(None))));
        assert!(is_expected(zero, &WastRet::Core(WastRetCore::RefExtern(Some(0)))));
    }

    #[test]
    fn lanes_are_little_endian() {
        let value = u128::from_le_bytes(std::array::from_fn(|index| index as u8));
        assert!(is_expected_v128(
            value,
            &V128Pattern::I8x16(std::array::from_fn(|index| index as i8))
        ));
        assert!(is_expected_v128(
            value,
            &V128Pattern::I64x2([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908])
        ));
    }
}
