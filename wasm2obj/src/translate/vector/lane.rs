//! Instructions that make, take apart and rearrange lanes: constants, splats, extraction, replacement, shuffles.

use super::Lanes;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{ConstantData, InstBuilder, Type, Value};
use wasmparser::Operator;

/// Translates an instruction of this family; returns whether it was one.
pub(super) fn translate(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    if let Some(shape) = splat(operator) {
        let scalar = lanes.pop_scalar();
        let lane = lanes.reduce(scalar, shape);
        let result = lanes.ins().splat(shape, lane);
        lanes.push(result);
    } else if let Some((shape, lane)) = replacement(operator) {
        let scalar = lanes.pop_scalar();
        let vector = lanes.pop(shape);
        let value = lanes.reduce(scalar, shape);
        let result = lanes.ins().insertlane(vector, value, lane);
        lanes.push(result);
    } else {
        return translate_extraction(lanes, operator) || translate_arrangement(lanes, operator);
    }
    true
}

fn splat(operator: &Operator<'_>) -> Option<Type> {
    Some(match operator {
        Operator::I8x16Splat => I8X16,
        Operator::I16x8Splat => I16X8,
        Operator::I32x4Splat => I32X4,
        Operator::I64x2Splat => I64X2,
        Operator::F32x4Splat => F32X4,
        Operator::F64x2Splat => F64X2,
        _ => return None,
    })
}

fn replacement(operator: &Operator<'_>) -> Option<(Type, u8)> {
    Some(match *operator {
        Operator::I8x16ReplaceLane { lane } => (I8X16, lane),
        Operator::I16x8ReplaceLane { lane } => (I16X8, lane),
        Operator::I32x4ReplaceLane { lane } => (I32X4, lane),
        Operator::I64x2ReplaceLane { lane } => (I64X2, lane),
        Operator::F32x4ReplaceLane { lane } => (F32X4, lane),
        Operator::F64x2ReplaceLane { lane } => (F64X2, lane),
        _ => return None,
    })
}

fn translate_extraction(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    let result = match *operator {
        Operator::I8x16ExtractLaneS { lane } => {
            let narrow = lanes.extract(I8X16, lane);
            lanes.ins().sextend(I32, narrow)
        }
        Operator::I8x16ExtractLaneU { lane } => {
            let narrow = lanes.extract(I8X16, lane);
            lanes.ins().uextend(I32, narrow)
        }
        Operator::I16x8ExtractLaneS { lane } => {
            let narrow = lanes.extract(I16X8, lane);
            lanes.ins().sextend(I32, narrow)
        }
        Operator::I16x8ExtractLaneU { lane } => {
            let narrow = lanes.extract(I16X8, lane);
            lanes.ins().uextend(I32, narrow)
        }
        Operator::I32x4ExtractLane { lane } => lanes.extract(I32X4, lane),
        Operator::I64x2ExtractLane { lane } => lanes.extract(I64X2, lane),
        Operator::F32x4ExtractLane { lane } => lanes.extract(F32X4, lane),
        Operator::F64x2ExtractLane { lane } => lanes.extract(F64X2, lane),
        _ => return false,
    };
    lanes.push_scalar(result);
    true
}

fn translate_arrangement(lanes: &mut Lanes<'_, '_, '_>, operator: &Operator<'_>) -> bool {
    let result = match operator {
        Operator::V128Const { value } => lanes.constant(I8X16, *value.bytes()),
        Operator::I8x16Shuffle { lanes: indices } => {
            let (a, b) = lanes.pop2(I8X16);
            let indices = ConstantData::from(&indices[..]);
            let mask = lanes.translator.builder.func.dfg.immediates.push(indices);
            lanes.ins().shuffle(a, b, mask)
        }
        Operator::I8x16Swizzle | Operator::I8x16RelaxedSwizzle => {
            let (vector, indices) = lanes.pop2(I8X16);
            lanes.ins().swizzle(vector, indices)
        }
        _ => return false,
    };
    lanes.push(result);
    true
}

impl Lanes<'_, '_, '_> {
    /// Makes a vector of 16 constant bytes.
    pub(super) fn constant(&mut self, shape: Type, bytes: [u8; 16]) -> Value {
        let data = ConstantData::from(&bytes[..]);
        let handle = self.translator.builder.func.dfg.constants.insert(data);
        self.ins().vconst(shape, handle)
    }

    fn extract(&mut self, shape: Type, lane: u8) -> Value {
        let vector = self.pop(shape);
        self.ins().extractlane(vector, lane)
    }

    /// Cuts an `i32` down to the width of a lane; any other scalar has that width already.
    fn reduce(&mut self, scalar: Value, shape: Type) -> Value {
        let lane_type = shape.lane_type();
        if lane_type.is_int() && lane_type.bits() < 32 {
            self.ins().ireduce(lane_type, scalar)
        } else {
            scalar
        }
    }
}
