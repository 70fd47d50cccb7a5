//! References: null, functions, and tests for null.

use super::environment::trap_code;
use super::function::FunctionTranslator;
use super::symbol::Symbol;
use crate::module::index;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::RefNull { .. } => {
            let null = translator.builder.ins().iconst(types::I64, 0);
            translator.stack.push(null);
        }
        Operator::RefFunc { function_index } => {
            let reference = translator.address_of(Symbol::FuncRef(index(function_index)));
            translator.stack.push(reference);
        }
        Operator::RefIsNull => {
            let reference = translator.stack.pop();
            let is_null = translator.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
            translator.push_bool(is_null);
        }
        Operator::RefAsNonNull => {
            let reference = translator.stack.peek_many(1)[0];
            translator
                .builder
                .ins()
                .trapz(reference, trap_code(TrapCode::NullReference));
        }
        Operator::BrOnNull { relative_depth } => {
            let reference = translator.stack.pop();
            let (target, count) = translator.reach_label(relative_depth);
            let arguments = translator.stack.peek_many(count).to_vec();
            let next = translator.builder.create_block();
            let is_null = translator.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0);
            translator.branch_if(is_null, target, &arguments, next);
            translator.continue_below(next);
            translator.stack.push(reference);
        }
        Operator::BrOnNonNull { relative_depth } => {
            let (target, count) = translator.reach_label(relative_depth);
            let arguments = translator.stack.peek_many(count).to_vec();
            let reference = translator.stack.pop();
            let next = translator.builder.create_block();
            translator.branch_if(reference, target, &arguments, next);
            translator.continue_below(next);
        }
        _ => return false,
    }
    true
}
