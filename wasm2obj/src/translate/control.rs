//! Structured control: blocks, loops, conditionals and branches.
//!
//! A label that nothing branches to gets no block: what follows its `end` goes on where its body ends. An `if` branches to its
//! exit until an `else` turns up, and what leaves the function returns at once: each block costs in every pass of the compiler.

use super::control_stack::{ControlFrame, ControlKind};
use super::exception;
use super::function::FunctionTranslator;
use crate::error::Result;
use crate::module::index;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::{Block, BlockArg, Inst, InstBuilder, JumpTableData, Value};
use wasmparser::{BlockType, BrTable, Operator, ValType};

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> Result<bool> {
    match *operator {
        Operator::Nop => {}
        Operator::Unreachable => translator.trap(TrapCode::Unreachable),
        Operator::Block { blockty } => translator.push_frame(ControlKind::Block, blockty, None),
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
            let (condition, is_negated) = translator.pop_condition();
            let (mut first, mut second) = translator.stack.pop2();
            if is_negated {
                std::mem::swap(&mut first, &mut second);
            }
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
    pub(super) fn push_frame(&mut self, kind: ControlKind, block_type: BlockType, exit: Option<Block>) {
        let (params, results) = self.block_types(block_type);
        self.control.push(ControlFrame {
            kind,
            block_type,
            exit,
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
    pub(super) fn branch_if(&mut self, condition: Value, then: Block, arguments: &[Value], otherwise: Block) -> Inst {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().brif(condition, then, &arguments, otherwise, &[])
    }

    /// Jumps to `target` with arguments if the condition is zero, else to `next`.
    fn branch_unless(&mut self, condition: Value, target: Block, arguments: &[Value], next: Block) {
        let arguments: Vec<BlockArg> = arguments.iter().map(|&value| BlockArg::Value(value)).collect();
        self.builder.ins().brif(condition, next, &[], target, &arguments);
    }

    /// Continues in a block that has only the predecessors it has now.
    pub(super) fn continue_in(&mut self, block: Block) {
        self.known.clear();
        self.continue_below(block);
    }

    /// Continues in a block whose only predecessor is the one at hand, with what is known there.
    pub(super) fn continue_below(&mut self, block: Block) {
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        self.is_reachable = true;
    }

    /// Returns where a branch to a label leads, and how many values it takes.
    pub(super) fn reach_label(&mut self, depth: u32) -> (Block, usize) {
        let position = self.control.len() - 1 - depth as usize;
        match self.control[position].kind {
            ControlKind::Loop { header } => (header, self.control[position].param_count),
            _ => (self.reach_exit(position), self.control[position].result_count),
        }
    }

    /// Returns the block where a frame's `end` continues, for a branch there.
    fn reach_exit(&mut self, position: usize) -> Block {
        if let Some(exit) = self.control[position].exit {
            return exit;
        }
        let (_, results) = self.block_types(self.control[position].block_type);
        let exit = self.create_block_with_params(&results);
        self.control[position].exit = Some(exit);
        exit
    }

    fn translate_loop(&mut self, block_type: BlockType) {
        let (params, _) = self.block_types(block_type);
        let header = self.create_block_with_params(&params);
        let arguments = self.stack.pop_many(params.len());
        self.jump(header, &arguments);
        self.builder.switch_to_block(header);
        let header_params = self.builder.block_params(header).to_vec();
        self.stack.push_all(&header_params);
        self.push_frame(ControlKind::Loop { header }, block_type, None);
    }

    fn translate_if(&mut self, block_type: BlockType) {
        let (condition, is_negated) = self.pop_condition();
        let (then, otherwise) = (self.builder.create_block(), self.builder.create_block());
        let branch = if is_negated {
            self.branch_if(condition, otherwise, &[], then)
        } else {
            self.branch_if(condition, then, &[], otherwise)
        };
        self.continue_below(then);
        if matches!(block_type, BlockType::Empty) {
            self.push_frame(ControlKind::If { branch }, block_type, Some(otherwise));
            return;
        }
        let (params, _) = self.block_types(block_type);
        let params = self.stack.peek_many(params.len()).to_vec();
        self.push_frame(ControlKind::IfWithValues { otherwise, params }, block_type, None);
    }

    /// Jumps to the innermost frame's exit with its results, if the code at hand can run.
    pub(super) fn fall_through(&mut self) {
        if self.is_reachable {
            // Not the frame's label: of a loop, that is its header.
            let exit = self.reach_exit(self.control.len() - 1);
            let count = self.frame().result_count;
            let results = self.stack.pop_many(count);
            self.jump(exit, &results);
        }
    }

    fn translate_else(&mut self) {
        match std::mem::replace(&mut self.frame().kind, ControlKind::Block) {
            ControlKind::If { branch } => {
                let exit = self.reach_exit(self.control.len() - 1);
                let otherwise = self.builder.create_block();
                self.builder.change_jump_destination(branch, exit, otherwise);
                self.fall_through();
                self.continue_in(otherwise);
            }
            ControlKind::IfWithValues { otherwise, params } => {
                self.fall_through();
                self.continue_in(otherwise);
                let height = self.frame().height;
                self.stack.truncate(height);
                self.stack.push_all(&params);
            }
            _ => unreachable!("validated: `else` belongs to an `if`"),
        }
    }

    fn translate_end(&mut self) {
        if self.control.len() == 1 && self.is_reachable {
            self.translate_return();
        }
        self.close_frame();
        if self.control.is_empty() && self.is_reachable {
            let results = self.stack.peek_many(self.stack.height()).to_vec();
            self.builder.ins().return_(&results);
            self.is_reachable = false;
        }
    }

    /// Closes the innermost frame and continues after it, if anything gets there.
    pub(super) fn close_frame(&mut self) {
        let frame = self.frame();
        let goes_on = frame.exit.is_none() && matches!(frame.kind, ControlKind::Block | ControlKind::Loop { .. });
        if !goes_on {
            self.fall_through();
        }
        if matches!(self.frame().kind, ControlKind::Try { .. } | ControlKind::Catch { .. }) {
            self.finish_try();
        }
        if let ControlKind::IfWithValues { otherwise, params } = &mut self.frame().kind {
            // Without an `else`, the other arm passes the parameters on: they are the results.
            let (otherwise, params) = (*otherwise, std::mem::take(params));
            let exit = self.reach_exit(self.control.len() - 1);
            self.continue_in(otherwise);
            self.jump(exit, &params);
        }
        let frame = self.control.pop().expect("validated: inside a frame");
        match frame.kind {
            ControlKind::Loop { header } => self.builder.seal_block(header),
            ControlKind::TryTable { outer_count, clauses } => {
                self.handlers.truncate(outer_count);
                self.finish_try_table(&clauses);
            }
            _ => {}
        }
        if goes_on && self.is_reachable {
            return;
        }
        self.stack.truncate(frame.height);
        self.is_reachable = frame.exit.is_some();
        if let Some(exit) = frame.exit {
            self.continue_in(exit);
            let results = self.builder.block_params(exit).to_vec();
            self.stack.push_all(&results);
        }
    }

    /// Branches to a label with the values on top of the stack.
    pub(super) fn translate_br(&mut self, depth: u32) {
        if depth as usize == self.control.len() - 1 {
            return self.translate_return();
        }
        let (target, count) = self.reach_label(depth);
        let arguments = self.stack.pop_many(count);
        self.jump(target, &arguments);
        self.is_reachable = false;
    }

    fn translate_br_if(&mut self, depth: u32) {
        let (condition, is_negated) = self.pop_condition();
        let (target, count) = self.reach_label(depth);
        let arguments = self.stack.peek_many(count).to_vec();
        let next = self.builder.create_block();
        if is_negated {
            self.branch_unless(condition, target, &arguments, next);
        } else {
            self.branch_if(condition, target, &arguments, next);
        }
        self.continue_below(next);
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
