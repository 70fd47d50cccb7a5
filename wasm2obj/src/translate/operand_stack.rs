//! The operand stack while translating: its values are SSA values, so pushing and popping generate no code.

use cranelift_codegen::ir::Value;

/// The operand stack. Validation has shown that no pop can find it empty.
#[derive(Debug, Default)]
pub(super) struct OperandStack {
    values: Vec<Value>,
}

const NOT_EMPTY: &str = "validated: the operand is on the stack";

impl OperandStack {
    pub fn push(&mut self, value: Value) {
        self.values.push(value);
    }

    pub fn push_all(&mut self, values: &[Value]) {
        self.values.extend_from_slice(values);
    }

    pub fn pop(&mut self) -> Value {
        self.values.pop().expect(NOT_EMPTY)
    }

    /// Pops two values: the lower one first.
    pub fn pop2(&mut self) -> (Value, Value) {
        let second = self.pop();
        (self.pop(), second)
    }

    /// Pops three values: the lowest one first.
    pub fn pop3(&mut self) -> (Value, Value, Value) {
        let third = self.pop();
        let (first, second) = self.pop2();
        (first, second, third)
    }

    /// Pops `count` values, in the order in which they were pushed.
    pub fn pop_many(&mut self, count: usize) -> Vec<Value> {
        let start = self.values.len().checked_sub(count).expect(NOT_EMPTY);
        self.values.split_off(start)
    }

    /// Returns the top `count` values, in the order in which they were pushed.
    pub fn peek_many(&self, count: usize) -> &[Value] {
        let start = self.values.len().checked_sub(count).expect(NOT_EMPTY);
        &self.values[start..]
    }

    pub fn height(&self) -> usize {
        self.values.len()
    }

    pub fn truncate(&mut self, height: usize) {
        self.values.truncate(height);
    }
}
