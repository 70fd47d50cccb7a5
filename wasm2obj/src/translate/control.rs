//! Structured control: blocks, loops, conditionals and branches.

use super::control_stack::{ControlFrame, ControlKind};
use super::exception;
use super::function::FunctionTranslator;
use crate::error::Result;
use crate::module::index;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, JumpTableData, Value};
use wasmparser::{BlockType, BrTable, Operator, ValType};

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> Result<bool> {
    match *operator {
        Operator::Nop => {}
        Operator::Unreachable => translator.trap(TrapCode::Unreachable),
        Operator::Block { blockty } => translator.translate_block(blockty),
        Operator::Loop { blockty } => translator.translate_loop(blockty),
        Operator::If { blockty } => translator.translate_if(blockty),
        Operator::Else => translator.translate_else(),
        Operator::End => translator.translate_end(),
        Operator::Br { relative_depth } => translator.translate_br(relative_depth),
        Operator::BrIf { relative_depth } => translator.translate_br_if(relative_depth),
        Operator::BrTable { ref targets } => translator.translate_br_table(targets)?,
        Operator::Return => translator.translate_return(),
        Operator::Drop => {
            translator.stack.pop();
        }
        Operator::Select | Operator::TypedSelect { .. } => {
            let (first, second, condition) = translator.stack.pop3();
            let value = translator.builder.ins().select(condition, first, second);
            translator.stack.push(value);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Follows the nesting of code that cannot run.
pub(super) fn translate_unreachable(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) {
    match operator {
        Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::Try { .. }
        | Operator::TryTable { .. } => translator.skipped_depth += 1,
        Operator::Else if translator.skipped_depth == 0 => translator.translate_else(),
        Operator::Catch { .. } | Operator::CatchAll if translator.skipped_depth == 0 => {
            exception::translate(translator, operator);
        }
        Operator::End | Operator::Delegate { .. } if translator.skipped_depth > 0 => translator.skipped_depth -= 1,
        Operator::End => translator.translate_end(),
        Operator::Delegate { .. } => {
            exception::translate(translator, operator);
        }
        _ => {}
    }
}

impl FunctionTranslator<'_, '_> {
    /// Returns parameters and results of a block type.
    pub(super) fn block_types(&self, block_type: BlockType) -> (Vec<ValType>, Vec<ValType>) {
        match block_type {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(result) => (Vec::new(), vec![result]),
            BlockType::FuncType(type_index) => {
                let function_type = self.environment.module.function_type(index(type_index));
                (function_type.params.to_vec(), function_type.results.to_vec())
            }
        }
    }

    /// Opens a frame; its parameters stay on the operand stack.
    pub(super) fn push_frame(&mut self, kind: ControlKind, params: &[ValType], results: &[ValType]) {
        let exit = self.create_block_with_params(results);
        self.control.push(ControlFrame {
            kind,
            exit,
            exit_is_reached: false,
            param_count: params.len(),
            result_count: results.len(),
            height: self.stack.height() - params.len(),
        });
    }

    /// Returns the innermost frame. Validation lets no operator appear outside of all frames.
    pub(super) fn frame(&mut self) -> &mut ControlFrame {
        self.control.last_mut().expect("validated: inside a frame")
    }

    /// Jumps to a block with arguments.
    pub(super) fn jump(&mut self, block: Block, arguments: &[Value]) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().jump(block, &arguments);
    }

    /// Jumps to `then` with arguments if the condition is not zero, else to `otherwise`.
    pub(super) fn branch_if(&mut self, condition: Value, then: Block, arguments: &[Value], otherwise: Block) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().brif(condition, then, &arguments, otherwise, &[]);
    }

    /// Continues in a block that has only the predecessors it has now.
    pub(super) fn continue_in(&mut self, block: Block) {
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        self.is_reachable = true;
    }

    /// Marks a label as branched to, and returns where that leads and how many values it takes.
    pub(super) fn reach_label(&mut self, depth: u32) -> (Block, usize) {
        let position = self.control.len() - 1 - depth as usize;
        let frame = &mut self.control[position];
        if !matches!(frame.kind, ControlKind::Loop { .. }) {
            frame.exit_is_reached = true;
        }
        (frame.branch_target(), frame.branch_arity())
    }

    fn translate_block(&mut self, block_type: BlockType) {
        let (params, results) = self.block_types(block_type);
        self.push_frame(ControlKind::Block, &params, &results);
    }

    fn translate_loop(&mut self, block_type: BlockType) {
        let (params, results) = self.block_types(block_type);
        let header = self.create_block_with_params(&params);
        let arguments = self.stack.pop_many(params.len());
        self.jump(header, &arguments);
        self.builder.switch_to_block(header);
        let header_params = self.builder.block_params(header).to_vec();
        self.stack.push_all(&header_params);
        self.push_frame(ControlKind::Loop { header }, &params, &results);
    }

    fn translate_if(&mut self, block_type: BlockType) {
        let (params, results) = self.block_types(block_type);
        let condition = self.stack.pop();
        let (then, otherwise) = (self.builder.create_block(), self.builder.create_block());
        self.branch_if(condition, then, &[], otherwise);
        self.continue_in(then);
        let values = self.stack.peek_many(params.len()).to_vec();
        self.push_frame(
            ControlKind::If {
                otherwise,
                params: values,
            },
            &params,
            &results,
        );
    }

    /// Jumps to the innermost frame's exit with its results, if the code at hand can run.
    pub(super) fn fall_through(&mut self) {
        if self.is_reachable {
            // Not the frame's label: of a loop, that is its header.
            let frame = self.frame();
            frame.exit_is_reached = true;
            let (exit, count) = (frame.exit, frame.result_count);
            let results = self.stack.pop_many(count);
            self.jump(exit, &results);
        }
    }

    fn translate_else(&mut self) {
        self.fall_through();
        let frame = self.frame();
        let height = frame.height;
        let kind = std::mem::replace(&mut frame.kind, ControlKind::Else);
        let ControlKind::If { otherwise, params } = kind else {
            unreachable!("validated: `else` belongs to an `if`");
        };
        self.stack.truncate(height);
        self.continue_in(otherwise);
        self.stack.push_all(&params);
    }

    fn translate_end(&mut self) {
        self.close_frame();
        if self.control.is_empty() && self.is_reachable {
            let results = self.stack.peek_many(self.stack.height()).to_vec();
            self.builder.ins().return_(&results);
            self.is_reachable = false;
        }
    }

    /// Closes the innermost frame and continues after it, if anything gets there.
    pub(super) fn close_frame(&mut self) {
        self.fall_through();
        if matches!(self.frame().kind, ControlKind::Try { .. } | ControlKind::Catch { .. }) {
            self.finish_try();
        }
        let mut frame = self.control.pop().expect("validated: inside a frame");
        match std::mem::replace(&mut frame.kind, ControlKind::Block) {
            ControlKind::Loop { header } => self.builder.seal_block(header),
            ControlKind::If { otherwise, params } => {
                // Without an `else`, the other arm passes the parameters on: they are the results.
                self.continue_in(otherwise);
                self.jump(frame.exit, &params);
                frame.exit_is_reached = true;
            }
            ControlKind::TryTable { outer_count, clauses } => {
                self.handlers.truncate(outer_count);
                self.finish_try_table(&clauses);
            }
            ControlKind::Try { .. } | ControlKind::Catch { .. } | ControlKind::Block | ControlKind::Else => {}
        }
        self.stack.truncate(frame.height);
        self.is_reachable = false;
        if frame.exit_is_reached {
            self.continue_in(frame.exit);
            let results = self.builder.block_params(frame.exit).to_vec();
            self.stack.push_all(&results);
        }
    }

    /// Branches to a label with the values on top of the stack.
    pub(super) fn translate_br(&mut self, depth: u32) {
        let (target, count) = self.reach_label(depth);
        let arguments = self.stack.pop_many(count);
        self.jump(target, &arguments);
        self.is_reachable = false;
    }

    fn translate_br_if(&mut self, depth: u32) {
        let condition = self.stack.pop();
        let (target, count) = self.reach_label(depth);
        let arguments = self.stack.peek_many(count).to_vec();
        let next = self.builder.create_block();
        self.branch_if(condition, target, &arguments, next);
        self.continue_in(next);
    }

    fn translate_br_table(&mut self, table: &BrTable<'_>) -> Result<()> {
        let selector = self.stack.pop();
        let (default, count) = self.reach_label(table.default());
        let arguments: Vec<BlockArg> = self
            .stack
            .peek_many(count)
            .iter()
            .map(|&value| BlockArg::Value(value))
            .collect();
        let mut targets = Vec::with_capacity(table.len() as usize);
        for depth in table.targets() {
            let (block, _) = self.reach_label(depth?);
            targets.push(self.builder.func.dfg.block_call(block, &arguments));
        }
        let default = self.builder.func.dfg.block_call(default, &arguments);
        let jump_table = self.builder.create_jump_table(JumpTableData::new(default, &targets));
        self.builder.ins().br_table(selector, jump_table);
        self.is_reachable = false;
        Ok(())
    }

    fn translate_return(&mut self) {
        let count = self.control[0].result_count;
        let results = self.stack.pop_many(count);
        self.builder.ins().return_(&results);
        self.is_reachable = false;
    }
}
