//! Calls: direct, through tables, through references, and their tail forms.
//!
//! A call through a table that nothing writes indexes an array of code addresses. Its length is a constant; null elements lead
//! to a function that traps; the type is compared only where the table's functions have more than one. Any other table holds
//! addresses of [`FuncRef`](abi::instance::FuncRef)s, each of which is tested for null and for its type.

use super::environment::{ReadOnlyTable, TableForm, trap_code};
use super::function::FunctionTranslator;
use super::globals::own_data;
use super::signature::POINTER;
use super::symbol::Symbol;
use crate::module::{FuncIndex, TableIndex, TypeIndex, index};
use abi::instance::FuncRef as FuncRefLayout;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{FuncRef, InstBuilder, MemFlagsData, SigRef, Value, types};
use std::rc::Rc;
use wasmparser::Operator;

/// What a call leads to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callee {
    /// A function known by name.
    Direct(FuncRef),
    /// A code address.
    Indirect(SigRef, Value),
}

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::Call { function_index } => translator.translate_call(index(function_index)),
        Operator::CallIndirect {
            type_index,
            table_index,
        } => {
            if let Some(callee) = translator.table_callee(index(table_index), index(type_index)) {
                translator.call_type(callee, index(type_index));
            }
        }
        Operator::CallRef { type_index } => {
            let callee = translator.reference_callee(index(type_index));
            translator.call_type(callee, index(type_index));
        }
        Operator::ReturnCall { function_index } => translator.translate_return_call(index(function_index)),
        Operator::ReturnCallIndirect {
            type_index,
            table_index,
        } => {
            if let Some(callee) = translator.table_callee(index(table_index), index(type_index)) {
                translator.tail_call_type(callee, index(type_index));
            }
        }
        Operator::ReturnCallRef { type_index } => {
            let callee = translator.reference_callee(index(type_index));
            translator.tail_call_type(callee, index(type_index));
        }
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    fn translate_call(&mut self, function: FuncIndex) {
        let callee = self.direct_callee(function);
        self.call_type(Callee::Direct(callee), self.environment.module.functions[function]);
    }

    fn translate_return_call(&mut self, function: FuncIndex) {
        let callee = self.internal_callee(function);
        self.tail_call_type(Callee::Direct(callee), self.environment.module.functions[function]);
    }

    /// Returns a function for a call: an imported one is called in the C convention, without a detour.
    pub(crate) fn direct_callee(&mut self, function: FuncIndex) -> FuncRef {
        let environment = self.environment;
        // An exception that crosses a call in the C convention would have to restore registers. Inside a `try`, imports are
        // therefore called through an entry of the other convention, in which none are kept.
        if environment.module.defined_function(function).is_some() || !self.handlers.is_empty() {
            return self.internal_callee(function);
        }
        self.callee(Symbol::ImportedFunction(function), || {
            environment.c_signature(environment.module.type_of_function(function))
        })
    }

    /// Returns a function's entry in the convention of calls inside WebAssembly.
    fn internal_callee(&mut self, function: FuncIndex) -> FuncRef {
        let environment = self.environment;
        let symbol = match environment.module.defined_function(function) {
            Some(_) => Symbol::Function(function),
            None => Symbol::ImportThunk(function),
        };
        self.callee(symbol, || {
            environment.wasm_signature(environment.module.type_of_function(function))
        })
    }

    fn call_type(&mut self, callee: Callee, type_index: TypeIndex) {
        let count = self.environment.module.function_type(type_index).params.len();
        let arguments = self.stack.pop_many(count);
        let results = self.emit_call(callee, &arguments);
        self.stack.push_all(&results);
    }

    fn tail_call_type(&mut self, callee: Callee, type_index: TypeIndex) {
        let count = self.environment.module.function_type(type_index).params.len();
        let arguments = self.stack.pop_many(count);
        match callee {
            Callee::Direct(function) => self.builder.ins().return_call(function, &arguments),
            Callee::Indirect(signature, code) => self.builder.ins().return_call_indirect(signature, code, &arguments),
        };
        self.is_reachable = false;
    }

    fn signature_of_type(&mut self, type_index: TypeIndex) -> SigRef {
        if let Some(&signature) = self.signatures.get(&type_index) {
            return signature;
        }
        let signature = self
            .environment
            .wasm_signature(self.environment.module.function_type(type_index));
        let signature = self.builder.import_signature(signature);
        self.signatures.insert(type_index, signature);
        signature
    }

    fn reference_callee(&mut self, type_index: TypeIndex) -> Callee {
        let reference = self.stack.pop();
        // Address 0 may be linear memory, so the null test cannot be left to the MMU.
        self.builder.ins().trapz(reference, trap_code(TrapCode::NullReference));
        let code = self
            .builder
            .ins()
            .load(POINTER, own_data(), reference, FuncRefLayout::CODE);
        Callee::Indirect(self.signature_of_type(type_index), code)
    }

    /// Pops a table index and returns what it leads to, or `None` if the call always traps.
    fn table_callee(&mut self, table: TableIndex, type_index: TypeIndex) -> Option<Callee> {
        let environment = self.environment;
        match &environment.tables[table] {
            TableForm::ReadOnly(functions) => self.read_only_callee(table, functions, type_index),
            TableForm::General { .. } => {
                let element = self.pop_element_address(table);
                let reference = self.builder.ins().load(POINTER, own_data(), element, 0);
                self.builder
                    .ins()
                    .trapz(reference, trap_code(TrapCode::IndirectCallToNull));
                if !self.has_exact_type(table, type_index) {
                    let found = self
                        .builder
                        .ins()
                        .load(types::I32, own_data(), reference, FuncRefLayout::TYPE_ID);
                    self.check_type(found, type_index);
                }
                let code = self
                    .builder
                    .ins()
                    .load(POINTER, own_data(), reference, FuncRefLayout::CODE);
                Some(Callee::Indirect(self.signature_of_type(type_index), code))
            }
        }
    }

    /// Tells whether the table's element type leaves no function of another type.
    fn has_exact_type(&self, table: TableIndex, type_index: TypeIndex) -> bool {
        let element_type = self.environment.module.tables[table].table_type.element_type;
        let Some(element_index) = element_type.type_index().and_then(|packed| packed.as_module_index()) else {
            return false;
        };
        self.environment.type_id(index(element_index)) == self.environment.type_id(type_index)
    }

    fn check_type(&mut self, found: Value, type_index: TypeIndex) {
        let is_accepted = self.is_accepted_type(found, type_index);
        self.builder.ins().trapz(is_accepted, trap_code(TrapCode::BadSignature));
    }

    /// Compares a type number with those that a call accepts.
    fn is_accepted_type(&mut self, found: Value, type_index: TypeIndex) -> Value {
        let accepted = self.accepted_ids(type_index);
        let mut matches = self
            .builder
            .ins()
            .icmp_imm_u(IntCC::Equal, found, i64::from(accepted[0]));
        for &subtype in &accepted[1..] {
            let equals = self.builder.ins().icmp_imm_u(IntCC::Equal, found, i64::from(subtype));
            matches = self.builder.ins().bor(matches, equals);
        }
        matches
    }

    fn accepted_ids(&mut self, type_index: TypeIndex) -> Rc<[u32]> {
        let environment = self.environment;
        let compute = || environment.accepted_type_ids(type_index).into();
        Rc::clone(self.accepted_types.entry(type_index).or_insert_with(compute))
    }

    fn read_only_callee(
        &mut self,
        table: TableIndex,
        entries: &ReadOnlyTable,
        type_index: TypeIndex,
    ) -> Option<Callee> {
        let popped = self.stack.pop();
        let accepted = self.accepted_ids(type_index);
        if let Some(position) = self.constant_bits(popped) {
            let known = usize::try_from(position)
                .ok()
                .and_then(|position| entries.functions.get(position));
            let code = match known {
                None => TrapCode::TableOutOfBounds,
                Some(None) => TrapCode::IndirectCallToNull,
                Some(&function) if !accepted.contains(&self.environment.function_type_id(function)) => {
                    TrapCode::BadSignature
                }
                Some(&Some(function)) => return Some(Callee::Direct(self.internal_callee(function))),
            };
            self.trap(code);
            return None;
        }
        let is_64 = self.environment.module.tables[table].table_type.table64;
        let position = self.widen_index(popped, is_64);
        let length = entries.functions.len() as i64;
        let is_outside = self
            .builder
            .ins()
            .icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, position, length);
        self.trap_if(is_outside, TrapCode::TableOutOfBounds);
        if !entries.uniform_type.is_some_and(|uniform| accepted.contains(&uniform)) {
            self.check_listed_type(table, position, type_index);
        }
        let codes = self.address_of(Symbol::TableCode(table));
        let offset = self.builder.ins().ishl_imm_u(position, 3);
        let address = self.builder.ins().iadd(codes, offset);
        let code = self.builder.ins().load(POINTER, constant_data(), address, 0);
        Some(Callee::Indirect(self.signature_of_type(type_index), code))
    }

    fn check_listed_type(&mut self, table: TableIndex, position: Value, type_index: TypeIndex) {
        let type_ids = self.address_of(Symbol::TableTypes(table));
        let offset = self.builder.ins().ishl_imm_u(position, 2);
        let address = self.builder.ins().iadd(type_ids, offset);
        let found = self.builder.ins().load(types::I32, constant_data(), address, 0);
        let is_accepted = self.is_accepted_type(found, type_index);
        let (matches, mismatch) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(mismatch);
        self.branch_if(is_accepted, matches, &[], mismatch);
        self.continue_below(mismatch);
        self.builder.ins().trapz(found, trap_code(TrapCode::IndirectCallToNull));
        self.builder.ins().trap(trap_code(TrapCode::BadSignature));
        self.continue_below(matches);
    }
}

/// Flags of a load from the object's read-only data.
fn constant_data() -> MemFlagsData {
    own_data().with_readonly().with_can_move()
}
