//! Vector loads and stores: whole vectors, widening and splatting loads, and single lanes.

use super::Lanes;
use crate::translate::bounds_check::Address;
use crate::translate::function::FunctionTranslator;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::{MemArg, Operator};

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    if let Some((memarg, shape)) = load_splat(operator) {
        let lane = load_lane_value(translator, memarg, shape);
        let mut lanes = Lanes { translator };
        let result = lanes.ins().splat(shape, lane);
        lanes.push(result);
    } else if let Some((memarg, shape)) = load_zero(operator) {
        let lane = load_lane_value(translator, memarg, shape);
        let mut lanes = Lanes { translator };
        let result = lanes.ins().scalar_to_vector(shape, lane);
        lanes.push(result);
    } else if let Some((memarg, shape, index)) = load_lane(operator) {
        let vector = Lanes { translator }.pop(shape);
        let lane = load_lane_value(translator, memarg, shape);
        let mut lanes = Lanes { translator };
        let result = lanes.ins().insertlane(vector, lane, index);
        lanes.push(result);
    } else if let Some((memarg, shape, index)) = store_lane(operator) {
        let mut lanes = Lanes { translator };
        let vector = lanes.pop(shape);
        let lane = lanes.ins().extractlane(vector, index);
        store(translator, memarg, lane);
    } else {
        return translate_whole(translator, operator);
    }
    true
}

fn load_splat<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, Type)> {
    Some(match operator {
        Operator::V128Load8Splat { memarg } => (memarg, I8X16),
        Operator::V128Load16Splat { memarg } => (memarg, I16X8),
        Operator::V128Load32Splat { memarg } => (memarg, I32X4),
        Operator::V128Load64Splat { memarg } => (memarg, I64X2),
        _ => return None,
    })
}

fn load_zero<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, Type)> {
    Some(match operator {
        Operator::V128Load32Zero { memarg } => (memarg, I32X4),
        Operator::V128Load64Zero { memarg } => (memarg, I64X2),
        _ => return None,
    })
}

fn load_lane<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, Type, u8)> {
    Some(match operator {
        Operator::V128Load8Lane { memarg, lane } => (memarg, I8X16, *lane),
        Operator::V128Load16Lane { memarg, lane } => (memarg, I16X8, *lane),
        Operator::V128Load32Lane { memarg, lane } => (memarg, I32X4, *lane),
        Operator::V128Load64Lane { memarg, lane } => (memarg, I64X2, *lane),
        _ => return None,
    })
}

fn store_lane<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, Type, u8)> {
    Some(match operator {
        Operator::V128Store8Lane { memarg, lane } => (memarg, I8X16, *lane),
        Operator::V128Store16Lane { memarg, lane } => (memarg, I16X8, *lane),
        Operator::V128Store32Lane { memarg, lane } => (memarg, I32X4, *lane),
        Operator::V128Store64Lane { memarg, lane } => (memarg, I64X2, *lane),
        _ => return None,
    })
}

/// Translates the instructions that fill or store a whole vector.
fn translate_whole(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::V128Load { memarg } => {
            let address = translator.pop_address(memarg, 16);
            let result = translator
                .builder
                .ins()
                .load(I8X16, address.flags, address.base, address.displacement);
            translator.stack.push(result);
        }
        Operator::V128Store { memarg } => {
            let value = Lanes { translator }.pop(I8X16);
            store(translator, memarg, value);
        }
        _ => {
            let Some((memarg, load)) = load_widening(operator) else {
                return false;
            };
            let address = translator.pop_address(memarg, 8);
            let mut lanes = Lanes { translator };
            let result = load(lanes.ins(), address);
            lanes.push(result);
        }
    }
    true
}

type WideningLoad = fn(FuncInstBuilder<'_, '_>, Address) -> Value;

fn load_widening<'o>(operator: &'o Operator<'_>) -> Option<(&'o MemArg, WideningLoad)> {
    Some(match operator {
        Operator::V128Load8x8S { memarg } => (memarg, |ins, at| ins.sload8x8(at.flags, at.base, at.displacement)),
        Operator::V128Load8x8U { memarg } => (memarg, |ins, at| ins.uload8x8(at.flags, at.base, at.displacement)),
        Operator::V128Load16x4S { memarg } => (memarg, |ins, at| ins.sload16x4(at.flags, at.base, at.displacement)),
        Operator::V128Load16x4U { memarg } => (memarg, |ins, at| ins.uload16x4(at.flags, at.base, at.displacement)),
        Operator::V128Load32x2S { memarg } => (memarg, |ins, at| ins.sload32x2(at.flags, at.base, at.displacement)),
        Operator::V128Load32x2U { memarg } => (memarg, |ins, at| ins.uload32x2(at.flags, at.base, at.displacement)),
        _ => return None,
    })
}

/// Loads one lane of that shape.
fn load_lane_value(translator: &mut FunctionTranslator<'_, '_>, memarg: &MemArg, shape: Type) -> Value {
    let lane_type = shape.lane_type();
    let address = translator.pop_address(memarg, lane_type.bytes());
    translator
        .builder
        .ins()
        .load(lane_type, address.flags, address.base, address.displacement)
}

fn store(translator: &mut FunctionTranslator<'_, '_>, memarg: &MemArg, value: Value) {
    let len_bytes = translator.builder.func.dfg.value_type(value).bytes();
    let address = translator.pop_address(memarg, len_bytes);
    translator
        .builder
        .ins()
        .store(address.flags, value, address.base, address.displacement);
}
