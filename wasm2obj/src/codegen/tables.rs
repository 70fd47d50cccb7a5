//! Tables, element segments and function references as data.

use super::instantiation::{Instantiation, reference};
use super::object_writer::{Data, DataKind, ObjectWriter};
use super::thunks::internal_entry;
use crate::error::{Error, Result};
use crate::module::{ElemIndex, FuncIndex, SegmentMode, TableIndex};
use crate::translate::{Environment, MAX_TABLE_LENGTH, ReadOnlyTable, Symbol, TableForm};
use abi::instance::FuncRef;
use cranelift_entity::EntityRef;
use object::write::SymbolId;

/// Alignment of data that holds addresses.
const ADDRESS_ALIGN: u64 = 8;

/// Defines a [`TableInstance`](abi::instance::TableInstance).
pub(super) fn define_instance(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    table: TableIndex,
) -> Result<()> {
    let table_type = &environment.module.tables[table].table_type;
    let mut data = Data::default();
    data.push_address(Some(writer.symbol(Symbol::TableElements(table))));
    data.push_u64(table_type.initial);
    data.push_u64(table_type.maximum.unwrap_or(u64::MAX));
    data.push_u64(table_type.initial);
    writer.define_data(id, DataKind::Writable, ADDRESS_ALIGN, &data)
}

/// Defines the elements that a table starts with.
pub(super) fn define_elements(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    plan: &Instantiation,
    id: SymbolId,
    table: TableIndex,
) -> Result<()> {
    let Some(functions) = plan.table_images.get(&table) else {
        let length = environment.module.tables[table].table_type.initial;
        if length > MAX_TABLE_LENGTH {
            return Err(Error::limit(
                format!("table {} has {length} elements", table.as_u32()),
                0,
            ));
        }
        writer.define_zeros(id, length * ADDRESS_ALIGN, ADDRESS_ALIGN);
        return Ok(());
    };
    let data = references(writer, functions.iter().copied());
    writer.define_data(id, DataKind::Writable, ADDRESS_ALIGN, &data)
}

fn references(writer: &mut ObjectWriter<'_>, functions: impl Iterator<Item = Option<FuncIndex>>) -> Data {
    let mut data = Data::default();
    for function in functions {
        let symbol = function.map(|function| writer.symbol(Symbol::FuncRef(function)));
        data.push_address(symbol);
    }
    data
}

fn read_only<'e>(environment: &'e Environment<'_>, table: TableIndex) -> &'e ReadOnlyTable {
    match &environment.tables[table] {
        TableForm::ReadOnly(functions) => functions,
        TableForm::General { .. } => unreachable!("only read-only tables have arrays of code addresses"),
    }
}

/// Defines the code addresses of a table that nothing writes.
pub(super) fn define_code(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    table: TableIndex,
) -> Result<()> {
    let mut data = Data::default();
    for function in &read_only(environment, table).functions {
        let symbol = match *function {
            Some(function) => internal_entry(environment, function),
            None => Symbol::NullCallee(FuncIndex::new(0)),
        };
        data.push_address(Some(writer.symbol(symbol)));
    }
    writer.define_data(id, DataKind::ReadOnly, ADDRESS_ALIGN, &data)
}

/// Defines the type numbers of a table that nothing writes.
pub(super) fn define_types(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    table: TableIndex,
) -> Result<()> {
    let mut data = Data::default();
    for &function in &read_only(environment, table).functions {
        data.push_u32(environment.function_type_id(function));
    }
    writer.define_data(id, DataKind::ReadOnly, 4, &data)
}

/// Defines a [`FuncRef`].
pub(super) fn define_func_ref(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    function: FuncIndex,
) -> Result<()> {
    let mut data = Data::default();
    data.push_address(Some(writer.symbol(internal_entry(environment, function))));
    data.push_u32(environment.function_type_id(Some(function)));
    data.push_u32(function.as_u32());
    writer.define_data(id, DataKind::ReadOnly, FuncRef::SIZE as u64, &data)
}

/// Defines the [`SegmentInstance`](abi::instance::SegmentInstance) of an element segment.
pub(super) fn define_segment(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    plan: &Instantiation,
    id: SymbolId,
    element: ElemIndex,
) -> Result<()> {
    let segment = &environment.module.elements[element];
    let is_kept = matches!(segment.mode, SegmentMode::Passive) || plan.dynamic_elements.contains(&element);
    let mut data = Data::default();
    data.push_address(is_kept.then(|| writer.symbol(Symbol::ElemElements(element))));
    data.push_u64(if is_kept { segment.items.len() as u64 } else { 0 });
    writer.define_data(id, DataKind::Writable, ADDRESS_ALIGN, &data)
}

/// Defines the elements of a segment; those that must be computed start as null.
pub(super) fn define_segment_elements(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    element: ElemIndex,
) -> Result<()> {
    let items = &environment.module.elements[element].items;
    let values: Vec<Option<Option<FuncIndex>>> = (0..items.len())
        .map(|position| reference(environment, &items.expression(position)))
        .collect();
    let is_constant = values.iter().all(Option::is_some);
    let data = references(writer, values.into_iter().map(Option::flatten));
    let kind = if is_constant {
        DataKind::ReadOnly
    } else {
        DataKind::Writable
    };
    writer.define_data(id, kind, ADDRESS_ALIGN, &data)
}
