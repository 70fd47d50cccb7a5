//! One function body to Cranelift IR: a dispatcher, and one file per family of operators.
//!
//! [`Environment`] says how the module's memories, tables and globals are laid out; [`translate_function`] turns a body into
//! IR with it. What the IR refers to is a [`Symbol`]; where that lies is decided by `codegen`.
//!
//! Read first: [`Environment`], [`FunctionTranslator`], `control.rs`, `bounds_check.rs`, `call.rs`.

mod atomic;
mod bounds_check;
mod bulk_memory;
mod call;
mod condition;
mod const_expression;
mod control;
mod control_stack;
mod conversion;
mod environment;
mod exception;
mod float;
mod function;
mod globals;
mod integer;
mod known_values;
mod load_store;
mod locals;
mod operand_stack;
mod reference;
pub(crate) mod signature;
mod symbol;
mod table;
mod table_layout;
mod vector;

pub(crate) use environment::{Environment, ReadOnlyTable, TableForm, trap_code};
pub(crate) use function::{FunctionTranslator, translate_function};
pub(crate) use symbol::Symbol;
pub(crate) use table_layout::MAX_TABLE_LENGTH;
