//! Floating-point arithmetic lane by lane.

use super::Lanes;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    if let Some((opcode, shape)) = unary(operator) {
        let operand = lanes.pop(shape);
        let result = lanes.unary(opcode, operand);
        lanes.push(result);
        return true;
    }
    if let Some((opcode, shape)) = binary(operator) {
        let (a, b) = lanes.pop2(shape);
        let result = lanes.binary(opcode, a, b);
        lanes.push(result);
        return true;
    }
    match operator {
        Operator::F32x4PMin => pseudo_minimum(lanes, F32X4),
        Operator::F64x2PMin => pseudo_minimum(lanes, F64X2),
        Operator::F32x4PMax => pseudo_maximum(lanes, F32X4),
        Operator::F64x2PMax => pseudo_maximum(lanes, F64X2),
        Operator::F32x4RelaxedMadd => multiply_add(lanes, F32X4, false),
        Operator::F64x2RelaxedMadd => multiply_add(lanes, F64X2, false),
        Operator::F32x4RelaxedNmadd => multiply_add(lanes, F32X4, true),
        Operator::F64x2RelaxedNmadd => multiply_add(lanes, F64X2, true),
        _ => return false,
    }
    true
}

fn unary(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::F32x4Ceil => (Opcode::Ceil, F32X4),
        Operator::F32x4Floor => (Opcode::Floor, F32X4),
        Operator::F32x4Trunc => (Opcode::Trunc, F32X4),
        Operator::F32x4Nearest => (Opcode::Nearest, F32X4),
        Operator::F32x4Abs => (Opcode::Fabs, F32X4),
        Operator::F32x4Neg => (Opcode::Fneg, F32X4),
        Operator::F32x4Sqrt => (Opcode::Sqrt, F32X4),
        Operator::F64x2Ceil => (Opcode::Ceil, F64X2),
        Operator::F64x2Floor => (Opcode::Floor, F64X2),
        Operator::F64x2Trunc => (Opcode::Trunc, F64X2),
        Operator::F64x2Nearest => (Opcode::Nearest, F64X2),
        Operator::F64x2Abs => (Opcode::Fabs, F64X2),
        Operator::F64x2Neg => (Opcode::Fneg, F64X2),
        Operator::F64x2Sqrt => (Opcode::Sqrt, F64X2),
        _ => return None,
    })
}

fn binary(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::F32x4Add => (Opcode::Fadd, F32X4),
        Operator::F32x4Sub => (Opcode::Fsub, F32X4),
        Operator::F32x4Mul => (Opcode::Fmul, F32X4),
        Operator::F32x4Div => (Opcode::Fdiv, F32X4),
        Operator::F32x4Min | Operator::F32x4RelaxedMin => (Opcode::Fmin, F32X4),
        Operator::F32x4Max | Operator::F32x4RelaxedMax => (Opcode::Fmax, F32X4),
        Operator::F64x2Add => (Opcode::Fadd, F64X2),
        Operator::F64x2Sub => (Opcode::Fsub, F64X2),
        Operator::F64x2Mul => (Opcode::Fmul, F64X2),
        Operator::F64x2Div => (Opcode::Fdiv, F64X2),
        Operator::F64x2Min | Operator::F64x2RelaxedMin => (Opcode::Fmin, F64X2),
        Operator::F64x2Max | Operator::F64x2RelaxedMax => (Opcode::Fmax, F64X2),
        _ => return None,
    })
}

/// The second operand where it is less than the first. The form is the one that x86-64 has an instruction for.
fn pseudo_minimum(lanes: &mut Lanes<'_, '_, '_>, shape: Type) {
    let (a, b) = lanes.pop2(shape);
    let less = lanes.ins().fcmp(FloatCC::LessThan, b, a);
    let less = lanes.cast(less, shape);
    let result = lanes.ins().bitselect(less, b, a);
    lanes.push(result);
}

/// The second operand where it is greater than the first. The form is the one that x86-64 has an instruction for.
fn pseudo_maximum(lanes: &mut Lanes<'_, '_, '_>, shape: Type) {
    let (a, b) = lanes.pop2(shape);
    let less = lanes.ins().fcmp(FloatCC::LessThan, a, b);
    let less = lanes.cast(less, shape);
    let result = lanes.ins().bitselect(less, b, a);
    lanes.push(result);
}

/// `±(a * b) + c`, rounded once if the target can.
fn multiply_add(lanes: &mut Lanes<'_, '_, '_>, shape: Type, negate_product: bool) {
    let (mut a, b, c) = lanes.pop3(shape);
    if negate_product {
        a = lanes.ins().fneg(a);
    }
    let result = if lanes.translator.environment.has_fused_multiply_add {
        lanes.ins().fma(a, b, c)
    } else {
        let product = lanes.ins().fmul(a, b);
        lanes.ins().fadd(product, c)
    };
    lanes.push(result);
}
