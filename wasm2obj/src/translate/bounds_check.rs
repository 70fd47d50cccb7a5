//! Addresses in linear memory, and the checks that make them safe.
//!
//! Where the MMU checks, an address is index + constant and its fault is the trap: nothing is compared. Where comparisons
//! check, an access of `size` bytes at `index + offset` compares its end with the memory's length; a sum that leaves 64 bits
//! traps as well. An access at a constant address below the memory's minimum length needs neither.

use super::environment::{MemoryForm, trap_code};
use super::function::FunctionTranslator;
use super::globals::own_data;
use super::symbol::Symbol;
use crate::module::{MemoryIndex, index};
use abi::instance::MemoryInstance;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Value, ValueDef, types};
use wasmparser::{MemArg, MemArgTarget};

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    /// Address of the access, apart from `displacement`.
    pub base: Value,
    /// Constant part.
    pub displacement: i32,
    /// Flags of the access.
    pub flags: MemFlagsData,
}

/// Returns the memory that an access names.
pub(super) fn memory_of(argument: &MemArg) -> MemoryIndex {
    match argument.target {
        MemArgTarget::Memory(memory) | MemArgTarget::Array(memory) => index(memory),
    }
}

impl FunctionTranslator<'_, '_> {
    /// Pops the index of an access of `size` bytes, checks it if need be, and returns the address.
    pub(super) fn pop_address(&mut self, argument: &MemArg, size: u32) -> Address {
        let memory: MemoryIndex = memory_of(argument);
        let popped = self.stack.pop();
        self.address_of_access(memory, popped, argument.offset, u64::from(size))
    }

    fn address_of_access(&mut self, memory: MemoryIndex, popped: Value, offset: u64, size: u64) -> Address {
        let form = self.environment.memories[memory];
        let constant = self.constant_bits(popped);
        let is_safe = constant
            .and_then(|index| index.checked_add(offset)?.checked_add(size))
            .is_some_and(|end| end <= form.minimum_bytes);
        let index = self.widen_index(popped, form.is_64);
        let mut flags = MemFlagsData::new().with_endianness(Endianness::Little);
        if !form.explicit_checks {
            flags = flags.with_trap_code(Some(trap_code(TrapCode::MemoryOutOfBounds)));
        } else {
            flags = flags.with_notrap();
            if !is_safe {
                self.check_access(memory, &form, index, offset, size);
            }
        }
        let base = if form.base == 0 {
            index
        } else {
            self.builder.ins().iadd_imm_s(index, form.base as i64)
        };
        match i32::try_from(offset) {
            Ok(displacement) => Address {
                base,
                displacement,
                flags,
            },
            Err(_) => Address {
                base: self.builder.ins().iadd_imm_s(base, offset as i64),
                displacement: 0,
                flags,
            },
        }
    }

    fn check_access(&mut self, memory: MemoryIndex, form: &MemoryForm, index: Value, offset: u64, size: u64) {
        let code = TrapCode::MemoryOutOfBounds;
        let Some(reach) = offset.checked_add(size) else {
            let always = self.builder.ins().iconst(types::I8, 1);
            return self.trap_if(always, code);
        };
        let end = if form.is_64 {
            let reach = self.builder.ins().iconst(types::I64, reach as i64);
            self.builder.ins().uadd_overflow_trap(index, reach, trap_code(code))
        } else {
            self.builder.ins().iadd_imm_s(index, reach as i64)
        };
        let length = self.memory_length(memory);
        let is_outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        self.trap_if(is_outside, code);
    }

    /// Returns the length of a memory in bytes.
    pub(super) fn memory_length(&mut self, memory: MemoryIndex) -> Value {
        let form = self.environment.memories[memory];
        if !form.can_grow {
            return self.builder.ins().iconst(types::I64, form.minimum_bytes as i64);
        }
        let instance = self.address_of(Symbol::Memory(memory));
        self.builder
            .ins()
            .load(types::I64, own_data(), instance, MemoryInstance::LENGTH_BYTES)
    }

    /// Traps unless `start + length` is at most `limit`, without overflow.
    pub(super) fn check_range(&mut self, start: Value, length: Value, limit: Value, code: TrapCode) {
        let end = self.builder.ins().uadd_overflow_trap(start, length, trap_code(code));
        let is_outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        self.trap_if(is_outside, code);
    }

    /// Returns an index or length of a memory or table as 64 bits.
    pub(crate) fn widen_index(&mut self, value: Value, is_64: bool) -> Value {
        if is_64 {
            return value;
        }
        if let Some(widened) = self.known.widened.get(&value) {
            return widened;
        }
        let widened = match self.constant_bits(value) {
            Some(constant) => self.builder.ins().iconst(types::I64, constant as i64),
            None => self.builder.ins().uextend(types::I64, value),
        };
        self.known.widened.note(value, widened);
        widened
    }

    /// Returns 64 bits as an index or length of a memory or table.
    pub(super) fn narrow_index(&mut self, value: Value, is_64: bool) -> Value {
        if is_64 {
            value
        } else {
            self.builder.ins().ireduce(types::I32, value)
        }
    }

    /// Returns the value of an integer constant, zero-extended.
    pub(super) fn constant_bits(&self, value: Value) -> Option<u64> {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(instruction, _) = dfg.value_def(value) else {
            return None;
        };
        match dfg.insts[instruction] {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } if dfg.value_type(value) == types::I32 => Some(u64::from(imm.bits() as u32)),
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Some(imm.bits() as u64),
            _ => None,
        }
    }
}
