//! Globals as data.

use super::object_writer::{Data, DataKind, ObjectWriter};
use crate::error::Result;
use crate::module::{ConstValue, GlobalIndex};
use crate::translate::{Environment, Symbol};
use abi::instance::GLOBAL_SIZE;
use object::write::SymbolId;

/// Defines the cell of a global. A value that must be computed starts as zero.
pub(super) fn define_cell(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    global: GlobalIndex,
) -> Result<()> {
    let align = GLOBAL_SIZE as u64;
    let mut bytes = [0; GLOBAL_SIZE];
    match environment.initial_global(global) {
        None | Some(ConstValue::NullRef) => {}
        Some(ConstValue::I32(value)) => bytes[..4].copy_from_slice(&value.to_le_bytes()),
        Some(ConstValue::I64(value)) => bytes[..8].copy_from_slice(&value.to_le_bytes()),
        Some(ConstValue::F32(bits)) => bytes[..4].copy_from_slice(&bits.to_le_bytes()),
        Some(ConstValue::F64(bits)) => bytes[..8].copy_from_slice(&bits.to_le_bytes()),
        Some(ConstValue::V128(value)) => bytes = value,
        Some(ConstValue::FuncRef(function)) => {
            let mut data = Data::default();
            data.push_address(Some(writer.symbol(Symbol::FuncRef(function))));
            data.push_u64(0);
            return writer.define_data(id, DataKind::Writable, align, &data);
        }
    }
    if bytes == [0; GLOBAL_SIZE] {
        writer.define_zeros(id, GLOBAL_SIZE as u64, align);
        return Ok(());
    }
    writer.define_data(id, DataKind::Writable, align, &Data::of(&bytes))
}
