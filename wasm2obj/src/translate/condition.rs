//! Conditions: a comparison whose result only decides something, which is what nearly all do, never becomes a number.
//!
//! A comparison leaves a [`Condition`] instead of an operand. The operator after it takes that as it is, if it is a branch, a
//! `select` or a test for zero; before any other operator, it becomes the `i32` that WebAssembly says it is.

use super::function::FunctionTranslator;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Value, types};
use wasmparser::Operator;

/// The result of a comparison, in place of the operand on top of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// 1 or 0, in 8 bits; nothing else refers to it.
    Holds(Value),
    /// Whether an integer is zero, which nothing has computed yet.
    IsZero(Value),
}

/// Tells whether an operator takes a condition as it is.
fn takes_condition(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::BrIf { .. }
            | Operator::If { .. }
            | Operator::Select
            | Operator::TypedSelect { .. }
            | Operator::I32Eqz
    )
}

impl FunctionTranslator<'_, '_> {
    /// Pushes the result of a comparison, which has 8 bits.
    pub(super) fn push_bool(&mut self, value: Value) {
        self.condition = Some(Condition::Holds(value));
    }

    /// Replaces the integer on top of the stack by whether it is zero.
    pub(super) fn push_is_zero(&mut self) {
        self.condition = Some(match self.condition.take() {
            None => Condition::IsZero(self.stack.pop()),
            Some(Condition::Holds(value)) if self.negate(value) => Condition::Holds(value),
            Some(Condition::Holds(value)) => Condition::IsZero(value),
            Some(Condition::IsZero(value)) => {
                Condition::Holds(self.builder.ins().icmp_imm_s(IntCC::NotEqual, value, 0))
            }
        });
    }

    /// Turns a comparison of integers around. Other values stay.
    fn negate(&mut self, value: Value) -> bool {
        let dfg = &mut self.builder.func.dfg;
        let comparison = dfg.value_def(value).inst();
        match comparison.map(|inst| &mut dfg.insts[inst]) {
            Some(InstructionData::IntCompare { cond, .. }) => {
                *cond = cond.complement();
                true
            }
            _ => false,
        }
    }

    /// Pops what decides, and returns it with whether its being zero means yes.
    pub(super) fn pop_condition(&mut self) -> (Value, bool) {
        match self.condition.take() {
            None => (self.stack.pop(), false),
            Some(Condition::Holds(value)) => (value, false),
            Some(Condition::IsZero(value)) => (value, true),
        }
    }

    /// Makes an operand of the condition, unless the operator takes it as it is.
    pub(super) fn prepare_operand(&mut self, operator: &Operator<'_>) {
        if self.condition.is_none() || takes_condition(operator) {
            return;
        }
        let holds = match self.pop_condition() {
            (value, false) => value,
            (value, true) => self.builder.ins().icmp_imm_s(IntCC::Equal, value, 0),
        };
        let value = self.builder.ins().uextend(types::I32, holds);
        self.stack.push(value);
    }
}
