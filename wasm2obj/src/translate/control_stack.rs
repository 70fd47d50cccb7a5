//! The nesting of structured control instructions, and where branches out of it lead.

use super::exception::Clause;
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
    /// A `try_table`.
    TryTable {
        /// Number of handlers around it.
        outer_count: usize,
        /// Its own.
        clauses: Vec<Clause>,
    },
    /// The body of an older `try`.
    Try {
        /// Number of handlers around it.
        outer_count: usize,
        /// Where every exception lands.
        landing: Block,
    },
    /// A clause of an older `try`.
    Catch {
        /// The caught exception; `None` if the clause cannot run.
        exception: Option<Value>,
        /// Where exceptions go that this clause and those before it do not take.
        dispatch: Option<Block>,
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
