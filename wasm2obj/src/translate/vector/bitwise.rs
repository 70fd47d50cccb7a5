//! Instructions on a vector as 128 bits, and those that reduce a vector to one integer.

use super::Lanes;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::V128Not => {
            let operand = lanes.pop(I8X16);
            let result = lanes.ins().bnot(operand);
            lanes.push(result);
        }
        Operator::V128And => binary(lanes, |lanes, a, b| lanes.ins().band(a, b)),
        Operator::V128AndNot => binary(lanes, |lanes, a, b| lanes.ins().band_not(a, b)),
        Operator::V128Or => binary(lanes, |lanes, a, b| lanes.ins().bor(a, b)),
        Operator::V128Xor => binary(lanes, |lanes, a, b| lanes.ins().bxor(a, b)),
        Operator::V128Bitselect
        | Operator::I8x16RelaxedLaneselect
        | Operator::I16x8RelaxedLaneselect
        | Operator::I32x4RelaxedLaneselect
        | Operator::I64x2RelaxedLaneselect => {
            let (if_set, if_clear, mask) = lanes.pop3(I8X16);
            let result = lanes.ins().bitselect(mask, if_set, if_clear);
            lanes.push(result);
        }
        Operator::V128AnyTrue => {
            let operand = lanes.pop(I8X16);
            let any = lanes.ins().vany_true(operand);
            let result = lanes.ins().uextend(I32, any);
            lanes.push_scalar(result);
        }
        Operator::I8x16AllTrue => all_true(lanes, I8X16),
        Operator::I16x8AllTrue => all_true(lanes, I16X8),
        Operator::I32x4AllTrue => all_true(lanes, I32X4),
        Operator::I64x2AllTrue => all_true(lanes, I64X2),
        Operator::I8x16Bitmask => bitmask(lanes, I8X16),
        Operator::I16x8Bitmask => bitmask(lanes, I16X8),
        Operator::I32x4Bitmask => bitmask(lanes, I32X4),
        Operator::I64x2Bitmask => bitmask(lanes, I64X2),
        _ => return false,
    }
    true
}

fn binary<'t, 'a, 'f>(lanes: &mut Lanes<'t, 'a, 'f>, build: fn(&mut Lanes<'t, 'a, 'f>, Value, Value) -> Value) {
    let (a, b) = lanes.pop2(I8X16);
    let result = build(lanes, a, b);
    lanes.push(result);
}

fn all_true(lanes: &mut Lanes<'_, '_, '_>, shape: Type) {
    let operand = lanes.pop(shape);
    let all = lanes.ins().vall_true(operand);
    let result = lanes.ins().uextend(I32, all);
    lanes.push_scalar(result);
}

fn bitmask(lanes: &mut Lanes<'_, '_, '_>, shape: Type) {
    let operand = lanes.pop(shape);
    let result = lanes.ins().vhigh_bits(I32, operand);
    lanes.push_scalar(result);
}
