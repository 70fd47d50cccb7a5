//! Loads and stores of numbers, and the size of a memory.

use super::function::FunctionTranslator;
use super::symbol::Symbol;
use crate::module::{MemoryIndex, index};
use abi::builtins::Builtin;
use cranelift_codegen::ir::{InstBuilder, Type, types};
use types::{F32, F64, I8, I16, I32, I64};
use wasmparser::{MemArg, Operator};

/// How a loaded integer fills its type.
#[derive(Clone, Copy)]
enum Extension {
    None,
    Signed,
    Unsigned,
}

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::MemorySize { mem } => translator.translate_memory_size(index(mem)),
        Operator::MemoryGrow { mem } => translator.translate_memory_grow(index(mem)),
        _ => return translate_load(translator, operator) || translate_store(translator, operator),
    }
    true
}

fn translate_load(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    use Extension::{None, Signed, Unsigned};
    let (argument, loaded, result, extension) = match operator {
        Operator::I32Load { memarg } => (memarg, I32, I32, None),
        Operator::I64Load { memarg } => (memarg, I64, I64, None),
        Operator::F32Load { memarg } => (memarg, F32, F32, None),
        Operator::F64Load { memarg } => (memarg, F64, F64, None),
        Operator::I32Load8S { memarg } => (memarg, I8, I32, Signed),
        Operator::I32Load8U { memarg } => (memarg, I8, I32, Unsigned),
        Operator::I32Load16S { memarg } => (memarg, I16, I32, Signed),
        Operator::I32Load16U { memarg } => (memarg, I16, I32, Unsigned),
        Operator::I64Load8S { memarg } => (memarg, I8, I64, Signed),
        Operator::I64Load8U { memarg } => (memarg, I8, I64, Unsigned),
        Operator::I64Load16S { memarg } => (memarg, I16, I64, Signed),
        Operator::I64Load16U { memarg } => (memarg, I16, I64, Unsigned),
        Operator::I64Load32S { memarg } => (memarg, I32, I64, Signed),
        Operator::I64Load32U { memarg } => (memarg, I32, I64, Unsigned),
        _ => return false,
    };
    let address = translator.pop_address(argument, loaded.bytes());
    let value = translator
        .builder
        .ins()
        .load(loaded, address.flags, address.base, address.displacement);
    let value = match extension {
        None => value,
        Signed => translator.builder.ins().sextend(result, value),
        Unsigned => translator.builder.ins().uextend(result, value),
    };
    translator.stack.push(value);
    true
}

fn translate_store(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    let (argument, stored): (&MemArg, Type) = match operator {
        Operator::I32Store { memarg } => (memarg, I32),
        Operator::I64Store { memarg } => (memarg, I64),
        Operator::F32Store { memarg } => (memarg, F32),
        Operator::F64Store { memarg } => (memarg, F64),
        Operator::I32Store8 { memarg } | Operator::I64Store8 { memarg } => (memarg, I8),
        Operator::I32Store16 { memarg } | Operator::I64Store16 { memarg } => (memarg, I16),
        Operator::I64Store32 { memarg } => (memarg, I32),
        _ => return false,
    };
    let value = translator.stack.pop();
    let address = translator.pop_address(argument, stored.bytes());
    let value = if translator.builder.func.dfg.value_type(value) == stored {
        value
    } else {
        translator.builder.ins().ireduce(stored, value)
    };
    translator
        .builder
        .ins()
        .store(address.flags, value, address.base, address.displacement);
    true
}

impl FunctionTranslator<'_, '_> {
    fn translate_memory_size(&mut self, memory: MemoryIndex) {
        let form = self.environment.memories[memory];
        let length = self.memory_length(memory);
        let pages = self.builder.ins().ushr_imm_u(length, i64::from(form.page_size_log2));
        let pages = self.narrow_index(pages, form.is_64);
        self.stack.push(pages);
    }

    fn translate_memory_grow(&mut self, memory: MemoryIndex) {
        let form = self.environment.memories[memory];
        let delta = self.stack.pop();
        let delta = self.widen_index(delta, form.is_64);
        let instance = self.address_of(Symbol::Memory(memory));
        let old = self
            .call_builtin(Builtin::MemoryGrow, &[instance, delta])
            .expect("memory_grow has a result");
        let old = self.narrow_index(old, form.is_64);
        self.stack.push(old);
    }
}
