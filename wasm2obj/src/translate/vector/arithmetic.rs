//! Integer arithmetic lane by lane, and the instructions that multiply or add into wider lanes.

use super::Lanes;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    if let Some((opcode, shape)) = narrow_binary(operator).or_else(|| wide_binary(operator)) {
        let (a, b) = lanes.pop2(shape);
        let result = lanes.binary(opcode, a, b);
        lanes.push(result);
    } else if let Some((opcode, shape)) = unary(operator) {
        let operand = lanes.pop(shape);
        let result = lanes.unary(opcode, operand);
        lanes.push(result);
    } else if let Some((opcode, shape)) = shift(operator) {
        // Both Wasm and Cranelift take the count modulo the lane's width.
        let count = lanes.pop_scalar();
        let operand = lanes.pop(shape);
        let result = lanes.binary(opcode, operand, count);
        lanes.push(result);
    } else if let Some((widen, shape)) = extended_multiplication(operator) {
        let (a, b) = lanes.pop2(shape);
        let (a, b) = (lanes.unary(widen, a), lanes.unary(widen, b));
        let result = lanes.ins().imul(a, b);
        lanes.push(result);
    } else if let Some((widening, shape)) = pairwise_addition(operator) {
        let operand = lanes.pop(shape);
        let (low, high) = lanes.widen(widening, operand);
        let result = lanes.ins().iadd_pairwise(low, high);
        lanes.push(result);
    } else {
        return dot_product(lanes, operator);
    }
    true
}

fn narrow_binary(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I8x16Add => (Opcode::Iadd, I8X16),
        Operator::I8x16AddSatS => (Opcode::SaddSat, I8X16),
        Operator::I8x16AddSatU => (Opcode::UaddSat, I8X16),
        Operator::I8x16Sub => (Opcode::Isub, I8X16),
        Operator::I8x16SubSatS => (Opcode::SsubSat, I8X16),
        Operator::I8x16SubSatU => (Opcode::UsubSat, I8X16),
        Operator::I8x16MinS => (Opcode::Smin, I8X16),
        Operator::I8x16MinU => (Opcode::Umin, I8X16),
        Operator::I8x16MaxS => (Opcode::Smax, I8X16),
        Operator::I8x16MaxU => (Opcode::Umax, I8X16),
        Operator::I8x16AvgrU => (Opcode::AvgRound, I8X16),
        Operator::I16x8Add => (Opcode::Iadd, I16X8),
        Operator::I16x8AddSatS => (Opcode::SaddSat, I16X8),
        Operator::I16x8AddSatU => (Opcode::UaddSat, I16X8),
        Operator::I16x8Sub => (Opcode::Isub, I16X8),
        Operator::I16x8SubSatS => (Opcode::SsubSat, I16X8),
        Operator::I16x8SubSatU => (Opcode::UsubSat, I16X8),
        Operator::I16x8Mul => (Opcode::Imul, I16X8),
        Operator::I16x8Q15MulrSatS | Operator::I16x8RelaxedQ15mulrS => (Opcode::SqmulRoundSat, I16X8),
        Operator::I16x8MinS => (Opcode::Smin, I16X8),
        Operator::I16x8MinU => (Opcode::Umin, I16X8),
        Operator::I16x8MaxS => (Opcode::Smax, I16X8),
        Operator::I16x8MaxU => (Opcode::Umax, I16X8),
        Operator::I16x8AvgrU => (Opcode::AvgRound, I16X8),
        _ => return None,
    })
}

fn wide_binary(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I32x4Add => (Opcode::Iadd, I32X4),
        Operator::I32x4Sub => (Opcode::Isub, I32X4),
        Operator::I32x4Mul => (Opcode::Imul, I32X4),
        Operator::I32x4MinS => (Opcode::Smin, I32X4),
        Operator::I32x4MinU => (Opcode::Umin, I32X4),
        Operator::I32x4MaxS => (Opcode::Smax, I32X4),
        Operator::I32x4MaxU => (Opcode::Umax, I32X4),
        Operator::I64x2Add => (Opcode::Iadd, I64X2),
        Operator::I64x2Sub => (Opcode::Isub, I64X2),
        Operator::I64x2Mul => (Opcode::Imul, I64X2),
        _ => return None,
    })
}

fn unary(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I8x16Abs => (Opcode::Iabs, I8X16),
        Operator::I8x16Neg => (Opcode::Ineg, I8X16),
        Operator::I8x16Popcnt => (Opcode::Popcnt, I8X16),
        Operator::I16x8Abs => (Opcode::Iabs, I16X8),
        Operator::I16x8Neg => (Opcode::Ineg, I16X8),
        Operator::I32x4Abs => (Opcode::Iabs, I32X4),
        Operator::I32x4Neg => (Opcode::Ineg, I32X4),
        Operator::I64x2Abs => (Opcode::Iabs, I64X2),
        Operator::I64x2Neg => (Opcode::Ineg, I64X2),
        _ => return None,
    })
}

fn shift(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I8x16Shl => (Opcode::Ishl, I8X16),
        Operator::I8x16ShrS => (Opcode::Sshr, I8X16),
        Operator::I8x16ShrU => (Opcode::Ushr, I8X16),
        Operator::I16x8Shl => (Opcode::Ishl, I16X8),
        Operator::I16x8ShrS => (Opcode::Sshr, I16X8),
        Operator::I16x8ShrU => (Opcode::Ushr, I16X8),
        Operator::I32x4Shl => (Opcode::Ishl, I32X4),
        Operator::I32x4ShrS => (Opcode::Sshr, I32X4),
        Operator::I32x4ShrU => (Opcode::Ushr, I32X4),
        Operator::I64x2Shl => (Opcode::Ishl, I64X2),
        Operator::I64x2ShrS => (Opcode::Sshr, I64X2),
        Operator::I64x2ShrU => (Opcode::Ushr, I64X2),
        _ => return None,
    })
}

/// Which half is widened how, and the shape of the operands.
fn extended_multiplication(operator: &Operator<'_>) -> Option<(Opcode, Type)> {
    Some(match operator {
        Operator::I16x8ExtMulLowI8x16S => (Opcode::SwidenLow, I8X16),
        Operator::I16x8ExtMulHighI8x16S => (Opcode::SwidenHigh, I8X16),
        Operator::I16x8ExtMulLowI8x16U => (Opcode::UwidenLow, I8X16),
        Operator::I16x8ExtMulHighI8x16U => (Opcode::UwidenHigh, I8X16),
        Operator::I32x4ExtMulLowI16x8S => (Opcode::SwidenLow, I16X8),
        Operator::I32x4ExtMulHighI16x8S => (Opcode::SwidenHigh, I16X8),
        Operator::I32x4ExtMulLowI16x8U => (Opcode::UwidenLow, I16X8),
        Operator::I32x4ExtMulHighI16x8U => (Opcode::UwidenHigh, I16X8),
        Operator::I64x2ExtMulLowI32x4S => (Opcode::SwidenLow, I32X4),
        Operator::I64x2ExtMulHighI32x4S => (Opcode::SwidenHigh, I32X4),
        Operator::I64x2ExtMulLowI32x4U => (Opcode::UwidenLow, I32X4),
        Operator::I64x2ExtMulHighI32x4U => (Opcode::UwidenHigh, I32X4),
        _ => return None,
    })
}

fn pairwise_addition(operator: &Operator<'_>) -> Option<(Widening, Type)> {
    Some(match operator {
        Operator::I16x8ExtAddPairwiseI8x16S => (Widening::Signed, I8X16),
        Operator::I16x8ExtAddPairwiseI8x16U => (Widening::Unsigned, I8X16),
        Operator::I32x4ExtAddPairwiseI16x8S => (Widening::Signed, I16X8),
        Operator::I32x4ExtAddPairwiseI16x8U => (Widening::Unsigned, I16X8),
        _ => return None,
    })
}

fn dot_product(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::I32x4DotI16x8S => {
            let (a, b) = lanes.pop2(I16X8);
            let (low, high) = lanes.products(a, b);
            let result = lanes.ins().iadd_pairwise(low, high);
            lanes.push(result);
        }
        Operator::I16x8RelaxedDotI8x16I7x16S => {
            let (a, b) = lanes.pop2(I8X16);
            let (low, high) = lanes.products(a, b);
            let result = lanes.ins().iadd_pairwise(low, high);
            lanes.push(result);
        }
        Operator::I32x4RelaxedDotI8x16I7x16AddS => {
            let addend = lanes.pop(I32X4);
            let (a, b) = lanes.pop2(I8X16);
            let (low, high) = lanes.products(a, b);
            let low = lanes.pair_sums(low);
            let high = lanes.pair_sums(high);
            let dot = lanes.ins().iadd_pairwise(low, high);
            let result = lanes.ins().iadd(dot, addend);
            lanes.push(result);
        }
        _ => return false,
    }
    true
}

/// How a lane is extended to twice its width.
#[derive(Clone, Copy)]
enum Widening {
    Signed,
    Unsigned,
}

impl Lanes<'_, '_, '_> {
    /// Builds an instruction of one vector operand whose type is its controlling type.
    pub(super) fn unary(&mut self, opcode: Opcode, operand: Value) -> Value {
        let shape = self.translator.builder.func.dfg.value_type(operand);
        let (inst, dfg) = self.ins().Unary(opcode, shape, operand);
        dfg.first_result(inst)
    }

    /// Builds an instruction of two operands, the first of which gives the controlling type.
    pub(super) fn binary(&mut self, opcode: Opcode, a: Value, b: Value) -> Value {
        let shape = self.translator.builder.func.dfg.value_type(a);
        let (inst, dfg) = self.ins().Binary(opcode, shape, a, b);
        dfg.first_result(inst)
    }

    /// Returns the lower and the upper half of the lanes, each extended to twice its width.
    fn widen(&mut self, widening: Widening, operand: Value) -> (Value, Value) {
        match widening {
            Widening::Signed => (self.ins().swiden_low(operand), self.ins().swiden_high(operand)),
            Widening::Unsigned => (self.ins().uwiden_low(operand), self.ins().uwiden_high(operand)),
        }
    }

    /// Returns the signed products of the lower and of the upper lanes, in lanes twice as wide.
    fn products(&mut self, a: Value, b: Value) -> (Value, Value) {
        let (a_low, a_high) = self.widen(Widening::Signed, a);
        let (b_low, b_high) = self.widen(Widening::Signed, b);
        (self.ins().imul(a_low, b_low), self.ins().imul(a_high, b_high))
    }

    /// Returns the sums of neighbouring lanes, in lanes twice as wide.
    fn pair_sums(&mut self, operand: Value) -> Value {
        let (low, high) = self.widen(Widening::Signed, operand);
        self.ins().iadd_pairwise(low, high)
    }
}
