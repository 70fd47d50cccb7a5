//! Conversions between number types.

use super::function::FunctionTranslator;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    type Conversion = fn(&mut FunctionBuilder<'_>, Type, Value) -> Value;
    use types::{F32, F64, I32, I64};
    let (conversion, result): (Conversion, Type) = match operator {
        Operator::I32WrapI64 => (|builder, to, value| builder.ins().ireduce(to, value), I32),
        Operator::I64ExtendI32S => (|builder, to, value| builder.ins().sextend(to, value), I64),
        Operator::I64ExtendI32U => (|builder, to, value| builder.ins().uextend(to, value), I64),
        Operator::I32TruncF32S | Operator::I32TruncF64S => (trunc_signed, I32),
        Operator::I32TruncF32U | Operator::I32TruncF64U => (trunc_unsigned, I32),
        Operator::I64TruncF32S | Operator::I64TruncF64S => (trunc_signed, I64),
        Operator::I64TruncF32U | Operator::I64TruncF64U => (trunc_unsigned, I64),
        Operator::I32TruncSatF32S | Operator::I32TruncSatF64S => (saturate_signed, I32),
        Operator::I32TruncSatF32U | Operator::I32TruncSatF64U => (saturate_unsigned, I32),
        Operator::I64TruncSatF32S | Operator::I64TruncSatF64S => (saturate_signed, I64),
        Operator::I64TruncSatF32U | Operator::I64TruncSatF64U => (saturate_unsigned, I64),
        Operator::F32ConvertI32S | Operator::F32ConvertI64S => (convert_signed, F32),
        Operator::F32ConvertI32U | Operator::F32ConvertI64U => (convert_unsigned, F32),
        Operator::F64ConvertI32S | Operator::F64ConvertI64S => (convert_signed, F64),
        Operator::F64ConvertI32U | Operator::F64ConvertI64U => (convert_unsigned, F64),
        Operator::F32DemoteF64 => (|builder, to, value| builder.ins().fdemote(to, value), F32),
        Operator::F64PromoteF32 => (|builder, to, value| builder.ins().fpromote(to, value), F64),
        Operator::I32ReinterpretF32 => (reinterpret, I32),
        Operator::I64ReinterpretF64 => (reinterpret, I64),
        Operator::F32ReinterpretI32 => (reinterpret, F32),
        Operator::F64ReinterpretI64 => (reinterpret, F64),
        _ => return false,
    };
    let value = translator.stack.pop();
    let value = conversion(&mut translator.builder, result, value);
    translator.stack.push(value);
    true
}

fn trunc_signed(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_to_sint(to, value)
}

fn trunc_unsigned(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_to_uint(to, value)
}

fn saturate_signed(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_to_sint_sat(to, value)
}

fn saturate_unsigned(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_to_uint_sat(to, value)
}

fn convert_signed(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_from_sint(to, value)
}

fn convert_unsigned(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder.ins().fcvt_from_uint(to, value)
}

fn reinterpret(builder: &mut FunctionBuilder<'_>, to: Type, value: Value) -> Value {
    builder
        .ins()
        .bitcast(to, MemFlagsData::new().with_endianness(Endianness::Little), value)
}
