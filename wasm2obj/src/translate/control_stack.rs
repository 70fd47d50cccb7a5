//! The nesting of structured control instructions, and where branches out of it lead.

use crate::translate::exception::Handlers;
use cranelift_codegen::ir::{Block, Value};

/// One entered control instruction.
#[derive(Debug)]
pub(super) struct ControlFrame {
    /// Which instruction.
    pub kind: ControlKind,
    /// Where its `end` continues: a block whose parameters are the results.
    pub exit: Block,
    /// Whether anything branches or falls through to `exit`.
    pub exit_is_reached: bool,
    /// Number of parameters.
    pub param_count: usize,
    /// Number of results.
    pub result_count: usize,
    /// Height of the operand stack without the parameters.
    pub height: usize,
}

/// The kinds of control instructions.
#[derive(Debug)]
pub(super) enum ControlKind {
    /// `block`, and the function itself.
    Block,
    /// `loop`, whose label is its header.
    Loop {
        /// The header: a block whose parameters are the loop's.
        header: Block,
    },
    /// `if` before its `else`.
    If {
        /// The block of the other arm.
        otherwise: Block,
        /// The parameters, which that arm starts with again.
        params: Vec<Value>,
    },
    /// An `if` after its `else`.
    Else,
    /// A `try_table`, or the body of an older `try`: calls inside it have handlers.
    Try {
        /// The handlers that apply outside, to be restored at its end.
        outer: Handlers,
    },
    /// A clause of an older `try`.
    Catch {
        /// The caught exception, for `rethrow`.
        exception: Value,
    },
}

impl ControlFrame {
    /// Returns the block that a branch to this label leads to.
    pub fn branch_target(&self) -> Block {
        match self.kind {
            ControlKind::Loop { header } => header,
            _ => self.exit,
        }
    }

    /// Returns the number of values that a branch to this label takes.
    pub fn branch_arity(&self) -> usize {
        match self.kind {
            ControlKind::Loop { .. } => self.param_count,
            _ => self.result_count,
        }
    }
}
