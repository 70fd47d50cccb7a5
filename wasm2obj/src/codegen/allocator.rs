//! Which register allocator a function gets: the better one, unless it would take time that grows with the square of the
//! function.
//!
//! The better allocator first merges values that may share a register: a block's parameter with what it is given, a result with
//! the operand that it overwrites. Such a set of merged values is looked at again for each value that joins it, as soon as one
//! of them must be in a certain register. So a set costs the square of its size, unless another value of it must be in another
//! register, which keeps the set from growing. [`merging_cost`] estimates that: one local that thousands of blocks update one
//! after the other is expensive, and the thousands of short-lived sets of a real program are not. (Of the functions of esbuild,
//! sqlite, boolector and CPython, one is above the limit.) The other shape that it bears badly is a block of many parameters.
//!
//! Read first: [`needs_single_pass`]. Limits: the function is looked at before it is optimized.

use cranelift_codegen::ir::{Function, Inst, InstructionData, Value};
use cranelift_entity::SecondaryMap;

/// The number of parameters of one block beyond which registers are allocated in one pass: each is a value that lives around a
/// loop or through a join, and the better allocator tries each against all others. (The blocks of sqlite, boolector, esbuild and
/// CPython have at most 69, those of yosys 233; a loop over 1,300 locals has 1,301, and takes 40 times as long.)
const MANY_BLOCK_PARAMS: usize = 256;

/// The number of instructions below which no shape matters.
const FEW_INSTRUCTIONS: usize = 2_000;

/// Steps of merging for each instruction beyond which registers are allocated in one pass: about where merging takes longer than
/// all else. (The functions of sqlite, boolector and CPython are below 26, those of esbuild below 420, but for one.)
const MANY_STEPS_PER_INSTRUCTION: u64 = 450;

/// Tells whether the better register allocator would take too long for a function.
pub(super) fn needs_single_pass(function: &Function) -> bool {
    let has_many_params = |block| function.dfg.num_block_params(block) > MANY_BLOCK_PARAMS;
    let instructions = function.dfg.num_insts();
    function.layout.blocks().any(has_many_params)
        || instructions > FEW_INSTRUCTIONS && merging_cost(function) / instructions as u64 > MANY_STEPS_PER_INSTRUCTION
}

/// Returns about how many steps merging takes: the square of the size of each set, divided by how many registers its values
/// demand.
fn merging_cost(function: &Function) -> u64 {
    let mut sets = Sets::default();
    let last_uses = last_uses(function);
    if let Some(entry) = function.layout.entry_block() {
        sets.demand(function.dfg.block_params(entry).iter().copied());
    }
    for inst in instructions(function) {
        let opcode = function.dfg.insts[inst].opcode();
        if opcode.is_call() || opcode.is_return() {
            sets.demand(arguments(function, inst));
            sets.demand(function.dfg.inst_results(inst).iter().copied());
        }
        for (value, successor) in successors(function, inst) {
            // A value that goes on to live has a register of its own.
            if last_uses[value] == Some(inst) {
                sets.merge(value, successor);
            }
        }
    }
    sets.cost()
}

/// Returns all instructions, in the order of the code.
fn instructions(function: &Function) -> impl Iterator<Item = Inst> {
    let layout = &function.layout;
    layout.blocks().flat_map(|block| layout.block_insts(block))
}

fn arguments(function: &Function, inst: Inst) -> impl Iterator<Item = Value> {
    let dfg = &function.dfg;
    dfg.inst_values(inst).map(|value| dfg.resolve_aliases(value))
}

/// Returns the instruction that is the last in the order of the code to use a value.
fn last_uses(function: &Function) -> SecondaryMap<Value, Option<Inst>> {
    let mut last_uses = SecondaryMap::new();
    for inst in instructions(function) {
        for value in arguments(function, inst) {
            last_uses[value] = Some(inst);
        }
    }
    last_uses
}

/// Returns pairs of values of which the second may take the first one's register.
fn successors(function: &Function, inst: Inst) -> Vec<(Value, Value)> {
    let dfg = &function.dfg;
    if let InstructionData::Binary { args, .. } = dfg.insts[inst] {
        return vec![(dfg.resolve_aliases(args[0]), dfg.first_result(inst))];
    }
    let mut pairs = Vec::new();
    for destination in dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables) {
        let params = dfg.block_params(destination.block(&dfg.value_lists));
        for (argument, &param) in destination.args(&dfg.value_lists).zip(params) {
            if let Some(value) = argument.as_value() {
                pairs.push((dfg.resolve_aliases(value), param));
            }
        }
    }
    pairs
}

/// Disjoint sets of values.
#[derive(Default)]
struct Sets {
    /// A value nearer to the one that stands for the set, or `None` at that.
    nearer: SecondaryMap<Value, Option<Value>>,
    /// Of the values that stand for a set: how often values joined it.
    merges: SecondaryMap<Value, u64>,
    /// Of the values that stand for a set: how often one of its values must be in a certain register.
    demands: SecondaryMap<Value, u64>,
}

impl Sets {
    fn find(&mut self, mut value: Value) -> Value {
        while let Some(nearer) = self.nearer[value] {
            if let Some(further) = self.nearer[nearer] {
                self.nearer[value] = Some(further);
            }
            value = nearer;
        }
        value
    }

    fn merge(&mut self, first: Value, second: Value) {
        let (first, second) = (self.find(first), self.find(second));
        self.merges[second] += 1;
        if first != second {
            self.nearer[first] = Some(second);
            self.merges[second] += self.merges[first];
            self.demands[second] += self.demands[first];
            // Only the values that stand for a set count in the end.
            (self.merges[first], self.demands[first]) = (0, 0);
        }
    }

    fn demand(&mut self, values: impl IntoIterator<Item = Value>) {
        for value in values {
            let set = self.find(value);
            self.demands[set] += 1;
        }
    }

    fn cost(&self) -> u64 {
        let counts = self.merges.values().zip(self.demands.values());
        counts
            .filter(|&(_, &demands)| demands > 0)
            .map(|(merges, demands)| merges * merges / demands)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::ir::{AbiParam, ExtFuncData, InstBuilder, Signature, UserExternalName, UserFuncName, types};
    use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    /// A function that passes its parameter through so many joins, each with an update on either side; between any two of them, it
    /// calls a function with the value or not.
    fn updates(joins: usize, calls: bool) -> Function {
        let mut signature = Signature::new(CallConv::Tail);
        signature.params.push(AbiParam::new(types::I32));
        signature.returns.push(AbiParam::new(types::I32));
        let mut function = Function::with_name_signature(UserFuncName::user(0, 0), signature.clone());
        let mut context = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut function, &mut context);
        let name = builder.func.declare_imported_user_function(UserExternalName::new(0, 1));
        let signature = builder.import_signature(signature);
        let callee = builder.import_function(ExtFuncData {
            name: cranelift_codegen::ir::ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        });
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let mut value = builder.block_params(entry)[0];
        for _ in 0..joins {
            let [then, otherwise, join] = std::array::from_fn(|_| builder.create_block());
            let joined = builder.append_block_param(join, types::I32);
            builder.ins().brif(value, then, &[], otherwise, &[]);
            for arm in [then, otherwise] {
                builder.switch_to_block(arm);
                let updated = builder.ins().imul(value, value);
                builder.ins().jump(join, &[updated.into()]);
            }
            builder.switch_to_block(join);
            value = joined;
            if calls {
                let call = builder.ins().call(callee, &[value]);
                value = builder.inst_results(call)[0];
            }
        }
        builder.ins().return_(&[value]);
        builder.seal_all_blocks();
        builder.finalize(TargetFrontendConfig {
            default_call_conv: CallConv::SystemV,
            pointer_width: target_lexicon::PointerWidth::U64,
            page_size_align_log2: 12,
        });
        function
    }

    #[test]
    fn one_value_updated_by_thousands_of_blocks_needs_a_single_pass() {
        assert!(needs_single_pass(&updates(4_000, false)));
    }

    #[test]
    fn a_few_updates_do_not() {
        assert!(!needs_single_pass(&updates(200, false)));
    }

    #[test]
    fn values_that_calls_keep_apart_do_not() {
        assert!(!needs_single_pass(&updates(4_000, true)));
    }
}
