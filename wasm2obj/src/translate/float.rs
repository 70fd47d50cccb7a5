//! Floating-point arithmetic, comparisons and constants.

use super::function::FunctionTranslator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::F32Const { value } => {
            let value = translator.builder.ins().f32const(Ieee32::with_bits(value.bits()));
            translator.stack.push(value);
            true
        }
        Operator::F64Const { value } => {
            let value = translator.builder.ins().f64const(Ieee64::with_bits(value.bits()));
            translator.stack.push(value);
            true
        }
        _ => {
            translate_binary(translator, operator)
                || translate_comparison(translator, operator)
                || translate_unary(translator, operator)
        }
    }
}

fn translate_binary(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    type Instruction = fn(&mut FunctionBuilder<'_>, Value, Value) -> Value;
    let instruction: Instruction = match operator {
        Operator::F32Add | Operator::F64Add => |builder, a, b| builder.ins().fadd(a, b),
        Operator::F32Sub | Operator::F64Sub => |builder, a, b| builder.ins().fsub(a, b),
        Operator::F32Mul | Operator::F64Mul => |builder, a, b| builder.ins().fmul(a, b),
        Operator::F32Div | Operator::F64Div => |builder, a, b| builder.ins().fdiv(a, b),
        Operator::F32Min | Operator::F64Min => |builder, a, b| builder.ins().fmin(a, b),
        Operator::F32Max | Operator::F64Max => |builder, a, b| builder.ins().fmax(a, b),
        Operator::F32Copysign | Operator::F64Copysign => |builder, a, b| builder.ins().fcopysign(a, b),
        _ => return false,
    };
    let (a, b) = translator.stack.pop2();
    let value = instruction(&mut translator.builder, a, b);
    translator.stack.push(value);
    true
}

fn translate_comparison(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    let condition = match operator {
        Operator::F32Eq | Operator::F64Eq => FloatCC::Equal,
        Operator::F32Ne | Operator::F64Ne => FloatCC::NotEqual,
        Operator::F32Lt | Operator::F64Lt => FloatCC::LessThan,
        Operator::F32Gt | Operator::F64Gt => FloatCC::GreaterThan,
        Operator::F32Le | Operator::F64Le => FloatCC::LessThanOrEqual,
        Operator::F32Ge | Operator::F64Ge => FloatCC::GreaterThanOrEqual,
        _ => return false,
    };
    let (a, b) = translator.stack.pop2();
    let value = translator.builder.ins().fcmp(condition, a, b);
    translator.push_bool(value);
    true
}

fn translate_unary(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    type Instruction = fn(&mut FunctionBuilder<'_>, Value) -> Value;
    let instruction: Instruction = match operator {
        Operator::F32Abs | Operator::F64Abs => |builder, a| builder.ins().fabs(a),
        Operator::F32Neg | Operator::F64Neg => |builder, a| builder.ins().fneg(a),
        Operator::F32Sqrt | Operator::F64Sqrt => |builder, a| builder.ins().sqrt(a),
        Operator::F32Ceil | Operator::F64Ceil => |builder, a| builder.ins().ceil(a),
        Operator::F32Floor | Operator::F64Floor => |builder, a| builder.ins().floor(a),
        Operator::F32Trunc | Operator::F64Trunc => |builder, a| builder.ins().trunc(a),
        Operator::F32Nearest | Operator::F64Nearest => |builder, a| builder.ins().nearest(a),
        _ => return false,
    };
    let value = translator.stack.pop();
    let value = instruction(&mut translator.builder, value);
    translator.stack.push(value);
    true
}
