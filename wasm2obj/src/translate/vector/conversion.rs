//! Conversions between shapes: widening, narrowing, and between integers and floats.

use super::Lanes;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    if let Some((opcode, shape)) = widening(operator) {
        let operand = lanes.pop(shape);
        let result = lanes.unary(opcode, operand);
        lanes.push(result);
        return true;
    }
    if let Some((opcode, shape)) = narrowing(operator) {
        let (a, b) = lanes.pop2(shape);
        let result = lanes.binary(opcode, a, b);
        lanes.push(result);
        return true;
    }
    translate_float_conversion(lanes, operator)
}

fn widening(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I16x8ExtendLowI8x16S => (Opcode::SwidenLow, I8X16),
        Operator::I16x8ExtendHighI8x16S => (Opcode::SwidenHigh, I8X16),
        Operator::I16x8ExtendLowI8x16U => (Opcode::UwidenLow, I8X16),
        Operator::I16x8ExtendHighI8x16U => (Opcode::UwidenHigh, I8X16),
        Operator::I32x4ExtendLowI16x8S => (Opcode::SwidenLow, I16X8),
        Operator::I32x4ExtendHighI16x8S => (Opcode::SwidenHigh, I16X8),
        Operator::I32x4ExtendLowI16x8U => (Opcode::UwidenLow, I16X8),
        Operator::I32x4ExtendHighI16x8U => (Opcode::UwidenHigh, I16X8),
        Operator::I64x2ExtendLowI32x4S => (Opcode::SwidenLow, I32X4),
        Operator::I64x2ExtendHighI32x4S => (Opcode::SwidenHigh, I32X4),
        Operator::I64x2ExtendLowI32x4U => (Opcode::UwidenLow, I32X4),
        Operator::I64x2ExtendHighI32x4U => (Opcode::UwidenHigh, I32X4),
        _ => return None,
    })
}

fn narrowing(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I8x16NarrowI16x8S => (Opcode::Snarrow, I16X8),
        Operator::I8x16NarrowI16x8U => (Opcode::Unarrow, I16X8),
        Operator::I16x8NarrowI32x4S => (Opcode::Snarrow, I32X4),
        Operator::I16x8NarrowI32x4U => (Opcode::Unarrow, I32X4),
        _ => return None,
    })
}

fn translate_float_conversion(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    let result = match operator {
        Operator::F32x4ConvertI32x4S => {
            let operand = lanes.pop(I32X4);
            lanes.ins().fcvt_from_sint(F32X4, operand)
        }
        Operator::F32x4ConvertI32x4U => {
            let operand = lanes.pop(I32X4);
            lanes.ins().fcvt_from_uint(F32X4, operand)
        }
        Operator::F64x2ConvertLowI32x4S => {
            let operand = lanes.pop(I32X4);
            let wide = lanes.ins().swiden_low(operand);
            lanes.ins().fcvt_from_sint(F64X2, wide)
        }
        Operator::F64x2ConvertLowI32x4U => {
            let operand = lanes.pop(I32X4);
            let wide = lanes.ins().uwiden_low(operand);
            lanes.ins().fcvt_from_uint(F64X2, wide)
        }
        Operator::F64x2PromoteLowF32x4 => {
            let operand = lanes.pop(F32X4);
            lanes.ins().fvpromote_low(operand)
        }
        Operator::F32x4DemoteF64x2Zero => {
            let operand = lanes.pop(F64X2);
            lanes.ins().fvdemote(operand)
        }
        Operator::I32x4TruncSatF32x4S | Operator::I32x4RelaxedTruncF32x4S => {
            let operand = lanes.pop(F32X4);
            lanes.ins().fcvt_to_sint_sat(I32X4, operand)
        }
        Operator::I32x4TruncSatF32x4U | Operator::I32x4RelaxedTruncF32x4U => {
            let operand = lanes.pop(F32X4);
            lanes.ins().fcvt_to_uint_sat(I32X4, operand)
        }
        // The forms that both back ends have instructions for: convert to 64 bits, then narrow against zeros.
        Operator::I32x4TruncSatF64x2SZero | Operator::I32x4RelaxedTruncF64x2SZero => {
            let operand = lanes.pop(F64X2);
            let wide = lanes.ins().fcvt_to_sint_sat(I64X2, operand);
            let zero = lanes.constant(I64X2, [0; 16]);
            lanes.ins().snarrow(wide, zero)
        }
        Operator::I32x4TruncSatF64x2UZero | Operator::I32x4RelaxedTruncF64x2UZero => {
            let operand = lanes.pop(F64X2);
            let wide = lanes.ins().fcvt_to_uint_sat(I64X2, operand);
            let zero = lanes.constant(I64X2, [0; 16]);
            lanes.ins().uunarrow(wide, zero)
        }
        _ => return false,
    };
    lanes.push(result);
    true
}
