//! Constant expressions whose value is known only at run time, as code.

use super::function::FunctionTranslator;
use super::globals::own_data;
use super::symbol::Symbol;
use crate::module::{ConstExpr, ConstOperator};
use cranelift_codegen::ir::{InstBuilder, Value};

/// Bytes of a table element or segment element.
const ELEMENT_SIZE: i64 = 8;

impl FunctionTranslator<'_, '_> {
    /// Computes a constant expression.
    pub(crate) fn const_expression(&mut self, expression: &ConstExpr) -> Value {
        for &operator in expression.operators() {
            let value = match operator {
                ConstOperator::Value(value) => self.constant(value),
                ConstOperator::GlobalGet(global) => self.read_global(global),
                ConstOperator::I32Add | ConstOperator::I64Add => {
                    let (a, b) = self.stack.pop2();
                    self.builder.ins().iadd(a, b)
                }
                ConstOperator::I32Sub | ConstOperator::I64Sub => {
                    let (a, b) = self.stack.pop2();
                    self.builder.ins().isub(a, b)
                }
                ConstOperator::I32Mul | ConstOperator::I64Mul => {
                    let (a, b) = self.stack.pop2();
                    self.builder.ins().imul(a, b)
                }
            };
            self.stack.push(value);
        }
        self.stack.pop()
    }

    /// Sets an element of an array of references.
    pub(crate) fn write_element(&mut self, array: Symbol, position: usize, value: Value) {
        let start = self.address_of(array);
        let address = self.builder.ins().iadd_imm_s(start, position as i64 * ELEMENT_SIZE);
        self.builder.ins().store(own_data(), value, address, 0);
    }
}
