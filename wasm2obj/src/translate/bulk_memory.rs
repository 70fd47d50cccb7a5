//! Bulk memory operations: bounds are checked here, where the Wasm offset is known, and a runtime function does the work.

use super::function::FunctionTranslator;
use super::globals::own_data;
use super::symbol::Symbol;
use crate::module::{DataIndex, MemoryIndex, index};
use abi::builtins::Builtin;
use abi::instance::SegmentInstance;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::MemoryFill { mem } => translator.translate_memory_fill(index(mem)),
        Operator::MemoryCopy { dst_mem, src_mem } => translator.translate_memory_copy(index(dst_mem), index(src_mem)),
        Operator::MemoryInit { data_index, mem } => {
            let (destination, source, length) = translator.stack.pop3();
            let is_64 = translator.environment.memories[index(mem)].is_64;
            let destination = translator.widen_index(destination, is_64);
            let source = translator.builder.ins().uextend(types::I64, source);
            let length = translator.builder.ins().uextend(types::I64, length);
            translator.memory_init(index(mem), index(data_index), destination, source, length);
        }
        Operator::DataDrop { data_index } => translator.drop_segment(Symbol::DataSegment(index(data_index))),
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    fn translate_memory_fill(&mut self, memory: MemoryIndex) {
        let (destination, value, length) = self.stack.pop3();
        let is_64 = self.environment.memories[memory].is_64;
        let destination = self.widen_index(destination, is_64);
        let length = self.widen_index(length, is_64);
        let address = self.checked_range(memory, destination, length);
        self.call_builtin(Builtin::MemoryFill, &[address, value, length]);
    }

    fn translate_memory_copy(&mut self, target: MemoryIndex, origin: MemoryIndex) {
        let (destination, source, length) = self.stack.pop3();
        let target_is_64 = self.environment.memories[target].is_64;
        let origin_is_64 = self.environment.memories[origin].is_64;
        let destination = self.widen_index(destination, target_is_64);
        let source = self.widen_index(source, origin_is_64);
        let length = self.widen_index(length, target_is_64 && origin_is_64);
        let destination = self.checked_range(target, destination, length);
        let source = self.checked_range(origin, source, length);
        self.call_builtin(Builtin::MemoryCopy, &[destination, source, length]);
    }

    /// Copies `length` bytes of a data segment to a memory; all operands have 64 bits.
    pub(crate) fn memory_init(
        &mut self,
        memory: MemoryIndex,
        data: DataIndex,
        destination: Value,
        source: Value,
        length: Value,
    ) {
        let address = self.checked_range(memory, destination, length);
        let (start, available) = self.segment(Symbol::DataSegment(data));
        self.check_range(source, length, available, TrapCode::MemoryOutOfBounds);
        let source = self.builder.ins().iadd(start, source);
        self.call_builtin(Builtin::MemoryCopy, &[address, source, length]);
    }

    /// Checks that a range lies within a memory and returns its address.
    fn checked_range(&mut self, memory: MemoryIndex, start: Value, length: Value) -> Value {
        let limit = self.memory_length(memory);
        self.check_range(start, length, limit, TrapCode::MemoryOutOfBounds);
        let base = self.environment.memories[memory].base;
        self.builder.ins().iadd_imm_s(start, base as i64)
    }

    /// Returns a segment's start and length.
    pub(super) fn segment(&mut self, symbol: Symbol) -> (Value, Value) {
        let segment = self.address_of(symbol);
        let start = self
            .builder
            .ins()
            .load(types::I64, own_data(), segment, SegmentInstance::START);
        let length = self
            .builder
            .ins()
            .load(types::I64, own_data(), segment, SegmentInstance::LENGTH);
        (start, length)
    }

    /// Drops a segment.
    pub(crate) fn drop_segment(&mut self, symbol: Symbol) {
        let segment = self.address_of(symbol);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder
            .ins()
            .store(own_data(), zero, segment, SegmentInstance::LENGTH);
    }
}
