//! Atomic instructions, on memories that are not shared.
//!
//! An access must be aligned; the sum of index and offset is tested before the bounds are. Waiting traps, for nobody could wake
//! the one who waits. Sub-word forms work on the low part of their operand and zero-extend what they read.

use super::bounds_check::memory_of;
use super::environment::trap_code;
use super::function::FunctionTranslator;
use abi::builtins::Builtin;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};
use types::{I8, I16, I32, I64};
use wasmparser::{MemArg, Operator};

/// An access: where, how wide in memory, how wide on the stack.
type Access<'o> = (&'o MemArg, Type, Type);

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    if let Some(access) = load(operator) {
        translator.translate_atomic_load(access);
    } else if let Some(access) = store(operator) {
        translator.translate_atomic_store(access);
    } else if let Some((operation, access)) = read_modify_write(operator) {
        translator.translate_atomic_rmw(operation, access);
    } else if let Some(access) = compare_exchange(operator) {
        translator.translate_atomic_cmpxchg(access);
    } else {
        return translate_synchronization(translator, operator);
    }
    true
}

fn translate_synchronization(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match operator {
        Operator::AtomicFence { .. } => {
            translator.builder.ins().fence();
        }
        Operator::MemoryAtomicNotify { memarg } => {
            let count = translator.stack.pop();
            let (address, _) = translator.pop_atomic_address(memarg, I32);
            let woken = translator.call_builtin(Builtin::MemoryNotify, &[address, count]);
            translator.stack.push(woken.expect("memory_notify has a result"));
        }
        Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. } => {
            translator.trap(TrapCode::AtomicWaitUnshared);
        }
        _ => return false,
    }
    true
}

fn load<'o>(operator: &'o Operator<'_>) -> Option<Access<'o>> {
    Some(match operator {
        Operator::I32AtomicLoad { memarg } => (memarg, I32, I32),
        Operator::I32AtomicLoad8U { memarg } => (memarg, I8, I32),
        Operator::I32AtomicLoad16U { memarg } => (memarg, I16, I32),
        Operator::I64AtomicLoad { memarg } => (memarg, I64, I64),
        Operator::I64AtomicLoad8U { memarg } => (memarg, I8, I64),
        Operator::I64AtomicLoad16U { memarg } => (memarg, I16, I64),
        Operator::I64AtomicLoad32U { memarg } => (memarg, I32, I64),
        _ => return None,
    })
}

fn store<'o>(operator: &'o Operator<'_>) -> Option<Access<'o>> {
    Some(match operator {
        Operator::I32AtomicStore { memarg } => (memarg, I32, I32),
        Operator::I32AtomicStore8 { memarg } => (memarg, I8, I32),
        Operator::I32AtomicStore16 { memarg } => (memarg, I16, I32),
        Operator::I64AtomicStore { memarg } => (memarg, I64, I64),
        Operator::I64AtomicStore8 { memarg } => (memarg, I8, I64),
        Operator::I64AtomicStore16 { memarg } => (memarg, I16, I64),
        Operator::I64AtomicStore32 { memarg } => (memarg, I32, I64),
        _ => return None,
    })
}

macro_rules! access_by_width {
    ($operator:expr, $i32:ident $i32_8:ident $i32_16:ident $i64:ident $i64_8:ident $i64_16:ident $i64_32:ident) => {
        match $operator {
            Operator::$i32 { memarg } => Some((memarg, I32, I32)),
            Operator::$i32_8 { memarg } => Some((memarg, I8, I32)),
            Operator::$i32_16 { memarg } => Some((memarg, I16, I32)),
            Operator::$i64 { memarg } => Some((memarg, I64, I64)),
            Operator::$i64_8 { memarg } => Some((memarg, I8, I64)),
            Operator::$i64_16 { memarg } => Some((memarg, I16, I64)),
            Operator::$i64_32 { memarg } => Some((memarg, I32, I64)),
            _ => None,
        }
    };
}

#[rustfmt::skip]
fn read_modify_write<'o>(operator: &'o Operator<'_>) -> Option<(AtomicRmwOp, Access<'o>)> {
    let add = access_by_width!(operator, I32AtomicRmwAdd I32AtomicRmw8AddU I32AtomicRmw16AddU
        I64AtomicRmwAdd I64AtomicRmw8AddU I64AtomicRmw16AddU I64AtomicRmw32AddU);
    let sub = access_by_width!(operator, I32AtomicRmwSub I32AtomicRmw8SubU I32AtomicRmw16SubU
        I64AtomicRmwSub I64AtomicRmw8SubU I64AtomicRmw16SubU I64AtomicRmw32SubU);
    let and = access_by_width!(operator, I32AtomicRmwAnd I32AtomicRmw8AndU I32AtomicRmw16AndU
        I64AtomicRmwAnd I64AtomicRmw8AndU I64AtomicRmw16AndU I64AtomicRmw32AndU);
    let or = access_by_width!(operator, I32AtomicRmwOr I32AtomicRmw8OrU I32AtomicRmw16OrU
        I64AtomicRmwOr I64AtomicRmw8OrU I64AtomicRmw16OrU I64AtomicRmw32OrU);
    let xor = access_by_width!(operator, I32AtomicRmwXor I32AtomicRmw8XorU I32AtomicRmw16XorU
        I64AtomicRmwXor I64AtomicRmw8XorU I64AtomicRmw16XorU I64AtomicRmw32XorU);
    let exchange = access_by_width!(operator, I32AtomicRmwXchg I32AtomicRmw8XchgU I32AtomicRmw16XchgU
        I64AtomicRmwXchg I64AtomicRmw8XchgU I64AtomicRmw16XchgU I64AtomicRmw32XchgU);
    [
        (AtomicRmwOp::Add, add), (AtomicRmwOp::Sub, sub), (AtomicRmwOp::And, and),
        (AtomicRmwOp::Or, or), (AtomicRmwOp::Xor, xor), (AtomicRmwOp::Xchg, exchange),
    ]
    .into_iter()
    .find_map(|(operation, access)| Some((operation, access?)))
}

#[rustfmt::skip]
fn compare_exchange<'o>(operator: &'o Operator<'_>) -> Option<Access<'o>> {
    access_by_width!(operator, I32AtomicRmwCmpxchg I32AtomicRmw8CmpxchgU I32AtomicRmw16CmpxchgU
        I64AtomicRmwCmpxchg I64AtomicRmw8CmpxchgU I64AtomicRmw16CmpxchgU I64AtomicRmw32CmpxchgU)
}

impl FunctionTranslator<'_, '_> {
    /// Pops the index of an atomic access, checks alignment and bounds, and returns the whole address.
    fn pop_atomic_address(&mut self, argument: &MemArg, accessed: Type) -> (Value, MemFlagsData) {
        let index = self.stack.peek_many(1)[0];
        let is_64 = self.environment.memories[memory_of(argument)].is_64;
        let index = self.widen_index(index, is_64);
        let effective = self.builder.ins().iadd_imm_s(index, argument.offset as i64);
        let misaligned = self
            .builder
            .ins()
            .band_imm_u(effective, i64::from(accessed.bytes() - 1));
        self.builder
            .ins()
            .trapnz(misaligned, trap_code(TrapCode::UnalignedAtomic));
        let address = self.pop_address(argument, accessed.bytes());
        let whole = self
            .builder
            .ins()
            .iadd_imm_s(address.base, i64::from(address.displacement));
        (whole, address.flags)
    }

    fn narrow(&mut self, value: Value, to: Type) -> Value {
        if self.builder.func.dfg.value_type(value) == to {
            value
        } else {
            self.builder.ins().ireduce(to, value)
        }
    }

    fn push_extended(&mut self, value: Value, to: Type) {
        let value = if self.builder.func.dfg.value_type(value) == to {
            value
        } else {
            self.builder.ins().uextend(to, value)
        };
        self.stack.push(value);
    }

    fn translate_atomic_load(&mut self, (argument, accessed, result): Access<'_>) {
        let (address, flags) = self.pop_atomic_address(argument, accessed);
        let value = self.builder.ins().atomic_load(accessed, flags, address);
        self.push_extended(value, result);
    }

    fn translate_atomic_store(&mut self, (argument, accessed, _): Access<'_>) {
        let value = self.stack.pop();
        let value = self.narrow(value, accessed);
        let (address, flags) = self.pop_atomic_address(argument, accessed);
        self.builder.ins().atomic_store(flags, value, address);
    }

    fn translate_atomic_rmw(&mut self, operation: AtomicRmwOp, (argument, accessed, result): Access<'_>) {
        let operand = self.stack.pop();
        let operand = self.narrow(operand, accessed);
        let (address, flags) = self.pop_atomic_address(argument, accessed);
        let old = self
            .builder
            .ins()
            .atomic_rmw(accessed, flags, operation, address, operand);
        self.push_extended(old, result);
    }

    fn translate_atomic_cmpxchg(&mut self, (argument, accessed, result): Access<'_>) {
        let (expected, replacement) = self.stack.pop2();
        let replacement = self.narrow(replacement, accessed);
        let expected = self.narrow(expected, accessed);
        let (address, flags) = self.pop_atomic_address(argument, accessed);
        let old = self.builder.ins().atomic_cas(flags, address, expected, replacement);
        self.push_extended(old, result);
    }
}
