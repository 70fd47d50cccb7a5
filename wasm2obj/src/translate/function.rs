//! The translation of one function body: state, and the dispatch of each operator to its family's file.
//!
//! Code that cannot run (after `br`, `return`, `unreachable`) is skipped up to the `end` or `else` that makes it reachable
//! again; only its nesting is counted. The module has been validated, so operands are there and have the right types.

use super::call::Callee;
use super::condition::Condition;
use super::control_stack::{ControlFrame, ControlKind};
use super::environment::{Environment, trap_code};
use super::exception::Handlers;
use super::known_values::KnownValues;
use super::operand_stack::OperandStack;
use super::signature::{self, POINTER};
use super::symbol::Symbol;
use super::{
    atomic, bulk_memory, call, control, conversion, exception, float, globals, integer, load_store, locals, reference,
    table, vector,
};
use crate::error::{Error, Result};
use crate::module::{FuncIndex, TypeIndex};
use abi::builtins::Builtin;
use cranelift_codegen::ir::{
    Block, ExtFuncData, FuncRef, Function, GlobalValue, GlobalValueData, Inst, InstBuilder, SourceLoc, UserFuncName,
    Value,
};
use cranelift_codegen::ir::{SigRef, Signature};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use wasmparser::{BlockType, FunctionBody, Operator, OperatorsReader};

/// The state of a translation.
pub(crate) struct FunctionTranslator<'a, 'b> {
    pub(super) environment: &'a Environment<'a>,
    pub(super) builder: FunctionBuilder<'b>,
    pub(super) stack: OperandStack,
    /// The result of the operator before, if that was a comparison: the operand on top of the stack.
    pub(super) condition: Option<Condition>,
    pub(super) known: KnownValues,
    pub(super) control: Vec<ControlFrame>,
    pub(super) locals: Vec<Variable>,
    /// Whether the operator at hand can run.
    pub(super) is_reachable: bool,
    /// Control instructions entered since it cannot.
    pub(super) skipped_depth: u32,
    /// Handlers around the operator at hand.
    pub(super) handlers: Handlers,
    /// Landing blocks that some call names.
    pub(super) landings_in_use: HashSet<Block>,
    /// Offset of the operator at hand in the module's file.
    pub(super) wasm_offset: u64,
    addresses: BTreeMap<Symbol, GlobalValue>,
    callees: BTreeMap<Symbol, FuncRef>,
    pub(super) signatures: BTreeMap<TypeIndex, SigRef>,
    pub(super) accepted_types: BTreeMap<TypeIndex, Rc<[u32]>>,
}

/// Translates the body of a defined function.
pub(crate) fn translate_function(
    environment: &Environment<'_>,
    function: FuncIndex,
    body: &FunctionBody<'_>,
    code: &mut Function,
    context: &mut FunctionBuilderContext,
) -> Result<()> {
    let function_type = environment.module.type_of_function(function);
    code.name = UserFuncName::User(Symbol::Function(function).external_name());
    code.signature = environment.wasm_signature(function_type);
    let mut translator = FunctionTranslator::new(environment, code, context);
    translator.enter_function(environment.module.functions[function]);
    let mut reader = body.get_binary_reader();
    translator.declare_locals(&mut reader)?;
    let mut operators = OperatorsReader::new(reader);
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        translator.wasm_offset = offset;
        translator.builder.set_srcloc(SourceLoc::new(offset as u32));
        translator.translate_operator(&operator)?;
    }
    translator.finish();
    Ok(())
}

impl<'a, 'b> FunctionTranslator<'a, 'b> {
    /// Starts the translation of a function whose name and signature are set.
    pub fn new(
        environment: &'a Environment<'a>,
        code: &'b mut Function,
        context: &'b mut FunctionBuilderContext,
    ) -> FunctionTranslator<'a, 'b> {
        FunctionTranslator {
            environment,
            builder: FunctionBuilder::new(code, context),
            stack: OperandStack::default(),
            condition: None,
            known: KnownValues::default(),
            control: Vec::new(),
            locals: Vec::new(),
            is_reachable: true,
            skipped_depth: 0,
            handlers: Handlers::default(),
            landings_in_use: HashSet::new(),
            wasm_offset: 0,
            addresses: BTreeMap::new(),
            callees: BTreeMap::new(),
            signatures: BTreeMap::new(),
            accepted_types: BTreeMap::new(),
        }
    }

    /// Opens the function's own frame and turns its parameters into locals.
    fn enter_function(&mut self, type_index: TypeIndex) {
        let entry = self.enter_thunk();
        for value in self.builder.block_params(entry).to_vec() {
            let variable = self.builder.declare_var(self.builder.func.dfg.value_type(value));
            self.builder.def_var(variable, value);
            self.locals.push(variable);
        }
        self.control.push(ControlFrame {
            kind: ControlKind::Block,
            block_type: BlockType::FuncType(type_index.as_u32()),
            exit: None,
            param_count: 0,
            result_count: self.environment.module.function_type(type_index).results.len(),
            height: 0,
        });
    }

    /// Opens the only block of a function that has no WebAssembly body, and returns it.
    pub fn enter_thunk(&mut self) -> Block {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        self.builder.seal_block(entry);
        entry
    }

    /// Returns the builder of the function.
    pub fn builder_mut(&mut self) -> &mut FunctionBuilder<'b> {
        &mut self.builder
    }

    /// Ends the translation.
    pub fn finish(self) {
        let target = self.environment.target;
        self.builder.finalize(target);
    }

    fn translate_operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        if !self.is_reachable {
            control::translate_unreachable(self, operator);
            return Ok(());
        }
        self.prepare_operand(operator);
        let is_known = control::translate(self, operator)?
            || locals::translate(self, operator)
            || load_store::translate(self, operator)
            || integer::translate(self, operator)
            || call::translate(self, operator)
            || globals::translate(self, operator)
            || float::translate(self, operator)
            || conversion::translate(self, operator)
            || reference::translate(self, operator)
            || table::translate(self, operator)
            || bulk_memory::translate(self, operator)
            || exception::translate(self, operator)
            || atomic::translate(self, operator)
            || vector::translate(self, operator);
        if is_known {
            return Ok(());
        }
        Err(Error::unsupported_operator(operator, self.wasm_offset))
    }

    /// Returns the address of a symbol.
    pub(crate) fn address_of(&mut self, symbol: Symbol) -> Value {
        if let Some(address) = self.known.addresses.get(&symbol) {
            return address;
        }
        let global_value = match self.addresses.get(&symbol) {
            Some(&global_value) => global_value,
            None => {
                let name = self.builder.func.declare_imported_user_function(symbol.external_name());
                let global_value = self.builder.create_global_value(GlobalValueData::Symbol {
                    name: Symbol::name(name),
                    offset: 0.into(),
                    colocated: true,
                    tls: false,
                });
                self.addresses.insert(symbol, global_value);
                global_value
            }
        };
        let address = self.builder.ins().symbol_value(POINTER, global_value);
        self.known.addresses.note(symbol, address);
        address
    }

    /// Returns a reference for direct calls.
    pub(crate) fn callee(&mut self, symbol: Symbol, signature: impl FnOnce() -> Signature) -> FuncRef {
        if let Some(&callee) = self.callees.get(&symbol) {
            return callee;
        }
        let name = self.builder.func.declare_imported_user_function(symbol.external_name());
        let signature: SigRef = self.builder.import_signature(signature());
        let callee = self.builder.import_function(ExtFuncData {
            name: Symbol::name(name),
            signature,
            colocated: true,
            patchable: false,
        });
        self.callees.insert(symbol, callee);
        callee
    }

    /// Calls a runtime function and returns its result, if it has one.
    pub(crate) fn call_builtin(&mut self, builtin: Builtin, arguments: &[Value]) -> Option<Value> {
        let call_conv = self.environment.c_call_conv();
        let callee = self.callee(Symbol::Builtin(builtin), || signature::of_builtin(builtin, call_conv));
        let call: Inst = self.builder.ins().call(callee, arguments);
        self.builder.inst_results(call).first().copied()
    }

    /// Calls a function and returns its results.
    pub(super) fn emit_call(&mut self, callee: Callee, arguments: &[Value]) -> Vec<Value> {
        if !self.handlers.is_empty() {
            return self.emit_try_call(callee, arguments);
        }
        let call = match callee {
            Callee::Direct(function) => self.builder.ins().call(function, arguments),
            Callee::Indirect(signature, code) => self.builder.ins().call_indirect(signature, code, arguments),
        };
        self.builder.inst_results(call).to_vec()
    }

    /// Traps if `condition` is not zero.
    pub(super) fn trap_if(&mut self, condition: Value, code: abi::trap_code::TrapCode) {
        self.builder.ins().trapnz(condition, trap_code(code));
    }

    /// Traps, and leaves the code after it unreachable.
    pub(super) fn trap(&mut self, code: abi::trap_code::TrapCode) {
        self.builder.ins().trap(trap_code(code));
        self.is_reachable = false;
    }

    /// Creates a block with a parameter of each type.
    pub(super) fn create_block_with_params(&mut self, types: &[wasmparser::ValType]) -> Block {
        let block = self.builder.create_block();
        for &value_type in types {
            self.builder
                .append_block_param(block, signature::machine_type(value_type));
        }
        block
    }
}
