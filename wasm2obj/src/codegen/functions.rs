//! Compiles functions in parallel: each thread takes the largest body that is left, translates it and runs Cranelift on it, with
//! memory of its own that it reuses. The results are put into the module's order, so the object does not depend on the number of
//! threads.
//!
//! A function that may be inlined is compiled only once code that refers to it has been: often there is none.

use super::inlining::{self, Callees, Origins};
use super::isa::Generators;
use super::listing;
use super::placement::Placement;
use crate::error::{Error, ErrorKind, Result};
use crate::module::{DefinedFuncIndex, FuncIndex, TagIndex, index};
use crate::options::Emit;
use crate::translate::{Environment, Symbol, translate_function};
use abi::trap_code::TrapCode;
use abi::trap_table::{Origin, Site};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{self, ExternalName, LibCall, SourceLoc};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::OptLevel;
use cranelift_codegen::{CompiledCode, Context, FinalizedMachExceptionHandler, FinalizedRelocTarget};
use cranelift_entity::PrimaryMap;
use cranelift_frontend::FunctionBuilderContext;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Machine code of one function.
#[derive(Debug)]
pub(super) struct CompiledFunction {
    /// The code.
    pub code: Vec<u8>,
    /// Where it may begin.
    pub placement: Placement,
    /// What to fill in when addresses are known.
    pub relocations: Vec<Relocation>,
    /// Trapping instructions and return addresses, by code offset.
    pub sites: Vec<Site>,
    /// Calls inlined into it, as in [`abi::trap_table::FunctionSites`].
    pub inlined_calls: Vec<Origin>,
    /// Calls that have handlers, by code offset.
    pub handler_sites: Vec<HandlerSite>,
    /// The listing that [`Emit`] asks for, or nothing.
    pub listing: String,
}

/// A place in code that refers to something else.
#[derive(Clone, Debug)]
pub(super) struct Relocation {
    /// Offset from the start of the function.
    pub offset: u32,
    /// How the address is written.
    pub kind: Reloc,
    /// What is referred to.
    pub target: RelocationTarget,
    /// Constant to add.
    pub addend: i64,
}

/// A call inside a `try`.
#[derive(Clone, Debug)]
pub(super) struct HandlerSite {
    /// Code offset of its return address.
    pub return_offset: u32,
    /// Distance from the frame pointer down to the stack pointer.
    pub frame_len_bytes: u32,
    /// Tag, or `None` for any, and code offset of the landing, innermost first.
    pub handlers: Vec<(Option<TagIndex>, u32)>,
}

/// What code refers to.
#[derive(Clone, Debug)]
pub(super) enum RelocationTarget {
    /// Something of the module or its surroundings.
    Symbol(Symbol),
    /// A function that Cranelift calls for an instruction which the CPU lacks.
    LibCall(LibCall),
    /// The function itself, at an offset.
    Itself(u32),
}

/// The number of instructions of a function after which a thread starts with new memory: to clear a hash table takes as long as the
/// largest function that it has served, for all functions after that.
const MANY_INSTRUCTIONS: usize = 10_000;

/// One thread's memory for compiling.
pub(super) struct Worker<'a> {
    generators: &'a Generators,
    emit: Emit,
    pub context: Context,
    pub builder_context: FunctionBuilderContext,
}

/// Compiles the bodies of the functions that code or data refers to.
pub(super) fn compile_all(
    environment: &Environment<'_>,
    generators: &Generators,
    emit: Emit,
) -> Result<PrimaryMap<DefinedFuncIndex, Option<CompiledFunction>>> {
    let (module, usage) = (environment.module, environment.usage);
    let callees = match generators.usual().flags().opt_level() {
        OptLevel::None => Callees::default(),
        OptLevel::Speed | OptLevel::SpeedAndSize => Callees::translate(environment)?,
    };
    let is_needed = |&body: &DefinedFuncIndex| {
        let function = module.function_of_body(body);
        let may_be_inlined = callees.code(function).is_some() && !usage.referenced_functions.contains(function);
        usage.live_functions.contains(function) && !may_be_inlined
    };
    let mut pending: Vec<DefinedFuncIndex> = module.bodies.keys().filter(is_needed).collect();
    let mut functions: PrimaryMap<_, _> = module.bodies.keys().map(|_| None).collect();
    while !pending.is_empty() {
        // The largest first: no thread is left with one when the others have nothing to do any more.
        pending.sort_by_key(|&body| Reverse(module.bodies[body].range().end - module.bodies[body].range().start));
        let mut results: Vec<(DefinedFuncIndex, Result<CompiledFunction>)> = pending
            .into_iter()
            .par_bridge()
            .map_init(
                || Worker::new(generators, emit),
                |worker, body| (body, worker.compile_body(environment, &callees, body)),
            )
            .collect();
        results.sort_unstable_by_key(|&(body, _)| body);
        let mut called = Vec::new();
        for (body, compiled) in results {
            let compiled = compiled?;
            called.extend(compiled.callees().filter_map(|callee| module.defined_function(callee)));
            functions[body] = Some(compiled);
        }
        called.retain(|&body| functions[body].is_none());
        called.sort_unstable();
        called.dedup();
        pending = called;
    }
    Ok(functions)
}

impl CompiledFunction {
    /// Returns the functions that the code calls by name.
    fn callees(&self) -> impl Iterator<Item = FuncIndex> {
        self.relocations
            .iter()
            .filter_map(|relocation| match relocation.target {
                RelocationTarget::Symbol(Symbol::Function(function)) => Some(function),
                _ => None,
            })
    }
}

impl<'a> Worker<'a> {
    pub fn new(generators: &'a Generators, emit: Emit) -> Worker<'a> {
        Worker {
            generators,
            emit,
            context: Context::new(),
            builder_context: FunctionBuilderContext::new(),
        }
    }

    fn compile_body(
        &mut self,
        environment: &Environment<'_>,
        callees: &Callees,
        body: DefinedFuncIndex,
    ) -> Result<CompiledFunction> {
        let function = environment.module.function_of_body(body);
        self.context.clear();
        self.translate(environment, callees, body)?;
        let clif = (self.emit == Emit::Clif).then(|| listing::clif(environment.module, function, &self.context.func));
        let mut origins = Origins::new(environment.module.bodies[body].range());
        inlining::inline(&mut self.context, function, callees, &mut origins)
            .map_err(|error| code_error(function, origins.body_start(), error))?;
        let isa = self.generators.for_function(&self.context.func);
        let mut compiled = self.compile_with(isa, function, origins)?;
        if let Some(clif) = clif {
            compiled.listing = clif;
        } else if !compiled.listing.is_empty() {
            let code = &compiled.listing;
            compiled.listing = listing::assembly(environment.module, function, &self.context.func, code);
        }
        if self.context.func.dfg.num_insts() > MANY_INSTRUCTIONS {
            *self = Worker::new(self.generators, self.emit);
        }
        Ok(compiled)
    }

    fn translate(&mut self, environment: &Environment<'_>, callees: &Callees, body: DefinedFuncIndex) -> Result<()> {
        let function = environment.module.function_of_body(body);
        if let Some(code) = callees.code(function) {
            self.context.func.clone_from(code);
            return Ok(());
        }
        let bytes = &environment.module.bodies[body];
        let result = translate_function(
            environment,
            function,
            bytes,
            &mut self.context.func,
            &mut self.builder_context,
        );
        if result.is_err() {
            // An abandoned function leaves its state behind, and the thread goes on to another.
            self.builder_context = FunctionBuilderContext::new();
        }
        result
    }

    /// Compiles the function in `context`, which is none of the module's. `function` serves messages.
    pub fn compile(&mut self, function: FuncIndex) -> Result<CompiledFunction> {
        self.compile_with(self.generators.usual(), function, Origins::new(0..0))
    }

    fn compile_with(&mut self, isa: &dyn TargetIsa, function: FuncIndex, origins: Origins) -> Result<CompiledFunction> {
        self.context.set_disasm(self.emit == Emit::Assembly);
        let result = self.context.compile(isa, &mut ControlPlane::default()).map(|_| ());
        if let Err(error) = result {
            return Err(code_error(function, origins.body_start(), error.inner));
        }
        let compiled = self
            .context
            .compiled_code()
            .expect("the function has just been compiled");
        Ok(CompiledFunction {
            code: compiled.code_buffer().to_vec(),
            placement: Placement::of(compiled),
            relocations: relocations(compiled, &self.context.func),
            sites: sites(compiled, &origins),
            inlined_calls: origins.inlined_calls,
            handler_sites: handler_sites(compiled),
            listing: compiled.vcode.clone().unwrap_or_default(),
        })
    }
}

fn code_error(function: FuncIndex, wasm_offset: u64, error: cranelift_codegen::CodegenError) -> Error {
    use cranelift_codegen::CodegenError;
    match error {
        CodegenError::ImplLimitExceeded | CodegenError::CodeTooLarge => Error::limit(
            format!("function {} is too large to compile", function.as_u32()),
            wasm_offset,
        ),
        CodegenError::Unsupported(feature) => Error::unsupported(feature, wasm_offset),
        other => ErrorKind::CodeGeneration {
            function_index: function.as_u32(),
            message: other.to_string(),
            offset: wasm_offset,
        }
        .into(),
    }
}

fn relocations(compiled: &CompiledCode, function: &ir::Function) -> Vec<Relocation> {
    let target = |target: &FinalizedRelocTarget| match target {
        FinalizedRelocTarget::ExternalName(ExternalName::User(reference)) => RelocationTarget::Symbol(
            Symbol::from_external_name(&function.params.user_named_funcs()[*reference]),
        ),
        FinalizedRelocTarget::ExternalName(ExternalName::LibCall(libcall)) => RelocationTarget::LibCall(*libcall),
        FinalizedRelocTarget::ExternalName(other) => unreachable!("the translation makes no name such as {other:?}"),
        FinalizedRelocTarget::Func(offset) => RelocationTarget::Itself(*offset),
    };
    compiled
        .buffer
        .relocs()
        .iter()
        .map(|relocation| Relocation {
            offset: relocation.offset,
            kind: relocation.kind,
            target: target(&relocation.target),
            addend: relocation.addend,
        })
        .collect()
}

/// Merges traps and return addresses with the source locations that cover them. All three come sorted.
fn sites(compiled: &CompiledCode, origins: &Origins) -> Vec<Site> {
    let traps = compiled
        .buffer
        .traps()
        .iter()
        .map(|trap| (trap.offset, Some(our_trap_code(trap.code))));
    let calls = compiled.buffer.call_sites().map(|call| (call.ret_addr, None));
    let mut sites: Vec<(u32, Option<TrapCode>)> = traps.chain(calls).collect();
    // A call may return to a trapping instruction: then both are sites.
    sites.sort_by_key(|&(offset, trap)| (offset, trap.map(|trap| trap as u8)));
    sites.dedup();
    let locations = compiled.buffer.get_srclocs_sorted();
    let mut position = 0;
    sites
        .into_iter()
        .map(|(code_offset, trap)| {
            // A return address is the first byte after its call.
            let covered = if trap.is_some() { code_offset } else { code_offset - 1 };
            while locations.get(position).is_some_and(|location| location.end <= covered) {
                position += 1;
            }
            let location = locations.get(position).filter(|location| location.start <= covered);
            Site {
                code_offset,
                trap,
                origin: origins.find(location.map_or(SourceLoc::default(), |location| location.loc)),
            }
        })
        .collect()
}

fn handler_sites(compiled: &CompiledCode) -> Vec<HandlerSite> {
    compiled
        .buffer
        .call_sites()
        .filter(|call| !call.exception_handlers.is_empty())
        .map(|call| HandlerSite {
            return_offset: call.ret_addr,
            frame_len_bytes: call.frame_offset.expect("the backends know their frames"),
            handlers: call
                .exception_handlers
                .iter()
                .map(|handler| match *handler {
                    FinalizedMachExceptionHandler::Tag(tag, landing) => (Some(index(tag.as_u32())), landing),
                    FinalizedMachExceptionHandler::Default(landing) => (None, landing),
                    FinalizedMachExceptionHandler::Context(_) => unreachable!("the translation uses no contexts"),
                })
                .collect(),
        })
        .collect()
}

fn our_trap_code(code: ir::TrapCode) -> TrapCode {
    match code {
        ir::TrapCode::STACK_OVERFLOW => TrapCode::StackOverflow,
        ir::TrapCode::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ir::TrapCode::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivideByZero,
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER => TrapCode::BadConversionToInteger,
        other => TrapCode::from_number(other.as_raw().get()).expect("the translation uses only our trap codes"),
    }
}
