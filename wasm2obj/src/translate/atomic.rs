//! Atomic instructions.

use super::function::FunctionTranslator;
use wasmparser::Operator;

/// Translates the operator if it is one of this family.
pub(super) fn translate(_translator: &mut FunctionTranslator<'_, '_>, _operator: &Operator<'_>) -> bool {
    false
}
