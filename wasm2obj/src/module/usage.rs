//! What the module as a whole does: found by validating and reading every function body once, in parallel.
//!
//! A function that neither the outside, nor a table, nor a live function can reach is dropped. Of what live functions do, the
//! tables and globals they write matter: those that nothing writes become read-only data or constants. An object that is
//! exported or imported counts as written, for others hold it too.

use super::index::{DefinedFuncIndex, FuncIndex, GlobalIndex, TableIndex};
use super::parse::{BodyValidators, features, index};
use super::{ConstExpr, ConstOperator, ConstValue, ExportedItem, Module, SegmentMode};
use crate::error::Result;
use cranelift_entity::{EntityRef, EntitySet, PrimaryMap};
use rayon::prelude::*;
use wasmparser::{
    FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader, ValidatorResources,
};

/// Facts about the whole module.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Functions that can run, imported ones included.
    pub live_functions: EntitySet<FuncIndex>,
    /// Live functions that something calls by name.
    pub called_functions: EntitySet<FuncIndex>,
    /// Live functions that something else leads to.
    pub referenced_functions: EntitySet<FuncIndex>,
    /// Tables whose contents or length can change after instantiation.
    pub written_tables: EntitySet<TableIndex>,
    /// Globals whose value can change after instantiation.
    pub written_globals: EntitySet<GlobalIndex>,
    /// Tables whose elements are read as references, so that their elements need an identity.
    pub referenced_tables: EntitySet<TableIndex>,
}

/// What one body does, each kind without repetitions.
#[derive(Debug, Default)]
struct BodyUsage {
    called_functions: Vec<FuncIndex>,
    referenced_functions: Vec<FuncIndex>,
    written_tables: Vec<TableIndex>,
    referenced_tables: Vec<TableIndex>,
    written_globals: Vec<GlobalIndex>,
}

impl Usage {
    /// Validates all bodies and collects what they do.
    ///
    /// # Errors
    /// The first error in the order of the module, whatever the threads found first.
    pub fn collect(module: &Module<'_>, validators: BodyValidators) -> Result<Usage> {
        let bodies: Vec<Result<BodyUsage>> = validators
            .into_par_iter()
            .zip(module.bodies.as_values_slice())
            .with_min_len(16)
            .map_init(FuncValidatorAllocations::default, |allocations, (validator, body)| {
                scan_body(validator, body, allocations)
            })
            .collect();
        let bodies = bodies
            .into_iter()
            .collect::<Result<PrimaryMap<DefinedFuncIndex, BodyUsage>>>()?;
        let mut usage = Usage::default();
        usage.add_shared_items(module);
        usage.add_live_functions(module, &bodies);
        Ok(usage)
    }

    fn add_shared_items(&mut self, module: &Module<'_>) {
        for import in &module.imported_tables {
            self.written_tables.insert(import.item);
        }
        for import in &module.imported_globals {
            self.written_globals.insert(import.item);
        }
        for export in &module.exports {
            match export.item {
                ExportedItem::Table(table) => {
                    self.written_tables.insert(table);
                }
                ExportedItem::Global(global) if module.globals[global].global_type.mutable => {
                    self.written_globals.insert(global);
                }
                _ => {}
            }
        }
    }

    fn add_live_functions(&mut self, module: &Module<'_>, bodies: &PrimaryMap<DefinedFuncIndex, BodyUsage>) {
        let mut pending = roots(module);
        self.referenced_functions.extend(pending.iter().copied());
        while let Some(function) = pending.pop() {
            if !self.live_functions.insert(function) {
                continue;
            }
            if let Some(body) = module.defined_function(function) {
                let body = &bodies[body];
                pending.extend_from_slice(&body.called_functions);
                pending.extend_from_slice(&body.referenced_functions);
                self.called_functions.extend(body.called_functions.iter().copied());
                self.referenced_functions
                    .extend(body.referenced_functions.iter().copied());
                self.written_tables.extend(body.written_tables.iter().copied());
                self.referenced_tables.extend(body.referenced_tables.iter().copied());
                self.written_globals.extend(body.written_globals.iter().copied());
            }
        }
    }
}

/// Returns the functions that are reachable before any function has run.
fn roots(module: &Module<'_>) -> Vec<FuncIndex> {
    let mut roots: Vec<FuncIndex> = module.start.into_iter().collect();
    for export in &module.exports {
        if let ExportedItem::Function(function) = export.item {
            roots.push(function);
        }
    }
    for element in module.elements.values() {
        if !matches!(element.mode, SegmentMode::Declared) {
            roots.extend(element.items.functions());
        }
    }
    let table_values = module.tables.values().filter_map(|table| table.initial.as_ref());
    let global_values = module.globals.values().filter_map(|global| global.initial.as_ref());
    roots.extend(table_values.chain(global_values).flat_map(functions_of));
    roots
}

fn functions_of(expression: &ConstExpr) -> impl Iterator<Item = FuncIndex> {
    expression.operators().iter().filter_map(|operator| match operator {
        ConstOperator::Value(ConstValue::FuncRef(function)) => Some(*function),
        _ => None,
    })
}

fn scan_body(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: &mut FuncValidatorAllocations,
) -> Result<BodyUsage> {
    let mut validator = function.into_validator(std::mem::take(allocations));
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(features());
    let mut operators = OperatorsReader::new(reader);
    let mut usage = BodyUsage::default();
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        validator.op(offset, &operator)?;
        usage.add(&operator);
    }
    operators.finish()?;
    *allocations = validator.into_allocations();
    usage.sort();
    Ok(usage)
}

impl BodyUsage {
    fn add(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.called_functions.push(index(function_index));
            }
            Operator::RefFunc { function_index } => self.referenced_functions.push(index(function_index)),
            Operator::TableSet { table }
            | Operator::TableGrow { table }
            | Operator::TableFill { table }
            | Operator::TableInit { table, .. } => self.written_tables.push(index(table)),
            Operator::TableCopy { dst_table, src_table } => {
                self.written_tables.push(index(dst_table));
                self.referenced_tables.push(index(src_table));
            }
            Operator::TableGet { table } => self.referenced_tables.push(index(table)),
            Operator::GlobalSet { global_index } => self.written_globals.push(index(global_index)),
            _ => {}
        }
    }

    fn sort(&mut self) {
        sort(&mut self.called_functions);
        sort(&mut self.referenced_functions);
        sort(&mut self.written_tables);
        sort(&mut self.referenced_tables);
        sort(&mut self.written_globals);
    }
}

fn sort<I: EntityRef + Ord>(indices: &mut Vec<I>) {
    indices.sort_unstable();
    indices.dedup();
    indices.shrink_to_fit();
}
