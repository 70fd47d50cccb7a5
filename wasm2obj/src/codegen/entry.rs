//! `wasmetal.initialize`: the part of instantiation that depends on imports, and the start function.
//!
//! It is translated with the code that function bodies use, so its traps have Wasm offsets like theirs.

use super::functions::{CompiledFunction, Worker};
use super::instantiation::Instantiation;
use crate::error::Result;
use crate::module::{ConstExpr, DataIndex, ElemIndex, SegmentMode, TableIndex};
use crate::translate::{Environment, FunctionTranslator, Symbol};
use abi::builtins::Builtin;
use cranelift_codegen::ir::{InstBuilder, Signature, SourceLoc, UserExternalName, UserFuncName, types};
use cranelift_entity::EntityRef;

/// The namespace of this function's name, which nothing refers to.
const ENTRY_NAMESPACE: u32 = 253;

/// Makes the function, or nothing if there is nothing to do.
pub(super) fn compile_initialize(
    worker: &mut Worker<'_>,
    environment: &Environment<'_>,
    plan: &Instantiation,
) -> Result<Option<CompiledFunction>> {
    let module = environment.module;
    if plan.is_complete() && module.start.is_none() {
        return Ok(None);
    }
    worker.context.clear();
    worker.context.func.name = UserFuncName::User(UserExternalName {
        namespace: ENTRY_NAMESPACE,
        index: 0,
    });
    worker.context.func.signature = Signature::new(environment.c_call_conv());
    let mut translator = FunctionTranslator::new(environment, &mut worker.context.func, &mut worker.builder_context);
    translator.enter_thunk();
    for &global in &plan.dynamic_globals {
        if let Some(initial) = &module.globals[global].initial {
            let value = translator.const_expression(initial);
            translator.write_global(global, value);
        }
    }
    for &table in &plan.dynamic_tables {
        if let Some(initial) = &module.tables[table].initial {
            fill_table(&mut translator, table, initial);
        }
    }
    for &(element, position) in &plan.dynamic_items {
        let value = translator.const_expression(&module.elements[element].items.expression(position));
        translator.write_element(Symbol::ElemElements(element), position, value);
    }
    for &element in &plan.dynamic_elements {
        apply_element(&mut translator, environment, element);
    }
    for &data in &plan.dynamic_data {
        apply_data(&mut translator, environment, data);
    }
    if let Some(start) = module.start {
        let callee = translator.direct_callee(start);
        translator.builder_mut().ins().call(callee, &[]);
    }
    translator.builder_mut().ins().return_(&[]);
    translator.finish();
    worker.compile(crate::module::FuncIndex::new(0)).map(Some)
}

fn fill_table(translator: &mut FunctionTranslator<'_, '_>, table: TableIndex, initial: &ConstExpr) {
    let value = translator.const_expression(initial);
    let first = translator.address_of(Symbol::TableElements(table));
    let length = translator.table_length(table);
    translator.call_builtin(Builtin::TableFill, &[first, value, length]);
}

fn apply_element(translator: &mut FunctionTranslator<'_, '_>, environment: &Environment<'_>, index: ElemIndex) {
    let element = &environment.module.elements[index];
    if let SegmentMode::Active { target, offset } = &element.mode {
        translator.builder_mut().set_srcloc(SourceLoc::new(element.wasm_offset));
        let is_64 = environment.module.tables[*target].table_type.table64;
        let offset = translator.const_expression(offset);
        let destination = translator.widen_index(offset, is_64);
        let source = translator.builder_mut().ins().iconst(types::I64, 0);
        let length = translator
            .builder_mut()
            .ins()
            .iconst(types::I64, element.items.len() as i64);
        translator.table_init(*target, index, destination, source, length);
        translator.drop_segment(Symbol::ElemSegment(index));
    }
}

fn apply_data(translator: &mut FunctionTranslator<'_, '_>, environment: &Environment<'_>, index: DataIndex) {
    let data = &environment.module.data[index];
    if let SegmentMode::Active { target, offset } = &data.mode {
        translator.builder_mut().set_srcloc(SourceLoc::new(data.wasm_offset));
        let is_64 = environment.memories[*target].is_64;
        let offset = translator.const_expression(offset);
        let destination = translator.widen_index(offset, is_64);
        let source = translator.builder_mut().ins().iconst(types::I64, 0);
        let length = translator
            .builder_mut()
            .ins()
            .iconst(types::I64, data.bytes.len() as i64);
        translator.memory_init(*target, index, destination, source, length);
        translator.drop_segment(Symbol::DataSegment(index));
    }
}
