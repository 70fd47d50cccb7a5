//! Exceptions.

use super::function::FunctionTranslator;
use crate::error::Result;
use wasmparser::Operator;

/// The handlers around a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Handlers {}

/// Translates the operator if it is one of this family.
pub(super) fn translate(_translator: &mut FunctionTranslator<'_, '_>, _operator: &Operator<'_>) -> Result<bool> {
    Ok(false)
}
