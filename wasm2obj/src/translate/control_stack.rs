//! The nesting of structured control instructions, and where branches out of it lead.

use super::exception::Clause;
use cranelift_codegen::ir::{Block, Inst, Value};
use wasmparser::BlockType;

/// One entered control instruction.
#[derive(Debug)]
pub(super) struct ControlFrame {
    /// Which instruction.
    pub kind: ControlKind,
    /// Its parameters and results.
    pub block_type: BlockType,
    /// Where its `end` continues, as soon as anything branches there: a block whose parameters are the results.
    pub exit: Option<Block>,
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
    /// `block`, an `if` after its `else`, and the function itself.
    Block,
    /// `loop`, whose label is its header.
    Loop {
        /// The header: a block whose parameters are the loop's.
        header: Block,
    },
    /// `if` without parameters and results, before its `else`.
    If {
        /// The branch to the exit if the condition is zero; an `else` takes that over.
        branch: Inst,
    },
    /// Any other `if` before its `else`.
    IfWithValues {
        /// The block of the other arm.
        otherwise: Block,
        /// The parameters, which that arm starts with again.
        params: Vec<Value>,
    },
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
