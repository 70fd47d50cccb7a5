//! Table instructions. Bounds are checked here; growing, filling and overlapping copies are runtime functions.

use super::environment::TableForm;
use super::function::FunctionTranslator;
use super::globals::own_data;
use super::signature::POINTER;
use super::symbol::Symbol;
use crate::module::{ElemIndex, TableIndex, index};
use abi::builtins::Builtin;
use abi::instance::TableInstance;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

/// Logarithm of an element's size in bytes.
const ELEMENT_SIZE_LOG2: i64 = 3;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::TableGet { table } => {
            let element = translator.pop_element_address(index(table));
            let value = translator.builder.ins().load(POINTER, own_data(), element, 0);
            translator.stack.push(value);
        }
        Operator::TableSet { table } => {
            let value = translator.stack.pop();
            let element = translator.pop_element_address(index(table));
            translator.builder.ins().store(own_data(), value, element, 0);
        }
        Operator::TableSize { table } => {
            let length = translator.table_length(index(table));
            let length = translator.narrow_index(length, translator.is_table_64(index(table)));
            translator.stack.push(length);
        }
        Operator::TableGrow { table } => translator.translate_table_grow(index(table)),
        Operator::TableFill { table } => translator.translate_table_fill(index(table)),
        Operator::TableCopy { dst_table, src_table } => {
            translator.translate_table_copy(index(dst_table), index(src_table));
        }
        Operator::TableInit { elem_index, table } => {
            let (destination, source, length) = translator.stack.pop3();
            let destination = translator.widen_index(destination, translator.is_table_64(index(table)));
            let source = translator.builder.ins().uextend(types::I64, source);
            let length = translator.builder.ins().uextend(types::I64, length);
            translator.table_init(index(table), index(elem_index), destination, source, length);
        }
        Operator::ElemDrop { elem_index } => translator.drop_segment(Symbol::ElemSegment(index(elem_index))),
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    fn is_table_64(&self, table: TableIndex) -> bool {
        self.environment.module.tables[table].table_type.table64
    }

    /// Returns a table's length.
    pub(crate) fn table_length(&mut self, table: TableIndex) -> Value {
        let constant = match &self.environment.tables[table] {
            TableForm::ReadOnly(functions) => Some(functions.functions.len() as u64),
            TableForm::General { constant_length } => *constant_length,
        };
        if let Some(length) = constant {
            return self.builder.ins().iconst(types::I64, length as i64);
        }
        let instance = self.address_of(Symbol::Table(table));
        self.builder
            .ins()
            .load(types::I64, own_data(), instance, TableInstance::LENGTH)
    }

    /// Pops the index of an element, checks it, and returns the element's address.
    pub(super) fn pop_element_address(&mut self, table: TableIndex) -> Value {
        let position = self.stack.pop();
        let position = self.widen_index(position, self.is_table_64(table));
        let length = self.table_length(table);
        let is_outside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, position, length);
        self.trap_if(is_outside, TrapCode::TableOutOfBounds);
        self.element_address(table, position)
    }

    fn element_address(&mut self, table: TableIndex, position: Value) -> Value {
        let instance = self.address_of(Symbol::Table(table));
        let elements = self
            .builder
            .ins()
            .load(POINTER, own_data(), instance, TableInstance::ELEMENTS);
        let offset = self.builder.ins().ishl_imm_u(position, ELEMENT_SIZE_LOG2);
        self.builder.ins().iadd(elements, offset)
    }

    /// Checks a range of elements and returns the first one's address.
    fn checked_elements(&mut self, table: TableIndex, start: Value, length: Value) -> Value {
        let limit = self.table_length(table);
        self.check_range(start, length, limit, TrapCode::TableOutOfBounds);
        self.element_address(table, start)
    }

    fn translate_table_grow(&mut self, table: TableIndex) {
        let (value, delta) = self.stack.pop2();
        let is_64 = self.is_table_64(table);
        let delta = self.widen_index(delta, is_64);
        let instance = self.address_of(Symbol::Table(table));
        let old = self
            .call_builtin(Builtin::TableGrow, &[instance, delta, value])
            .expect("table_grow has a result");
        let old = self.narrow_index(old, is_64);
        self.stack.push(old);
    }

    fn translate_table_fill(&mut self, table: TableIndex) {
        let (start, value, length) = self.stack.pop3();
        let is_64 = self.is_table_64(table);
        let start = self.widen_index(start, is_64);
        let length = self.widen_index(length, is_64);
        let first = self.checked_elements(table, start, length);
        self.call_builtin(Builtin::TableFill, &[first, value, length]);
    }

    fn translate_table_copy(&mut self, target: TableIndex, origin: TableIndex) {
        let (destination, source, length) = self.stack.pop3();
        let (target_is_64, origin_is_64) = (self.is_table_64(target), self.is_table_64(origin));
        let destination = self.widen_index(destination, target_is_64);
        let source = self.widen_index(source, origin_is_64);
        let length = self.widen_index(length, target_is_64 && origin_is_64);
        let source = self.checked_elements(origin, source, length);
        let destination = self.checked_elements(target, destination, length);
        let length_bytes = self.builder.ins().ishl_imm_u(length, ELEMENT_SIZE_LOG2);
        self.call_builtin(Builtin::MemoryCopy, &[destination, source, length_bytes]);
    }

    /// Copies `length` elements of a segment to a table; all operands have 64 bits.
    pub(crate) fn table_init(
        &mut self,
        table: TableIndex,
        segment: ElemIndex,
        destination: Value,
        source: Value,
        length: Value,
    ) {
        let destination = self.checked_elements(table, destination, length);
        let (start, available) = self.segment(Symbol::ElemSegment(segment));
        self.check_range(source, length, available, TrapCode::TableOutOfBounds);
        let offset = self.builder.ins().ishl_imm_u(source, ELEMENT_SIZE_LOG2);
        let source = self.builder.ins().iadd(start, offset);
        let length_bytes = self.builder.ins().ishl_imm_u(length, ELEMENT_SIZE_LOG2);
        self.call_builtin(Builtin::MemoryCopy, &[destination, source, length_bytes]);
    }
}
