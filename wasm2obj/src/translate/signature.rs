//! Types and signatures of machine code.
//!
//! Functions call one another in Cranelift's `tail` convention, which tail calls need, and in which no register survives a
//! call, so that an exception can be delivered by setting stack and frame pointer alone. Imports and exports use the platform's
//! C convention: imports are called in it directly, exports get an entry of their own that passes the arguments on. A
//! function reference always leads to an entry in the `tail` convention.

use crate::module::FunctionType;
use abi::builtins::{Builtin, ValueKind};
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use wasmparser::ValType;

/// The convention of calls inside WebAssembly, and of all function references.
pub(crate) const WASM_CALL_CONV: CallConv = CallConv::Tail;

/// The type of addresses and references.
pub(crate) const POINTER: Type = types::I64;

/// Returns the machine type of a WebAssembly type. References are addresses; vectors are bytes until an instruction says else.
pub(crate) fn machine_type(value_type: ValType) -> Type {
    match value_type {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        ValType::Ref(_) => POINTER,
    }
}

/// Returns the signature of a function type in a convention.
pub(crate) fn of_type(function_type: &FunctionType, call_conv: CallConv) -> Signature {
    let mut signature = Signature::new(call_conv);
    signature.params.extend(
        function_type
            .params
            .iter()
            .map(|&param| AbiParam::new(machine_type(param))),
    );
    signature.returns.extend(
        function_type
            .results
            .iter()
            .map(|&result| AbiParam::new(machine_type(result))),
    );
    signature
}

/// Returns the signature of a runtime function.
pub(crate) fn of_builtin(builtin: Builtin, call_conv: CallConv) -> Signature {
    let list = |kinds: &[ValueKind]| {
        kinds
            .iter()
            .map(|kind| {
                AbiParam::new(match kind {
                    ValueKind::I32 => types::I32,
                    ValueKind::I64 => types::I64,
                })
            })
            .collect()
    };
    let (params, results) = builtin.signature();
    Signature {
        params: list(params),
        returns: list(results),
        call_conv,
    }
}
