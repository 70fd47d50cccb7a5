//! Functions that the module does not contain: entries in other conventions, call trampolines, and the null callee.

use super::functions::{CompiledFunction, Worker};
use crate::error::Result;
use crate::module::FuncIndex;
use crate::translate::{Environment, FunctionTranslator, Symbol, signature, trap_code};
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::{
    AbiParam, Endianness, InstBuilder, MemFlagsData, Signature, UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_entity::EntityRef;

/// Bytes between the values of a call trampoline's array.
const VALUE_STRIDE: i32 = 16;

/// The namespace of functions that nothing refers to by symbol.
const UNNAMED_NAMESPACE: u32 = 254;

/// Makes a function that passes its arguments on to `function`.
///
/// In the C convention this is an export's entry; in the convention of calls inside WebAssembly, an import's.
pub(super) fn compile_entry(
    worker: &mut Worker<'_>,
    environment: &Environment<'_>,
    function: FuncIndex,
    call_conv: CallConv,
) -> Result<CompiledFunction> {
    let function_type = environment.module.type_of_function(function);
    start(worker, signature::of_type(function_type, call_conv), function.as_u32());
    let mut translator = FunctionTranslator::new(environment, &mut worker.context.func, &mut worker.builder_context);
    let entry = translator.enter_thunk();
    let arguments = translator.builder_mut().block_params(entry).to_vec();
    let callee = translator.direct_callee(function);
    let builder = translator.builder_mut();
    let call = builder.ins().call(callee, &arguments);
    let results = builder.inst_results(call).to_vec();
    builder.ins().return_(&results);
    translator.finish();
    worker.compile(function)
}

/// Makes a function that takes arguments from an array of 16-byte values and leaves results there.
pub(super) fn compile_trampoline(
    worker: &mut Worker<'_>,
    environment: &Environment<'_>,
    function: FuncIndex,
) -> Result<CompiledFunction> {
    let function_type = environment.module.type_of_function(function);
    let mut own_signature = Signature::new(environment.c_call_conv());
    own_signature.params.push(AbiParam::new(types::I64));
    start(worker, own_signature, function.as_u32());
    let mut translator = FunctionTranslator::new(environment, &mut worker.context.func, &mut worker.builder_context);
    let entry = translator.enter_thunk();
    let callee = translator.direct_callee(function);
    let builder = translator.builder_mut();
    let values = builder.block_params(entry)[0];
    let flags = MemFlagsData::new().with_notrap().with_endianness(Endianness::Little);
    let arguments: Vec<_> = (0..)
        .zip(&function_type.params)
        .map(|(position, &param)| {
            builder
                .ins()
                .load(signature::machine_type(param), flags, values, position * VALUE_STRIDE)
        })
        .collect();
    let call = builder.ins().call(callee, &arguments);
    for (position, result) in (0..).zip(builder.inst_results(call).to_vec()) {
        builder.ins().store(flags, result, values, position * VALUE_STRIDE);
    }
    builder.ins().return_(&[]);
    translator.finish();
    worker.compile(function)
}

/// Makes the function that null elements of read-only tables lead to.
pub(super) fn compile_null_callee(worker: &mut Worker<'_>, environment: &Environment<'_>) -> Result<CompiledFunction> {
    start(worker, Signature::new(signature::WASM_CALL_CONV), 0);
    let mut translator = FunctionTranslator::new(environment, &mut worker.context.func, &mut worker.builder_context);
    translator.enter_thunk();
    translator
        .builder_mut()
        .ins()
        .trap(trap_code(TrapCode::IndirectCallToNull));
    translator.finish();
    worker.compile(FuncIndex::new(0))
}

fn start(worker: &mut Worker<'_>, own_signature: Signature, index: u32) {
    worker.context.clear();
    worker.context.func.name = UserFuncName::User(UserExternalName {
        namespace: UNNAMED_NAMESPACE,
        index,
    });
    worker.context.func.signature = own_signature;
}

/// Returns the symbol of the entry of a function in the convention of calls inside WebAssembly.
pub(super) fn internal_entry(environment: &Environment<'_>, function: FuncIndex) -> Symbol {
    match environment.module.defined_function(function) {
        Some(_) => Symbol::Function(function),
        None => Symbol::ImportThunk(function),
    }
}
