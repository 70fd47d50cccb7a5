//! Vector instructions: SIMD and relaxed SIMD, one file per family.
//!
//! Wasm has one vector type and Cranelift one per shape. A `v128` is therefore always `i8x16` where it is stored: on the operand
//! stack, in locals, in block parameters and in signatures. [`Lanes`] casts it to the shape that an instruction works on, which
//! costs nothing: all shapes share one kind of register, and a cast of a cast is looked through.
//!
//! Relaxed instructions behave as the specification's deterministic profile says, on every target, with one exception:
//! `relaxed_madd` and `relaxed_nmadd` round once where the target has an instruction for that and twice elsewhere.
//!
//! Read first: [`translate`], [`Lanes`]. Specification: Core 3.0, 4.4.3 (vector instructions) and 4.3 (their numerics).

mod arithmetic;
mod bitwise;
mod compare;
mod conversion;
mod float;
mod lane;
mod memory;

use crate::translate::function::FunctionTranslator;
use cranelift_codegen::ir::types::I8X16;
use cranelift_codegen::ir::{Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

/// Translates a vector instruction; returns whether it was one.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    if memory::translate(translator, operator) {
        return true;
    }
    let mut lanes = Lanes { translator };
    arithmetic::translate(&mut lanes, operator)
        || bitwise::translate(&mut lanes, operator)
        || compare::translate(&mut lanes, operator)
        || conversion::translate(&mut lanes, operator)
        || float::translate(&mut lanes, operator)
        || lane::translate(&mut lanes, operator)
}

/// The operand stack as vector instructions see it: popped in the shape wanted, pushed in the shape of all.
struct Lanes<'t, 'a, 'f> {
    translator: &'t mut FunctionTranslator<'a, 'f>,
}

impl<'f> Lanes<'_, '_, 'f> {
    /// Starts an instruction.
    fn ins(&mut self) -> FuncInstBuilder<'_, 'f> {
        self.translator.builder.ins()
    }

    /// Pops a vector as that shape.
    fn pop(&mut self, shape: Type) -> Value {
        let value = self.translator.stack.pop();
        self.cast(value, shape)
    }

    /// Pops the second operand and then the first, and returns them in the order of their pushes.
    fn pop2(&mut self, shape: Type) -> (Value, Value) {
        let second = self.pop(shape);
        (self.pop(shape), second)
    }

    /// Pops three operands and returns them in the order of their pushes.
    fn pop3(&mut self, shape: Type) -> (Value, Value, Value) {
        let third = self.pop(shape);
        let (first, second) = self.pop2(shape);
        (first, second, third)
    }

    /// Pushes a vector of any shape.
    fn push(&mut self, value: Value) {
        let value = self.cast(value, I8X16);
        self.translator.stack.push(value);
    }

    fn pop_scalar(&mut self) -> Value {
        self.translator.stack.pop()
    }

    fn push_scalar(&mut self, value: Value) {
        self.translator.stack.push(value);
    }

    /// Returns the same 16 bytes as a value of another shape: the value that was cast to this one, if its shape is the one wanted.
    fn cast(&mut self, value: Value, shape: Type) -> Value {
        let dfg = &self.translator.builder.func.dfg;
        let value = dfg.resolve_aliases(value);
        if dfg.value_type(value) == shape {
            return value;
        }
        let source = match dfg.value_def(value) {
            ValueDef::Result(inst, _) => match dfg.insts[inst] {
                InstructionData::LoadNoOffset {
                    opcode: Opcode::Bitcast,
                    arg,
                    ..
                } => arg,
                _ => value,
            },
            _ => value,
        };
        match dfg.value_type(source) {
            ty if ty == shape => source,
            ty if ty.is_vector() && ty.bits() == 128 => self.ins().bitcast(shape, CAST_FLAGS, source),
            _ => self.ins().bitcast(shape, CAST_FLAGS, value),
        }
    }
}

const CAST_FLAGS: MemFlagsData = MemFlagsData::new().with_endianness(Endianness::Little);
