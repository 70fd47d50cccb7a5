//! Integer arithmetic, comparisons and constants, wide arithmetic included.
//!
//! Division by zero and overflow trap inside the division's own code: on x86-64 Cranelift tests before dividing.

use super::function::FunctionTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::I32Const { value } => {
            let value = translator.builder.ins().iconst(types::I32, i64::from(value as u32));
            translator.stack.push(value);
            true
        }
        Operator::I64Const { value } => {
            let value = translator.builder.ins().iconst(types::I64, value);
            translator.stack.push(value);
            true
        }
        _ => {
            translate_binary(translator, operator)
                || translate_comparison(translator, operator)
                || translate_unary(translator, operator)
                || translate_wide(translator, operator)
        }
    }
}

fn translate_binary(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    type Instruction = fn(&mut FunctionBuilder<'_>, Value, Value) -> Value;
    let instruction: Instruction = match operator {
        Operator::I32Add | Operator::I64Add => |builder, a, b| builder.ins().iadd(a, b),
        Operator::I32Sub | Operator::I64Sub => |builder, a, b| builder.ins().isub(a, b),
        Operator::I32Mul | Operator::I64Mul => |builder, a, b| builder.ins().imul(a, b),
        Operator::I32DivS | Operator::I64DivS => |builder, a, b| builder.ins().sdiv(a, b),
        Operator::I32DivU | Operator::I64DivU => |builder, a, b| builder.ins().udiv(a, b),
        Operator::I32RemS | Operator::I64RemS => |builder, a, b| builder.ins().srem(a, b),
        Operator::I32RemU | Operator::I64RemU => |builder, a, b| builder.ins().urem(a, b),
        Operator::I32And | Operator::I64And => |builder, a, b| builder.ins().band(a, b),
        Operator::I32Or | Operator::I64Or => |builder, a, b| builder.ins().bor(a, b),
        Operator::I32Xor | Operator::I64Xor => |builder, a, b| builder.ins().bxor(a, b),
        Operator::I32Shl | Operator::I64Shl => |builder, a, b| builder.ins().ishl(a, b),
        Operator::I32ShrS | Operator::I64ShrS => |builder, a, b| builder.ins().sshr(a, b),
        Operator::I32ShrU | Operator::I64ShrU => |builder, a, b| builder.ins().ushr(a, b),
        Operator::I32Rotl | Operator::I64Rotl => |builder, a, b| builder.ins().rotl(a, b),
        Operator::I32Rotr | Operator::I64Rotr => |builder, a, b| builder.ins().rotr(a, b),
        _ => return false,
    };
    let (a, b) = translator.stack.pop2();
    let value = instruction(&mut translator.builder, a, b);
    translator.stack.push(value);
    true
}

fn translate_comparison(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    let condition = match operator {
        Operator::I32Eqz | Operator::I64Eqz => {
            translator.push_is_zero();
            return true;
        }
        Operator::I32Eq | Operator::I64Eq => IntCC::Equal,
        Operator::I32Ne | Operator::I64Ne => IntCC::NotEqual,
        Operator::I32LtS | Operator::I64LtS => IntCC::SignedLessThan,
        Operator::I32LtU | Operator::I64LtU => IntCC::UnsignedLessThan,
        Operator::I32GtS | Operator::I64GtS => IntCC::SignedGreaterThan,
        Operator::I32GtU | Operator::I64GtU => IntCC::UnsignedGreaterThan,
        Operator::I32LeS | Operator::I64LeS => IntCC::SignedLessThanOrEqual,
        Operator::I32LeU | Operator::I64LeU => IntCC::UnsignedLessThanOrEqual,
        Operator::I32GeS | Operator::I64GeS => IntCC::SignedGreaterThanOrEqual,
        Operator::I32GeU | Operator::I64GeU => IntCC::UnsignedGreaterThanOrEqual,
        _ => return false,
    };
    let (a, b) = translator.stack.pop2();
    let value = translator.builder.ins().icmp(condition, a, b);
    translator.push_bool(value);
    true
}

fn translate_unary(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    type Instruction = fn(&mut FunctionBuilder<'_>, Value) -> Value;
    let instruction: Instruction = match operator {
        Operator::I32Clz | Operator::I64Clz => |builder, a| builder.ins().clz(a),
        Operator::I32Ctz | Operator::I64Ctz => |builder, a| builder.ins().ctz(a),
        Operator::I32Popcnt | Operator::I64Popcnt => |builder, a| builder.ins().popcnt(a),
        Operator::I32Extend8S => |builder, a| extend_low(builder, a, types::I8),
        Operator::I64Extend8S => |builder, a| extend_low(builder, a, types::I8),
        Operator::I32Extend16S => |builder, a| extend_low(builder, a, types::I16),
        Operator::I64Extend16S => |builder, a| extend_low(builder, a, types::I16),
        Operator::I64Extend32S => |builder, a| extend_low(builder, a, types::I32),
        _ => return false,
    };
    let value = translator.stack.pop();
    let value = instruction(&mut translator.builder, value);
    translator.stack.push(value);
    true
}

/// Sign-extends the low part of a value to its whole width.
fn extend_low(builder: &mut FunctionBuilder<'_>, value: Value, low: Type) -> Value {
    let whole = builder.func.dfg.value_type(value);
    let part = builder.ins().ireduce(low, value);
    builder.ins().sextend(whole, part)
}

fn translate_wide(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::I64Add128 | Operator::I64Sub128 => {
            let (right_low, right_high) = translator.stack.pop2();
            let (left_low, left_high) = translator.stack.pop2();
            let left = translator.builder.ins().iconcat(left_low, left_high);
            let right = translator.builder.ins().iconcat(right_low, right_high);
            let value = match operator {
                Operator::I64Add128 => translator.builder.ins().iadd(left, right),
                _ => translator.builder.ins().isub(left, right),
            };
            translator.push_halves(value);
        }
        Operator::I64MulWideS | Operator::I64MulWideU => {
            let (left, right) = translator.stack.pop2();
            let low = translator.builder.ins().imul(left, right);
            let high = match operator {
                Operator::I64MulWideS => translator.builder.ins().smulhi(left, right),
                _ => translator.builder.ins().umulhi(left, right),
            };
            translator.stack.push_all(&[low, high]);
        }
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    fn push_halves(&mut self, value: Value) {
        let (low, high) = self.builder.ins().isplit(value);
        self.stack.push_all(&[low, high]);
    }
}
