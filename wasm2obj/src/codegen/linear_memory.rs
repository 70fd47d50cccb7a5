//! Linear memories and data segments as data.

use super::instantiation::Instantiation;
use super::object_writer::{Data, DataKind, ObjectWriter};
use crate::error::Result;
use crate::module::{DataIndex, MemoryIndex, SegmentMode};
use crate::translate::{Environment, Symbol};
use abi::memory_map::WINDOW_REACH;
use object::write::SymbolId;

/// Alignment of data segments: copying starts aligned, and vectors in them are.
const DATA_ALIGN: u64 = 16;

/// Defines a [`MemoryInstance`](abi::instance::MemoryInstance).
pub(super) fn define_instance(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    memory: MemoryIndex,
) -> Result<()> {
    let memory_type = &environment.module.memories[memory];
    let form = environment.memories[memory];
    let mut data = Data::default();
    data.push_u64(form.base);
    data.push_u64(form.minimum_bytes);
    data.push_u64(memory_type.initial);
    data.push_u64(memory_type.maximum.unwrap_or(u64::MAX));
    data.push_u32(form.page_size_log2);
    data.push_u32(u32::from(form.is_64));
    data.push_u64(if form.explicit_checks { 0 } else { WINDOW_REACH });
    writer.define_data(id, DataKind::Writable, 8, &data)
}

/// Defines the bytes of a data segment.
pub(super) fn define_bytes(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    id: SymbolId,
    data: DataIndex,
) -> Result<()> {
    writer.define_data(
        id,
        DataKind::ReadOnly,
        DATA_ALIGN,
        &Data::of(environment.module.data[data].bytes),
    )
}

/// Defines the [`SegmentInstance`](abi::instance::SegmentInstance) of a data segment.
pub(super) fn define_segment(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    plan: &Instantiation,
    id: SymbolId,
    index: DataIndex,
) -> Result<()> {
    let segment = &environment.module.data[index];
    let is_kept = matches!(segment.mode, SegmentMode::Passive) || plan.dynamic_data.contains(&index);
    let mut data = Data::default();
    data.push_address(is_kept.then(|| writer.symbol(Symbol::DataBytes(index))));
    data.push_u64(if is_kept { segment.bytes.len() as u64 } else { 0 });
    writer.define_data(id, DataKind::Writable, 8, &data)
}

/// Returns the array of [`ActiveSegment`](abi::instance::ActiveSegment)s, and their number.
pub(super) fn active_segments(
    writer: &mut ObjectWriter<'_>,
    environment: &Environment<'_>,
    plan: &Instantiation,
) -> (Data, u64) {
    let mut data = Data::default();
    let mut count = 0;
    for &(index, offset) in &plan.static_data {
        let segment = &environment.module.data[index];
        let SegmentMode::Active { target, .. } = &segment.mode else {
            continue;
        };
        if segment.bytes.is_empty() {
            continue;
        }
        data.push_address(Some(writer.symbol(Symbol::DataBytes(index))));
        data.push_u64(segment.bytes.len() as u64);
        data.push_u64(u64::from(target.as_u32()));
        data.push_u64(offset);
        count += 1;
    }
    (data, count)
}
