//! Decides which tables can be read-only data, and what they then hold.
//!
//! Compilers emit one table that holds every function whose address is taken and is never written. As read-only data it needs
//! no length check against memory, no null check and often no signature check.

use super::environment::{Environment, ReadOnlyTable, TableForm};
use crate::module::{ConstValue, FuncIndex, SegmentMode, TableIndex};

/// The most elements that a table can start with.
pub(crate) const MAX_TABLE_LENGTH: u64 = 10_000_000;

/// Lays out a table.
pub(crate) fn table_form(environment: &Environment<'_>, index: TableIndex) -> TableForm {
    let module = environment.module;
    let table_type = &module.tables[index].table_type;
    let may_change = environment.usage.written_tables.contains(index);
    if !may_change
        && !environment.usage.referenced_tables.contains(index)
        && let Some(functions) = constant_functions(environment, index)
    {
        let uniform_type = uniform_type(environment, &functions);
        return TableForm::ReadOnly(ReadOnlyTable {
            functions,
            uniform_type,
        });
    }
    let fixed = !module.is_imported_table(index) && table_type.maximum == Some(table_type.initial);
    TableForm::General {
        constant_length: (fixed || !may_change).then_some(table_type.initial),
    }
}

/// Returns the functions that the table holds after instantiation, if all is known when compiling.
fn constant_functions(environment: &Environment<'_>, index: TableIndex) -> Option<Vec<Option<FuncIndex>>> {
    let module = environment.module;
    let table = &module.tables[index];
    let initial = match &table.initial {
        None => None,
        Some(expression) => function_of(expression.evaluate(|global| environment.initial_global(global))?)?,
    };
    if table.table_type.initial > MAX_TABLE_LENGTH {
        return None;
    }
    let mut functions = vec![initial; table.table_type.initial as usize];
    for element in module.elements.values() {
        let SegmentMode::Active { target, offset } = &element.mode else {
            continue;
        };
        if *target != index {
            continue;
        }
        let offset = offset
            .evaluate(|global| environment.initial_global(global))?
            .as_offset()?;
        let offset = usize::try_from(offset).ok()?;
        let destination = functions.get_mut(offset..offset.checked_add(element.items.len())?)?;
        for (position, slot) in destination.iter_mut().enumerate() {
            let value = element
                .items
                .expression(position)
                .evaluate(|global| environment.initial_global(global))?;
            *slot = function_of(value)?;
        }
    }
    Some(functions)
}

fn function_of(value: ConstValue) -> Option<Option<FuncIndex>> {
    match value {
        ConstValue::NullRef => Some(None),
        ConstValue::FuncRef(function) => Some(Some(function)),
        _ => None,
    }
}

fn uniform_type(environment: &Environment<'_>, functions: &[Option<FuncIndex>]) -> Option<u32> {
    let mut ids = functions
        .iter()
        .flatten()
        .map(|&function| environment.function_type_id(Some(function)));
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}
