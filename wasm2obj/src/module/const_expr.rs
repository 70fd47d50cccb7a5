//! Constant expressions: initial values of globals, offsets of segments, elements of tables.
//!
//! Most are a single constant and are evaluated here, when compiling. What depends on an imported global is left for the
//! object's `wasmetal.initialize` to compute; `codegen/entry.rs` translates it with the same code as function bodies.

use super::index::{FuncIndex, GlobalIndex};
use crate::error::{Error, Result};
use cranelift_entity::EntityRef;
use wasmparser::Operator;

/// One instruction of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConstOperator {
    /// A constant.
    Value(ConstValue),
    /// The value of a global.
    GlobalGet(GlobalIndex),
    /// `i32.add`
    I32Add,
    /// `i32.sub`
    I32Sub,
    /// `i32.mul`
    I32Mul,
    /// `i64.add`
    I64Add,
    /// `i64.sub`
    I64Sub,
    /// `i64.mul`
    I64Mul,
}

/// A value that is known when compiling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConstValue {
    /// `i32`
    I32(i32),
    /// `i64`
    I64(i64),
    /// `f32`, as its bits
    F32(u32),
    /// `f64`, as its bits
    F64(u64),
    /// `v128`, little-endian
    V128([u8; 16]),
    /// A null reference.
    NullRef,
    /// A function reference.
    FuncRef(FuncIndex),
}

impl ConstValue {
    /// Returns an address or offset: `i32` counts as unsigned.
    pub fn as_offset(self) -> Option<u64> {
        match self {
            ConstValue::I32(value) => Some(u64::from(value as u32)),
            ConstValue::I64(value) => Some(value as u64),
            _ => None,
        }
    }
}

/// A constant expression, in postfix order.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstExpr {
    operators: Vec<ConstOperator>,
}

impl ConstExpr {
    /// Returns the expression that is just `value`.
    pub fn of(value: ConstValue) -> ConstExpr {
        ConstExpr {
            operators: vec![ConstOperator::Value(value)],
        }
    }

    /// Takes over an expression that has been validated.
    pub(super) fn parse(expression: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr> {
        let mut operators = Vec::with_capacity(1);
        let mut reader = expression.get_operators_reader();
        loop {
            let (operator, offset) = reader.read_with_offset()?;
            operators.push(match operator {
                Operator::End => return Ok(ConstExpr { operators }),
                Operator::I32Const { value } => ConstOperator::Value(ConstValue::I32(value)),
                Operator::I64Const { value } => ConstOperator::Value(ConstValue::I64(value)),
                Operator::F32Const { value } => ConstOperator::Value(ConstValue::F32(value.bits())),
                Operator::F64Const { value } => ConstOperator::Value(ConstValue::F64(value.bits())),
                Operator::V128Const { value } => ConstOperator::Value(ConstValue::V128(*value.bytes())),
                Operator::RefNull { .. } => ConstOperator::Value(ConstValue::NullRef),
                Operator::RefFunc { function_index } => {
                    ConstOperator::Value(ConstValue::FuncRef(FuncIndex::new(function_index as usize)))
                }
                Operator::GlobalGet { global_index } => {
                    ConstOperator::GlobalGet(GlobalIndex::new(global_index as usize))
                }
                Operator::I32Add => ConstOperator::I32Add,
                Operator::I32Sub => ConstOperator::I32Sub,
                Operator::I32Mul => ConstOperator::I32Mul,
                Operator::I64Add => ConstOperator::I64Add,
                Operator::I64Sub => ConstOperator::I64Sub,
                Operator::I64Mul => ConstOperator::I64Mul,
                other => return Err(Error::unsupported_operator(&other, offset)),
            });
        }
    }

    /// Returns the instructions, in postfix order.
    pub fn operators(&self) -> &[ConstOperator] {
        &self.operators
    }

    /// Evaluates the expression, as far as `global` knows the globals it reads.
    pub fn evaluate(&self, global: impl Fn(GlobalIndex) -> Option<ConstValue>) -> Option<ConstValue> {
        let mut stack = Vec::new();
        for &operator in &self.operators {
            let value = match operator {
                ConstOperator::Value(value) => value,
                ConstOperator::GlobalGet(index) => global(index)?,
                ConstOperator::I32Add => fold_i32(&mut stack, i32::wrapping_add)?,
                ConstOperator::I32Sub => fold_i32(&mut stack, i32::wrapping_sub)?,
                ConstOperator::I32Mul => fold_i32(&mut stack, i32::wrapping_mul)?,
                ConstOperator::I64Add => fold_i64(&mut stack, i64::wrapping_add)?,
                ConstOperator::I64Sub => fold_i64(&mut stack, i64::wrapping_sub)?,
                ConstOperator::I64Mul => fold_i64(&mut stack, i64::wrapping_mul)?,
            };
            stack.push(value);
        }
        stack.pop()
    }
}

fn fold_i32(stack: &mut Vec<ConstValue>, operation: fn(i32, i32) -> i32) -> Option<ConstValue> {
    match (stack.pop()?, stack.pop()?) {
        (ConstValue::I32(right), ConstValue::I32(left)) => Some(ConstValue::I32(operation(left, right))),
        _ => None,
    }
}

fn fold_i64(stack: &mut Vec<ConstValue>, operation: fn(i64, i64) -> i64) -> Option<ConstValue> {
    match (stack.pop()?, stack.pop()?) {
        (ConstValue::I64(right), ConstValue::I64(left)) => Some(ConstValue::I64(operation(left, right))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(operators: &[ConstOperator]) -> ConstExpr {
        ConstExpr {
            operators: operators.to_vec(),
        }
    }

    #[test]
    fn arithmetic_folds_in_postfix_order() {
        let seven = ConstOperator::Value(ConstValue::I32(7));
        let global = ConstOperator::GlobalGet(GlobalIndex::new(0));
        let difference = expression(&[seven, global, ConstOperator::I32Sub]);
        assert_eq!(
            difference.evaluate(|_| Some(ConstValue::I32(9))),
            Some(ConstValue::I32(-2))
        );
    }

    #[test]
    fn an_unknown_global_makes_the_value_unknown() {
        let global = expression(&[ConstOperator::GlobalGet(GlobalIndex::new(0))]);
        assert_eq!(global.evaluate(|_| None), None);
    }
}
