//! Imports: which are refused, and the signature check of those from WASI.
//!
//! A wrong signature would otherwise show only in the running guest, as registers that hold something else.

use super::types::FunctionType;
use crate::error::{Error, ErrorKind, ImportProblem};
use abi::builtins::ValueKind;
use abi::preview1;
use wasmparser::ValType;

/// The import module of WASI preview 0, whose functions have the same signatures as preview 1's.
const WASI_UNSTABLE: &str = "wasi_unstable";

/// The prefix of module names that are refused, since their symbols would be the project's own.
const RESERVED_MODULE_PREFIX: &str = "wasmetal";

/// An import.
#[derive(Clone, Debug)]
pub struct Import<'data, T> {
    /// Module name.
    pub module: &'data str,
    /// Name within it.
    pub name: &'data str,
    /// What is imported.
    pub item: T,
}

impl<T> Import<'_, T> {
    /// Returns the symbol that stands for the import.
    pub fn symbol(&self) -> String {
        abi::symbols::import(self.module, self.name)
    }
}

/// Refuses what no linker could satisfy. `function` is the type of an imported function, `None` for another import.
pub(super) fn check(
    import: &wasmparser::Import<'_>,
    function: Option<&FunctionType>,
    offset: u64,
) -> Result<(), Error> {
    let refuse = |problem| -> Result<(), Error> {
        Err(ErrorKind::Import {
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            problem,
            offset,
        }
        .into())
    };
    if import.module.starts_with(RESERVED_MODULE_PREFIX) {
        return refuse(ImportProblem::ReservedModule);
    }
    if import.module != preview1::MODULE && import.module != WASI_UNSTABLE {
        return Ok(());
    }
    let Some(found) = function else {
        return refuse(ImportProblem::NotAFunction);
    };
    let Some(expected) = preview1::find(import.name) else {
        return refuse(ImportProblem::UnknownWasiFunction);
    };
    if same(expected.params, &found.params) && same(expected.results, &found.results) {
        return Ok(());
    }
    refuse(ImportProblem::Signature {
        expected: words(&value_types(expected.params), &value_types(expected.results)),
        found: words(&found.params, &found.results),
    })
}

fn value_types(kinds: &[ValueKind]) -> Vec<ValType> {
    kinds
        .iter()
        .map(|kind| match kind {
            ValueKind::I32 => ValType::I32,
            ValueKind::I64 => ValType::I64,
        })
        .collect()
}

fn same(kinds: &[ValueKind], types: &[ValType]) -> bool {
    value_types(kinds) == types
}

fn words(params: &[ValType], results: &[ValType]) -> String {
    let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", list(params), list(results))
}
