//! Globals: constants where nothing writes them, otherwise cells at link-time addresses.

use super::environment::GlobalForm;
use super::function::FunctionTranslator;
use super::signature::machine_type;
use super::symbol::Symbol;
use crate::module::{ConstValue, GlobalIndex, index};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Value, types};
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::GlobalGet { global_index } => {
            let value = translator.read_global(index(global_index));
            translator.stack.push(value);
        }
        Operator::GlobalSet { global_index } => {
            let value = translator.stack.pop();
            translator.write_global(index(global_index), value);
        }
        _ => return false,
    }
    true
}

/// Flags of an access to data of the object itself: aligned, and never a fault.
pub(super) const fn own_data() -> MemFlagsData {
    MemFlagsData::trusted().with_endianness(Endianness::Little)
}

impl FunctionTranslator<'_, '_> {
    /// Returns the value of a global.
    pub(crate) fn read_global(&mut self, global: GlobalIndex) -> Value {
        if let GlobalForm::Constant(value) = self.environment.globals[global] {
            return self.constant(value);
        }
        let cell = self.address_of(Symbol::Global(global));
        let machine_type = machine_type(self.environment.module.globals[global].global_type.content_type);
        self.builder.ins().load(machine_type, own_data(), cell, 0)
    }

    /// Sets a global.
    pub(crate) fn write_global(&mut self, global: GlobalIndex, value: Value) {
        let cell = self.address_of(Symbol::Global(global));
        self.builder.ins().store(own_data(), value, cell, 0);
    }

    /// Returns a constant.
    pub(crate) fn constant(&mut self, value: ConstValue) -> Value {
        match value {
            ConstValue::I32(value) => self.builder.ins().iconst(types::I32, i64::from(value as u32)),
            ConstValue::I64(value) => self.builder.ins().iconst(types::I64, value),
            ConstValue::F32(bits) => self.builder.ins().f32const(Ieee32::with_bits(bits)),
            ConstValue::F64(bits) => self.builder.ins().f64const(Ieee64::with_bits(bits)),
            ConstValue::V128(bytes) => {
                let constant = self.builder.func.dfg.constants.insert(bytes.to_vec().into());
                self.builder.ins().vconst(types::I8X16, constant)
            }
            ConstValue::NullRef => self.builder.ins().iconst(types::I64, 0),
            ConstValue::FuncRef(function) => self.address_of(Symbol::FuncRef(function)),
        }
    }
}
