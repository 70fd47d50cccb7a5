//! Inlining: which direct calls become a copy of the callee's body, and where copied instructions come from.
//!
//! The bodies of small functions that something calls are translated before all else. They never change, so any number of
//! threads can copy from them, in any order, and the code does not depend on that. A copied call is looked at like the caller's
//! own: that is how calls nest. How much is copied depends on where the call is: compile time grows about twice as much as code.
//!
//! A function has one table of [`Origin`]s for its copied instructions, and their source locations are places in it, counted from
//! the end of the function's body: no instruction of its own has such a location.
//!
//! Read first: [`inline`], [`Inliner`]. Limits: tail calls stay, and so do calls of functions that make some; loops are found by the
//! order of blocks.

use crate::error::Result;
use crate::module::{DefinedFuncIndex, FuncIndex};
use crate::translate::{Environment, Symbol, signature, translate_function};
use abi::trap_table::{MAX_INLINED_CALLS, Origin};
use cranelift_codegen::inline::{Inline, InlineCommand};
use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, Function, GlobalValue, GlobalValueData, Inst, InstructionData, Opcode,
    SourceLoc, Value,
};
use cranelift_codegen::traversals::Dfs;
use cranelift_codegen::{CodegenResult, Context};
use cranelift_entity::{EntityRef, EntitySet, SecondaryMap};
use cranelift_frontend::FunctionBuilderContext;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use wasmparser::{FunctionBody, Operator};

/// The length of the largest body that is inlined, in bytes.
const MAX_BODY_BYTES: u64 = 60;

/// The same for a function that calls itself.
const MAX_RECURSIVE_BODY_BYTES: u64 = 120;

/// The largest number of instructions that is inlined for a call that is probably frequent: in a loop, or in a function that
/// calls itself.
const MAX_FREQUENT_INSTRUCTIONS: usize = 30;

/// The largest number of instructions that is inlined for any other call: about what the call itself takes.
const MAX_INSTRUCTIONS: usize = 8;

/// The number of instructions that may be copied into any function.
const MIN_GROWTH: usize = 50;

/// The number of instructions that may be copied into a function that calls itself.
const MIN_RECURSIVE_GROWTH: usize = 200;

/// Larger functions may grow by one instruction for so many that they have.
const INSTRUCTIONS_PER_GROWTH: usize = 12;

/// How often a function may be inside itself: the copies form a tree.
const MAX_RECURSION: usize = 3;

/// The same for a function that calls itself in one place: the copies form a chain.
const MAX_LINEAR_RECURSION: usize = 7;

/// A function that may be inlined.
#[derive(Clone, Debug)]
struct Callee {
    code: Function,
    /// Its instructions, in the order in which they are copied.
    instructions: Vec<Inst>,
    /// Those of its calls that lie in loops.
    calls_in_loops: EntitySet<Inst>,
    /// How often it may be inside itself.
    max_recursion: usize,
    /// Whether it calls something in the C convention, which exceptions cannot cross into a handler of the same frame.
    has_c_calls: bool,
}

/// The functions that may be inlined.
#[derive(Debug, Default)]
pub(super) struct Callees(SecondaryMap<FuncIndex, Option<Box<Callee>>>);

impl Callees {
    /// Translates those among the live functions.
    pub fn translate(environment: &Environment<'_>) -> Result<Callees> {
        let module = environment.module;
        let is_candidate = |&body: &DefinedFuncIndex| {
            let function = module.function_of_body(body);
            environment.usage.called_functions.contains(function) && is_small(&module.bodies[body], function)
        };
        let candidates: Vec<DefinedFuncIndex> = module.bodies.keys().filter(is_candidate).collect();
        let translated: Vec<Result<Option<Box<Callee>>>> = candidates
            .par_iter()
            .map_init(FunctionBuilderContext::new, |context, &body| {
                let mut code = Function::new();
                let function = module.function_of_body(body);
                let result = translate_function(environment, function, &module.bodies[body], &mut code, context);
                if result.is_err() {
                    // An abandoned function leaves its state behind, and the thread goes on to another.
                    *context = FunctionBuilderContext::new();
                }
                result.map(|()| Callee::new(function, code).map(Box::new))
            })
            .collect();
        let mut callees = Callees::default();
        for (body, callee) in candidates.into_iter().zip(translated) {
            callees.0[module.function_of_body(body)] = callee?;
        }
        Ok(callees)
    }

    /// Returns a function's code, if it may be inlined.
    pub fn code(&self, function: FuncIndex) -> Option<&Function> {
        self.0[function].as_ref().map(|callee| &callee.code)
    }
}

/// Tells whether a body is short enough to be looked at.
fn is_small(body: &FunctionBody<'_>, function: FuncIndex) -> bool {
    let range = body.range();
    let len_bytes = range.end - range.start;
    let calls_itself = || {
        let mut operators = body.get_operators_reader().into_iter().flatten().flatten();
        operators.any(
            |operator| matches!(operator, Operator::Call { function_index } if function_index == function.as_u32()),
        )
    };
    len_bytes <= MAX_BODY_BYTES || len_bytes <= MAX_RECURSIVE_BODY_BYTES && calls_itself()
}

impl Callee {
    /// Takes a translated function unless it is too large or makes tail calls, which would be calls in a copy.
    fn new(function: FuncIndex, code: Function) -> Option<Callee> {
        let mut instructions = Vec::new();
        let mut self_calls = 0;
        for block in Dfs::new().pre_order_iter(&code) {
            for inst in code.layout.block_insts(block) {
                let opcode = code.dfg.insts[inst].opcode();
                if matches!(opcode, Opcode::ReturnCall | Opcode::ReturnCallIndirect) {
                    return None;
                }
                self_calls += usize::from(calls_function(&code, inst, function));
                instructions.push(inst);
            }
        }
        if instructions.len() > MAX_FREQUENT_INSTRUCTIONS {
            return None;
        }
        let mut signatures = code.dfg.ext_funcs.values().map(|callee| callee.signature);
        let has_c_calls =
            signatures.any(|signature| code.dfg.signatures[signature].call_conv != signature::WASM_CALL_CONV);
        Some(Callee {
            calls_in_loops: calls_in_loops(&code),
            max_recursion: if self_calls > 1 {
                MAX_RECURSION
            } else {
                MAX_LINEAR_RECURSION
            },
            code,
            instructions,
            has_c_calls,
        })
    }
}

/// Tells whether an instruction is a direct call of a function of the module.
fn calls_function(code: &Function, inst: Inst, function: FuncIndex) -> bool {
    match code.dfg.insts[inst] {
        InstructionData::Call { func_ref, .. } | InstructionData::TryCall { func_ref, .. } => {
            called_function(code, &code.dfg.ext_funcs[func_ref]) == Some(function)
        }
        _ => false,
    }
}

/// Returns the calls in loops. Blocks are in the order of the WebAssembly code, in which a loop is all from its header to the last
/// branch there.
fn calls_in_loops(code: &Function) -> EntitySet<Inst> {
    let mut positions = SecondaryMap::new();
    for (position, block) in code.layout.blocks().enumerate() {
        positions[block] = position;
    }
    let mut calls = EntitySet::new();
    let mut header = usize::MAX;
    let mut next = code.layout.last_block();
    while let Some(block) = next {
        for successor in code.block_successors(block) {
            header = header.min(positions[successor]);
        }
        if header <= positions[block] {
            let is_call = |&inst: &Inst| code.dfg.insts[inst].opcode().is_call();
            calls.extend(code.layout.block_insts(block).filter(is_call));
        }
        next = code.layout.prev_block(block);
    }
    calls
}

/// Where the instructions of a function come from.
#[derive(Debug)]
pub(super) struct Origins {
    /// Where its body lies in the module's file.
    body: Range<u64>,
    /// Its inlined calls.
    pub inlined_calls: Vec<Origin>,
    /// The origins of copied instructions.
    copied: Vec<Origin>,
}

impl Origins {
    /// The origins in a function without inlined calls.
    pub fn new(body: Range<u64>) -> Origins {
        Origins {
            body,
            inlined_calls: Vec::new(),
            copied: Vec::new(),
        }
    }

    /// Returns where the function's body begins in the module's file.
    pub fn body_start(&self) -> u64 {
        self.body.start
    }

    /// Returns where the instructions of a location come from.
    pub fn find(&self, location: SourceLoc) -> Origin {
        let own = |wasm_offset| Origin {
            wasm_offset,
            inlined_call: None,
        };
        if location.is_default() {
            return own(self.body.start as u32);
        }
        let position = location.bits().checked_sub(self.body.end as u32);
        let copied = position.and_then(|position| self.copied.get(position as usize));
        copied.copied().unwrap_or(own(location.bits()))
    }

    /// Notes what a copied instruction comes from, and returns a location for it.
    fn add(&mut self, origin: Origin) -> SourceLoc {
        if self.copied.last() != Some(&origin) {
            self.copied.push(origin);
        }
        SourceLoc::new(self.body.end as u32 + self.copied.len() as u32 - 1)
    }
}

/// Inlines calls in a translated function.
pub(super) fn inline(
    context: &mut Context,
    function: FuncIndex,
    callees: &Callees,
    origins: &mut Origins,
) -> CodegenResult<()> {
    let code = &context.func;
    let calls = |accepts: &dyn Fn(FuncIndex) -> bool| {
        let mut called = code.dfg.ext_funcs.values();
        called.any(|callee| called_function(code, callee).is_some_and(accepts))
    };
    if !calls(&|callee| callees.code(callee).is_some()) {
        return Ok(());
    }
    let is_recursive = calls(&|callee| callee == function);
    let min_growth = if is_recursive { MIN_RECURSIVE_GROWTH } else { MIN_GROWTH };
    let mut inliner = Inliner {
        function,
        callees,
        copies: Vec::new(),
        is_recursive,
        calls_in_loops: calls_in_loops(code),
        growth_left: min_growth.max(code.dfg.num_insts() / INSTRUCTIONS_PER_GROWTH),
    };
    context.inline(&mut inliner)?;
    let code = &mut context.func;
    for copy in inliner.copies {
        let call = origins.find(code.srcloc(copy.call));
        let inlined_call = Some(origins.inlined_calls.len() as u32);
        origins.inlined_calls.push(call);
        copy.name_symbols(code);
        for (position, &inst) in copy.callee.instructions.iter().enumerate() {
            let origin = Origin {
                wasm_offset: copy.callee.code.srcloc(inst).bits(),
                inlined_call,
            };
            code.set_srcloc(Inst::new(copy.start + position), origins.add(origin));
        }
    }
    Ok(())
}

/// Returns the function of the module that a callee of the code is.
fn called_function(code: &Function, callee: &ExtFuncData) -> Option<FuncIndex> {
    let ExternalName::User(name) = callee.name else {
        return None;
    };
    match Symbol::from_external_name(&code.params.user_named_funcs()[name]) {
        Symbol::Function(function) => Some(function),
        _ => None,
    }
}

/// A callee's body in a caller.
struct Copy<'a> {
    call: Inst,
    function: FuncIndex,
    callee: &'a Callee,
    /// Number of the first of its instructions, which are numbered one after the other.
    start: usize,
    /// Number of the first of its global values.
    global_values_start: usize,
    /// The copy in which the call is.
    outer: Option<usize>,
    /// Whether the call lies in a loop.
    is_in_loop: bool,
}

impl Copy<'_> {
    /// Gives the global values of the copy the caller's names of their symbols: Cranelift leaves them the callee's.
    fn name_symbols(&self, caller: &mut Function) {
        let callee = &self.callee.code;
        for (position, global_value) in callee.global_values.values().enumerate() {
            let mut global_value = global_value.clone();
            if let GlobalValueData::Symbol { name, .. } = &mut global_value
                && let ExternalName::User(reference) = *name
            {
                let symbol = callee.params.user_named_funcs()[reference].clone();
                *name = ExternalName::User(caller.declare_imported_user_function(symbol));
                caller.global_values[GlobalValue::new(self.global_values_start + position)] = global_value;
            }
        }
    }
}

/// Decides about the calls of one function, and notes the copies.
struct Inliner<'a> {
    function: FuncIndex,
    callees: &'a Callees,
    copies: Vec<Copy<'a>>,
    /// Whether the caller calls itself.
    is_recursive: bool,
    /// The caller's own calls in loops.
    calls_in_loops: EntitySet<Inst>,
    growth_left: usize,
}

impl<'a> Inliner<'a> {
    /// Returns the copy that an instruction belongs to.
    fn copy_of(&self, inst: Inst) -> Option<usize> {
        let position = self
            .copies
            .partition_point(|copy| copy.start <= inst.index())
            .checked_sub(1)?;
        let copy = &self.copies[position];
        (inst.index() < copy.start + copy.callee.instructions.len()).then_some(position)
    }

    /// Returns the functions that lead to a copy's instructions, from the inside.
    fn functions_around(&self, mut copy: Option<usize>) -> impl Iterator<Item = FuncIndex> {
        std::iter::from_fn(move || {
            let inner = &self.copies[copy?];
            copy = inner.outer;
            Some(inner.function)
        })
        .chain([self.function])
    }

    /// Tells whether a call lies in a loop.
    fn is_in_loop(&self, call: Inst, outer: Option<usize>) -> bool {
        let Some(outer) = outer else {
            return self.calls_in_loops.contains(call);
        };
        let copy = &self.copies[outer];
        let original = copy.callee.instructions[call.index() - copy.start];
        copy.is_in_loop || copy.callee.calls_in_loops.contains(original)
    }

    fn callee(
        &self,
        function: FuncIndex,
        opcode: Opcode,
        outer: Option<usize>,
        is_in_loop: bool,
    ) -> Option<&'a Callee> {
        let callee = self.callees.0[function].as_deref()?;
        let is_crossable = match opcode {
            Opcode::Call => true,
            Opcode::TryCall => !callee.has_c_calls,
            _ => false,
        };
        let limit = if is_in_loop || self.is_recursive {
            MAX_FREQUENT_INSTRUCTIONS
        } else {
            MAX_INSTRUCTIONS
        };
        let is_small = callee.instructions.len() <= self.growth_left.min(limit);
        let around = || self.functions_around(outer);
        let is_shallow = around().count() <= MAX_INLINED_CALLS
            && around().filter(|&outer| outer == function).count() <= callee.max_recursion;
        (is_crossable && is_small && is_shallow).then_some(callee)
    }
}

impl Inline for Inliner<'_> {
    fn inline(
        &mut self,
        caller: &Function,
        call: Inst,
        opcode: Opcode,
        callee: FuncRef,
        _arguments: &[Value],
    ) -> InlineCommand<'_> {
        let Some(function) = called_function(caller, &caller.dfg.ext_funcs[callee]) else {
            return InlineCommand::KeepCall;
        };
        let outer = self.copy_of(call);
        let is_in_loop = self.is_in_loop(call, outer);
        let Some(callee) = self.callee(function, opcode, outer, is_in_loop) else {
            return InlineCommand::KeepCall;
        };
        self.growth_left -= callee.instructions.len();
        self.copies.push(Copy {
            call,
            function,
            callee,
            start: caller.dfg.num_insts(),
            global_values_start: caller.global_values.len(),
            outer,
            is_in_loop,
        });
        InlineCommand::Inline {
            callee: Cow::Borrowed(&callee.code),
            visit_callee: true,
        }
    }
}
