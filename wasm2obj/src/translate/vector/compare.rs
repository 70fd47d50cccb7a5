//! Comparisons lane by lane: all bits of a lane are set where the condition holds.

use super::Lanes;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    let mask = if let Some((condition, shape)) = narrow_integers(operator).or_else(|| wide_integers(operator)) {
        let (a, b) = lanes.pop2(shape);
        lanes.ins().icmp(condition, a, b)
    } else if let Some((condition, shape)) = floats(operator) {
        let (a, b) = lanes.pop2(shape);
        lanes.ins().fcmp(condition, a, b)
    } else {
        return false;
    };
    lanes.push(mask);
    true
}

fn narrow_integers(operator: &Operator<'_>) -> Option<(IntCC, Type)> {
    Some(match operator {
        Operator::I8x16Eq => (IntCC::Equal, I8X16),
        Operator::I8x16Ne => (IntCC::NotEqual, I8X16),
        Operator::I8x16LtS => (IntCC::SignedLessThan, I8X16),
        Operator::I8x16LtU => (IntCC::UnsignedLessThan, I8X16),
        Operator::I8x16GtS => (IntCC::SignedGreaterThan, I8X16),
        Operator::I8x16GtU => (IntCC::UnsignedGreaterThan, I8X16),
        Operator::I8x16LeS => (IntCC::SignedLessThanOrEqual, I8X16),
        Operator::I8x16LeU => (IntCC::UnsignedLessThanOrEqual, I8X16),
        Operator::I8x16GeS => (IntCC::SignedGreaterThanOrEqual, I8X16),
        Operator::I8x16GeU => (IntCC::UnsignedGreaterThanOrEqual, I8X16),
        Operator::I16x8Eq => (IntCC::Equal, I16X8),
        Operator::I16x8Ne => (IntCC::NotEqual, I16X8),
        Operator::I16x8LtS => (IntCC::SignedLessThan, I16X8),
        Operator::I16x8LtU => (IntCC::UnsignedLessThan, I16X8),
        Operator::I16x8GtS => (IntCC::SignedGreaterThan, I16X8),
        Operator::I16x8GtU => (IntCC::UnsignedGreaterThan, I16X8),
        Operator::I16x8LeS => (IntCC::SignedLessThanOrEqual, I16X8),
        Operator::I16x8LeU => (IntCC::UnsignedLessThanOrEqual, I16X8),
        Operator::I16x8GeS => (IntCC::SignedGreaterThanOrEqual, I16X8),
        Operator::I16x8GeU => (IntCC::UnsignedGreaterThanOrEqual, I16X8),
        _ => return None,
    })
}

fn wide_integers(operator: &Operator<'_>) -> Option<(IntCC, Type)> {
    Some(match operator {
        Operator::I32x4Eq => (IntCC::Equal, I32X4),
        Operator::I32x4Ne => (IntCC::NotEqual, I32X4),
        Operator::I32x4LtS => (IntCC::SignedLessThan, I32X4),
        Operator::I32x4LtU => (IntCC::UnsignedLessThan, I32X4),
        Operator::I32x4GtS => (IntCC::SignedGreaterThan, I32X4),
        Operator::I32x4GtU => (IntCC::UnsignedGreaterThan, I32X4),
        Operator::I32x4LeS => (IntCC::SignedLessThanOrEqual, I32X4),
        Operator::I32x4LeU => (IntCC::UnsignedLessThanOrEqual, I32X4),
        Operator::I32x4GeS => (IntCC::SignedGreaterThanOrEqual, I32X4),
        Operator::I32x4GeU => (IntCC::UnsignedGreaterThanOrEqual, I32X4),
        Operator::I64x2Eq => (IntCC::Equal, I64X2),
        Operator::I64x2Ne => (IntCC::NotEqual, I64X2),
        Operator::I64x2LtS => (IntCC::SignedLessThan, I64X2),
        Operator::I64x2GtS => (IntCC::SignedGreaterThan, I64X2),
        Operator::I64x2LeS => (IntCC::SignedLessThanOrEqual, I64X2),
        Operator::I64x2GeS => (IntCC::SignedGreaterThanOrEqual, I64X2),
        _ => return None,
    })
}

fn floats(operator: &Operator<'_>) -> Option<(FloatCC, Type)> {
    Some(match operator {
        Operator::F32x4Eq => (FloatCC::Equal, F32X4),
        Operator::F32x4Ne => (FloatCC::NotEqual, F32X4),
        Operator::F32x4Lt => (FloatCC::LessThan, F32X4),
        Operator::F32x4Gt => (FloatCC::GreaterThan, F32X4),
        Operator::F32x4Le => (FloatCC::LessThanOrEqual, F32X4),
        Operator::F32x4Ge => (FloatCC::GreaterThanOrEqual, F32X4),
        Operator::F64x2Eq => (FloatCC::Equal, F64X2),
        Operator::F64x2Ne => (FloatCC::NotEqual, F64X2),
        Operator::F64x2Lt => (FloatCC::LessThan, F64X2),
        Operator::F64x2Gt => (FloatCC::GreaterThan, F64X2),
        Operator::F64x2Le => (FloatCC::LessThanOrEqual, F64X2),
        Operator::F64x2Ge => (FloatCC::GreaterThanOrEqual, F64X2),
        _ => return None,
    })
}
