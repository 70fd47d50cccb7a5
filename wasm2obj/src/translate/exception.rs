//! Exceptions: `try_table`, `throw`, `throw_ref`, and the older `try`, `catch`, `delegate`, `rethrow`.
//!
//! A call inside a `try_table` is Cranelift's `try_call`: it names the blocks where an exception lands, which end up in the
//! object's [handler table](abi::handler_table). Code that does not throw pays nothing. To throw is a runtime function that
//! walks the stack; it returns only if no handler exists, and then the code after it traps.
//!
//! The older `try` says only after its body which clauses it has (`delegate` even where they are), so everything lands in one
//! block, which compares tags and throws again what no clause takes.

use super::call::Callee;
use super::control_stack::ControlKind;
use super::environment::trap_code;
use super::function::FunctionTranslator;
use super::globals::own_data;
use super::signature::{self, POINTER, machine_type};
use super::symbol::Symbol;
use crate::module::{TagIndex, index};
use abi::builtins::Builtin;
use abi::handler_table::ExceptionHeader;
use abi::trap_code::TrapCode;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, ExceptionTableData, ExceptionTableItem, ExceptionTag, InstBuilder, Value, types,
};
use wasmparser::{BlockType, Catch, Operator, TryTable};

/// One clause around a call: the exceptions that it takes, and where they land.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Handler {
    /// Tag, or `None` for any.
    tag: Option<TagIndex>,
    /// A block whose parameter is the exception.
    landing: Block,
}

/// A clause of a `try_table`, kept until its end, where its landing block gets its code.
#[derive(Debug)]
pub(super) struct Clause {
    handler: Handler,
    /// Whether the label takes the exception itself too.
    with_reference: bool,
    /// The label, counted outside the `try_table`.
    label: u32,
}

/// The handlers around the operator at hand, outermost first. An older `try` or a `delegate` cuts the list to a length.
pub(super) type Handlers = Vec<Handler>;

/// Translates the operator if it is one of this family.
pub(super) fn translate(translator: &mut FunctionTranslator<'_, '_>, operator: &Operator<'_>) -> bool {
    match *operator {
        Operator::TryTable { ref try_table } => translator.translate_try_table(try_table),
        Operator::Throw { tag_index } => translator.translate_throw(index(tag_index)),
        Operator::ThrowRef => {
            let exception = translator.stack.pop();
            translator
                .builder
                .ins()
                .trapz(exception, trap_code(TrapCode::NullReference));
            translator.throw(exception);
        }
        Operator::Try { blockty } => translator.translate_try(blockty),
        Operator::Catch { tag_index } => translator.translate_catch(Some(index(tag_index))),
        Operator::CatchAll => translator.translate_catch(None),
        Operator::Delegate { relative_depth } => translator.translate_delegate(relative_depth),
        Operator::Rethrow { relative_depth } => translator.translate_rethrow(relative_depth),
        _ => return false,
    }
    true
}

impl FunctionTranslator<'_, '_> {
    fn create_landing(&mut self) -> Block {
        let landing = self.builder.create_block();
        self.builder.append_block_param(landing, POINTER);
        // Exceptions are rare: their code stays out of the way of the other.
        self.builder.set_cold_block(landing);
        landing
    }

    fn translate_try_table(&mut self, try_table: &TryTable) {
        let outer_count = self.handlers.len();
        let clauses: Vec<Clause> = try_table
            .catches
            .iter()
            .map(|catch| self.create_clause(catch))
            .collect();
        // The list is searched from its end, and the first clause comes first.
        self.handlers.extend(clauses.iter().rev().map(|clause| clause.handler));
        self.push_frame(ControlKind::TryTable { outer_count, clauses }, try_table.ty, None);
    }

    fn create_clause(&mut self, catch: &Catch) -> Clause {
        let (tag, with_reference, label) = match *catch {
            Catch::One { tag, label } => (Some(index(tag)), false, label),
            Catch::OneRef { tag, label } => (Some(index(tag)), true, label),
            Catch::All { label } => (None, false, label),
            Catch::AllRef { label } => (None, true, label),
        };
        Clause {
            handler: Handler {
                tag,
                landing: self.create_landing(),
            },
            with_reference,
            label,
        }
    }

    /// Gives the landing blocks of a `try_table` their code. Its frame has been closed.
    pub(super) fn finish_try_table(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            let landing = clause.handler.landing;
            if !self.landings_in_use.contains(&landing) {
                continue;
            }
            self.continue_in(landing);
            let exception = self.builder.block_params(landing)[0];
            let mut values = match clause.handler.tag {
                Some(tag) => self.exception_values(tag, exception),
                None => Vec::new(),
            };
            if clause.with_reference {
                let yes = self.builder.ins().iconst(types::I32, 1);
                self.builder
                    .ins()
                    .store(own_data(), yes, exception, ExceptionHeader::IS_REFERENCED);
                values.push(exception);
            } else {
                self.call_builtin(Builtin::ExceptionDrop, &[exception]);
            }
            let (target, _) = self.reach_label(clause.label);
            self.jump(target, &values);
        }
        self.is_reachable = false;
    }

    /// Reads the values that an exception carries.
    fn exception_values(&mut self, tag: TagIndex, exception: Value) -> Vec<Value> {
        let environment = self.environment;
        let params = &environment.module.function_type(environment.module.tags[tag]).params;
        (0..)
            .zip(params)
            .map(|(position, &param)| {
                self.builder
                    .ins()
                    .load(machine_type(param), own_data(), exception, value_offset(position))
            })
            .collect()
    }

    fn translate_throw(&mut self, tag: TagIndex) {
        let count = self
            .environment
            .module
            .function_type(self.environment.module.tags[tag])
            .params
            .len();
        let values = self.stack.pop_many(count);
        let identity = self.address_of(Symbol::Tag(tag));
        let value_count = self.builder.ins().iconst(types::I64, count as i64);
        let exception = self
            .call_builtin(Builtin::ExceptionNew, &[identity, value_count])
            .expect("exception_new has a result");
        self.builder
            .ins()
            .trapz(exception, trap_code(TrapCode::AllocationTooLarge));
        for (position, value) in (0..).zip(values) {
            self.builder
                .ins()
                .store(own_data(), value, exception, value_offset(position));
        }
        self.throw(exception);
    }

    /// Throws an exception: the handlers at hand have the first say.
    fn throw(&mut self, exception: Value) {
        // In the convention of calls inside WebAssembly, in which a landing expects no register to be kept.
        let callee = self.callee(Symbol::Builtin(Builtin::Throw), || {
            signature::of_builtin(Builtin::Throw, signature::WASM_CALL_CONV)
        });
        self.emit_call(Callee::Direct(callee), &[exception]);
        self.trap(TrapCode::UncaughtException);
    }

    /// Calls a function inside a `try` and returns its results.
    pub(super) fn emit_try_call(&mut self, callee: Callee, arguments: &[Value]) -> Vec<Value> {
        let signature = match callee {
            Callee::Direct(function) => self.builder.func.dfg.ext_funcs[function].signature,
            Callee::Indirect(signature, _) => signature,
        };
        let result_types: Vec<_> = self.builder.func.dfg.signatures[signature]
            .returns
            .iter()
            .map(|result| result.value_type)
            .collect();
        let next = self.builder.create_block();
        let results: Vec<Value> = result_types
            .iter()
            .map(|&result| self.builder.append_block_param(next, result))
            .collect();
        let returned: Vec<BlockArg> = (0..result_types.len() as u32).map(BlockArg::TryCallRet).collect();
        let normal = self.builder.func.dfg.block_call(next, &returned);
        let items = self.exception_items();
        let table = self
            .builder
            .func
            .dfg
            .exception_tables
            .push(ExceptionTableData::new(signature, normal, items));
        match callee {
            Callee::Direct(function) => self.builder.ins().try_call(function, arguments, table),
            Callee::Indirect(_, code) => self.builder.ins().try_call_indirect(code, arguments, table),
        };
        self.continue_below(next);
        results
    }

    fn exception_items(&mut self) -> Vec<ExceptionTableItem> {
        let mut items = Vec::new();
        for position in (0..self.handlers.len()).rev() {
            let Handler { tag, landing } = self.handlers[position];
            self.landings_in_use.insert(landing);
            let call: BlockCall = self.builder.func.dfg.block_call(landing, &[BlockArg::TryCallExn(0)]);
            match tag {
                Some(tag) => items.push(ExceptionTableItem::Tag(ExceptionTag::from_u32(tag.as_u32()), call)),
                None => {
                    // Nothing gets past a clause that takes any exception.
                    items.push(ExceptionTableItem::Default(call));
                    break;
                }
            }
        }
        items
    }

    fn translate_try(&mut self, block_type: BlockType) {
        let outer_count = self.handlers.len();
        let landing = self.create_landing();
        self.handlers.push(Handler { tag: None, landing });
        self.push_frame(ControlKind::Try { outer_count, landing }, block_type, None);
    }

    /// Ends the body of a `try` or its last clause, and starts the next clause if one is reachable.
    fn translate_catch(&mut self, tag: Option<TagIndex>) {
        self.fall_through();
        let height = self.frame().height;
        self.stack.truncate(height);
        self.is_reachable = false;
        let Some(exception) = self.enter_dispatch() else {
            self.frame().kind = ControlKind::Catch {
                exception: None,
                dispatch: None,
            };
            return;
        };
        let mut dispatch = None;
        if let Some(tag) = tag {
            let found = self
                .builder
                .ins()
                .load(POINTER, own_data(), exception, ExceptionHeader::TAG);
            let identity = self.address_of(Symbol::Tag(tag));
            let matches = self.builder.ins().icmp(IntCC::Equal, found, identity);
            let (clause, otherwise) = (self.builder.create_block(), self.builder.create_block());
            self.branch_if(matches, clause, &[], otherwise);
            self.continue_in(clause);
            let values = self.exception_values(tag, exception);
            self.stack.push_all(&values);
            dispatch = Some(otherwise);
        }
        // The clause may throw the exception again, so it stays.
        let yes = self.builder.ins().iconst(types::I32, 1);
        self.builder
            .ins()
            .store(own_data(), yes, exception, ExceptionHeader::IS_REFERENCED);
        self.frame().kind = ControlKind::Catch {
            exception: Some(exception),
            dispatch,
        };
    }

    /// Continues where exceptions arrive that the clauses so far do not take, and returns the exception.
    fn enter_dispatch(&mut self) -> Option<Value> {
        match self.frame().kind {
            ControlKind::Try { outer_count, landing } => {
                self.handlers.truncate(outer_count);
                if !self.landings_in_use.contains(&landing) {
                    return None;
                }
                self.continue_in(landing);
                Some(self.builder.block_params(landing)[0])
            }
            ControlKind::Catch { exception, dispatch } => {
                self.continue_in(dispatch?);
                exception
            }
            _ => unreachable!("validated: `catch` belongs to a `try`"),
        }
    }

    /// Throws again, at the end of a `try`, what none of its clauses took.
    pub(super) fn finish_try(&mut self) {
        if let Some(exception) = self.enter_dispatch() {
            self.throw(exception);
        }
        self.is_reachable = false;
    }

    /// Ends a `try` whose exceptions go to the handlers around another label.
    fn translate_delegate(&mut self, depth: u32) {
        self.fall_through();
        let ControlKind::Try { outer_count, .. } = self.frame().kind else {
            unreachable!("validated: `delegate` belongs to a `try`");
        };
        // The label counts from outside of this `try`.
        let target = self.control.len().checked_sub(2 + depth as usize);
        let kept_count = target
            .and_then(|target| self.control.get(target))
            .map_or(0, |frame| match frame.kind {
                // A `try` or `try_table` takes it itself, everything else passes it on to what is around it.
                ControlKind::Try { outer_count, .. } => outer_count + 1,
                ControlKind::TryTable {
                    outer_count,
                    ref clauses,
                } => outer_count + clauses.len(),
                _ => self.handlers_around(target.unwrap_or(0)),
            });
        if let Some(exception) = self.enter_dispatch() {
            let outer = self.handlers.split_off(kept_count.min(outer_count));
            self.throw(exception);
            self.handlers.extend(outer);
        }
        self.is_reachable = false;
        self.frame().kind = ControlKind::Block;
        self.close_frame();
    }

    /// Returns the number of handlers around a frame that has none itself.
    fn handlers_around(&self, position: usize) -> usize {
        self.control[..position]
            .iter()
            .rev()
            .find_map(|frame| match frame.kind {
                ControlKind::Try { outer_count, .. } => Some(outer_count + 1),
                ControlKind::TryTable {
                    outer_count,
                    ref clauses,
                } => Some(outer_count + clauses.len()),
                _ => None,
            })
            .unwrap_or(0)
    }

    fn translate_rethrow(&mut self, depth: u32) {
        let position = self.control.len() - 1 - depth as usize;
        if let ControlKind::Catch {
            exception: Some(exception),
            ..
        } = self.control[position].kind
        {
            self.throw(exception);
        }
    }
}

fn value_offset(position: i32) -> i32 {
    ExceptionHeader::SIZE as i32 + position * ExceptionHeader::VALUE_STRIDE as i32
}
