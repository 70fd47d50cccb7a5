//! What instantiation does, split in two: what is known when compiling becomes the initial contents of the object's data, the
//! rest is left to `wasmetal.initialize`.
//!
//! Segments take effect in the module's order, elements before data, and the first that does not fit traps with the earlier
//! ones in force. So a segment is applied here only if it is constant, fits, and comes before all that are left for later.

use crate::module::{ConstExpr, ConstValue, DataIndex, ElemIndex, FuncIndex, GlobalIndex, SegmentMode, TableIndex};
use crate::translate::{Environment, MAX_TABLE_LENGTH, TableForm};
use std::collections::BTreeMap;

/// The plan.
#[derive(Debug, Default)]
pub(super) struct Instantiation {
    /// Initial elements of tables in their general form. A table without an entry starts with null.
    pub table_images: BTreeMap<TableIndex, Vec<Option<FuncIndex>>>,
    /// Active data segments to copy before anything runs, with their offset.
    pub static_data: Vec<(DataIndex, u64)>,
    /// Tables whose elements all start as a value that must be computed.
    pub dynamic_tables: Vec<TableIndex>,
    /// Globals whose initial value must be computed.
    pub dynamic_globals: Vec<GlobalIndex>,
    /// Elements of segments that must be computed: segment and position.
    pub dynamic_items: Vec<(ElemIndex, usize)>,
    /// Active element segments that are applied later, in order.
    pub dynamic_elements: Vec<ElemIndex>,
    /// Active data segments that are applied later, in order.
    pub dynamic_data: Vec<DataIndex>,
}

impl Instantiation {
    /// Plans the instantiation of a module.
    pub fn plan(environment: &Environment<'_>) -> Instantiation {
        let mut plan = Instantiation::default();
        plan.plan_globals(environment);
        plan.plan_tables(environment);
        plan.plan_elements(environment);
        plan.plan_data(environment);
        plan
    }

    /// Tells whether anything but the start function is left for later.
    pub fn is_complete(&self) -> bool {
        self.dynamic_tables.is_empty()
            && self.dynamic_globals.is_empty()
            && self.dynamic_items.is_empty()
            && self.dynamic_elements.is_empty()
            && self.dynamic_data.is_empty()
    }

    fn plan_globals(&mut self, environment: &Environment<'_>) {
        for (index, global) in environment.module.globals.iter() {
            if global.initial.is_some() && environment.initial_global(index).is_none() {
                self.dynamic_globals.push(index);
            }
        }
    }

    fn plan_tables(&mut self, environment: &Environment<'_>) {
        for (index, table) in environment.module.tables.iter() {
            let Some(initial) = &table.initial else {
                continue;
            };
            let is_too_long = table.table_type.initial > MAX_TABLE_LENGTH;
            if is_too_long || matches!(environment.tables[index], TableForm::ReadOnly(_)) {
                continue;
            }
            match evaluate(environment, initial) {
                Some(ConstValue::NullRef) => {}
                Some(ConstValue::FuncRef(function)) => {
                    self.table_images
                        .insert(index, vec![Some(function); table.table_type.initial as usize]);
                }
                _ => self.dynamic_tables.push(index),
            }
        }
    }

    fn plan_elements(&mut self, environment: &Environment<'_>) {
        for (index, element) in environment.module.elements.iter() {
            if !matches!(element.mode, SegmentMode::Declared) {
                for position in 0..element.items.len() {
                    if reference(environment, &element.items.expression(position)).is_none() {
                        self.dynamic_items.push((index, position));
                    }
                }
            }
            let SegmentMode::Active { target, offset } = &element.mode else {
                continue;
            };
            if matches!(environment.tables[*target], TableForm::ReadOnly(_)) {
                continue;
            }
            let is_static = self.dynamic_elements.is_empty() && self.dynamic_tables.is_empty();
            if !(is_static && self.apply_element(environment, index, *target, offset)) {
                self.dynamic_elements.push(index);
            }
        }
    }

    /// Applies a segment to a table's image, if all about it is known and it fits.
    fn apply_element(
        &mut self,
        environment: &Environment<'_>,
        index: ElemIndex,
        table: TableIndex,
        offset: &ConstExpr,
    ) -> bool {
        let module = environment.module;
        let items = &module.elements[index].items;
        let Some(offset) = evaluate(environment, offset).and_then(ConstValue::as_offset) else {
            return false;
        };
        let length = module.tables[table].table_type.initial;
        let fits = offset.checked_add(items.len() as u64).is_some_and(|end| end <= length);
        if module.is_imported_table(table) || !fits || length > MAX_TABLE_LENGTH {
            return false;
        }
        let functions: Option<Vec<Option<FuncIndex>>> = (0..items.len())
            .map(|position| reference(environment, &items.expression(position)))
            .collect();
        let Some(functions) = functions else {
            return false;
        };
        let image = self
            .table_images
            .entry(table)
            .or_insert_with(|| vec![None; length as usize]);
        let offset = offset as usize;
        image[offset..offset + functions.len()].copy_from_slice(&functions);
        true
    }

    fn plan_data(&mut self, environment: &Environment<'_>) {
        for (index, data) in environment.module.data.iter() {
            let SegmentMode::Active { target, offset } = &data.mode else {
                continue;
            };
            let form = environment.memories[*target];
            let offset = evaluate(environment, offset)
                .and_then(ConstValue::as_offset)
                .filter(|offset| {
                    offset
                        .checked_add(data.bytes.len() as u64)
                        .is_some_and(|end| end <= form.minimum_bytes)
                })
                .filter(|_| self.dynamic_data.is_empty() && !environment.module.is_imported_memory(*target));
            match offset {
                Some(offset) => self.static_data.push((index, offset)),
                None => self.dynamic_data.push(index),
            }
        }
    }
}

/// Returns an expression's value at instantiation, if it is known.
pub(super) fn evaluate(environment: &Environment<'_>, expression: &ConstExpr) -> Option<ConstValue> {
    expression.evaluate(|global| environment.initial_global(global))
}

/// Returns a reference's value at instantiation, if it is known: a function or null.
pub(super) fn reference(environment: &Environment<'_>, expression: &ConstExpr) -> Option<Option<FuncIndex>> {
    match evaluate(environment, expression)? {
        ConstValue::FuncRef(function) => Some(Some(function)),
        ConstValue::NullRef => Some(None),
        _ => None,
    }
}
