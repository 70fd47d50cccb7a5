//! Imports: which are refused, and the signature check of those from WASI.
//!
//! A wrong signature would otherwise show only in the running guest, as registers that hold something else.

use super::types::FunctionType;
use crate::error::{Error, ErrorKind, ImportProblem};
use abi::builtins::ValueKind;
use abi::{preview1, socket_extension};
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
    /// Name in the symbol, where it is not the import's own: the form of a WASI function that fits the import's type.
    pub form: Option<&'static str>,
    /// What is imported.
    pub item: T,
}

impl<T> Import<'_, T> {
    /// Returns the symbol that stands for the import.
    pub fn symbol(&self) -> String {
        abi::symbols::import(self.module, self.form.unwrap_or(self.name))
    }
}

/// Refuses what no linker could satisfy. `function` is the type of an imported function, `None` for another import. Returns the
/// name that the symbol has if the type tells which form of a function is meant.
pub(super) fn check(
    import: &wasmparser::Import<'_>,
    function: Option<&FunctionType>,
    offset: u64,
) -> Result<Option<&'static str>, Error> {
    let refuse = |problem| -> Result<Option<&'static str>, Error> {
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
        return Ok(None);
    }
    let Some(found) = function else {
        return refuse(ImportProblem::NotAFunction);
    };
    let standard = preview1::find(import.name).map(|function| (function.params, function.results, None));
    let forms = socket_extension::find(import.name);
    let forms = forms.map(|form| (form.params, &[ValueKind::I32][..], Some(form.symbol_name)));
    let mut candidates = standard.into_iter().chain(forms).peekable();
    let Some(&(params, results, _)) = candidates.peek() else {
        return refuse(ImportProblem::UnknownWasiFunction);
    };
    if let Some((_, _, form)) = candidates.find(|form| same(form.0, &found.params) && same(form.1, &found.results)) {
        return Ok(form);
    }
    refuse(ImportProblem::Signature {
        expected: words(&value_types(params), &value_types(results)),
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
