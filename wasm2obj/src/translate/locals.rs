//! Locals: each is a Cranelift variable, which SSA construction dissolves.

use super::function::FunctionTranslator;
use super::signature::machine_type;
use crate::error::Result;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::{BinaryReader, Operator};

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::LocalGet { local_index } => {
            let variable = translator.locals[local_index as usize];
            let value = translator.builder.use_var(variable);
            translator.stack.push(value);
        }
        Operator::LocalSet { local_index } => {
            let value = translator.stack.pop();
            translator
                .builder
                .def_var(translator.locals[local_index as usize], value);
        }
        Operator::LocalTee { local_index } => {
            let value = translator.stack.peek_many(1)[0];
            translator
                .builder
                .def_var(translator.locals[local_index as usize], value);
        }
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    /// Declares the locals that are not parameters; each starts as zero or null.
    pub(super) fn declare_locals(&mut self, reader: &mut BinaryReader<'_>) -> Result<()> {
        let mut zeros: Vec<(Type, Value)> = Vec::new();
        for _ in 0..reader.read_var_u32()? {
            let count: u32 = reader.read()?;
            let machine_type = machine_type(reader.read()?);
            if count == 0 {
                continue;
            }
            let known = zeros.iter().find(|(known, _)| *known == machine_type);
            let zero = match known {
                Some(&(_, zero)) => zero,
                None => {
                    let zero = self.zero(machine_type);
                    zeros.push((machine_type, zero));
                    zero
                }
            };
            for _ in 0..count {
                let variable = self.builder.declare_var(machine_type);
                self.builder.def_var(variable, zero);
                self.locals.push(variable);
            }
        }
        Ok(())
    }

    /// Returns zero of any type.
    pub(super) fn zero(&mut self, machine_type: Type) -> Value {
        match machine_type {
            types::F32 => self.builder.ins().f32const(0.0),
            types::F64 => self.builder.ins().f64const(0.0),
            vector if vector.is_vector() => {
                let zero = self.builder.func.dfg.constants.insert(vec![0; 16].into());
                self.builder.ins().vconst(vector, zero)
            }
            integer => self.builder.ins().iconst(integer, 0),
        }
    }
}
