//! Data and element segments as they stand in the module.

use super::const_expr::{ConstExpr, ConstValue};
use super::index::{FuncIndex, MemoryIndex, TableIndex};
use super::parse::{index, narrow};
use crate::error::Result;
use wasmparser::{DataKind, ElementItems, ElementKind};

/// When a segment is used.
#[derive(Clone, Debug)]
pub enum SegmentMode<T> {
    /// At instantiation: it is copied to `offset` of `target`, and is gone afterwards.
    Active {
        /// The memory or table.
        target: T,
        /// Where in it.
        offset: ConstExpr,
    },
    /// When an instruction asks for it.
    Passive,
    /// Never; it only declares which functions are taken as values. (Element segments.)
    Declared,
}

/// A data segment.
#[derive(Clone, Debug)]
pub struct DataSegment<'data> {
    /// When it is used.
    pub mode: SegmentMode<MemoryIndex>,
    /// Its bytes.
    pub bytes: &'data [u8],
    /// Where it stands in the module.
    pub wasm_offset: u32,
}

/// An element segment.
#[derive(Clone, Debug)]
pub struct ElementSegment {
    /// When it is used.
    pub mode: SegmentMode<TableIndex>,
    /// Its elements.
    pub items: Elements,
    /// Where it stands in the module.
    pub wasm_offset: u32,
}

/// The elements of a segment. Most are plain functions, and large modules have hundreds of thousands of them.
#[derive(Clone, Debug)]
pub enum Elements {
    /// Function indices.
    Functions(Box<[FuncIndex]>),
    /// Expressions.
    Expressions(Box<[ConstExpr]>),
}

impl Elements {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Elements::Functions(functions) => functions.len(),
            Elements::Expressions(expressions) => expressions.len(),
        }
    }

    /// Returns the functions that the elements name.
    pub fn functions(&self) -> Vec<FuncIndex> {
        match self {
            Elements::Functions(functions) => functions.to_vec(),
            Elements::Expressions(expressions) => expressions
                .iter()
                .flat_map(|expression| expression.operators())
                .filter_map(|operator| match operator {
                    super::const_expr::ConstOperator::Value(ConstValue::FuncRef(function)) => Some(*function),
                    _ => None,
                })
                .collect(),
        }
    }

    /// Returns one element as an expression.
    pub fn expression(&self, position: usize) -> ConstExpr {
        match self {
            Elements::Functions(functions) => ConstExpr::of(ConstValue::FuncRef(functions[position])),
            Elements::Expressions(expressions) => expressions[position].clone(),
        }
    }
}

pub(super) fn parse_data(data: wasmparser::Data<'_>) -> Result<DataSegment<'_>> {
    let mode = match data.kind {
        DataKind::Passive => SegmentMode::Passive,
        DataKind::Active {
            memory_index,
            offset_expr,
        } => SegmentMode::Active {
            target: index(memory_index),
            offset: ConstExpr::parse(&offset_expr)?,
        },
    };
    Ok(DataSegment {
        mode,
        bytes: data.data,
        wasm_offset: narrow(data.range.start),
    })
}

pub(super) fn parse_element(element: wasmparser::Element<'_>) -> Result<ElementSegment> {
    let mode = match element.kind {
        ElementKind::Passive => SegmentMode::Passive,
        ElementKind::Declared => SegmentMode::Declared,
        ElementKind::Active {
            table_index,
            offset_expr,
        } => SegmentMode::Active {
            target: index(table_index.unwrap_or(0)),
            offset: ConstExpr::parse(&offset_expr)?,
        },
    };
    let items = match element.items {
        ElementItems::Functions(functions) => {
            let functions: Result<Vec<FuncIndex>> =
                functions.into_iter().map(|function| Ok(index(function?))).collect();
            Elements::Functions(functions?.into())
        }
        ElementItems::Expressions(_, expressions) => {
            let expressions: Result<Vec<ConstExpr>> = expressions
                .into_iter()
                .map(|expression| ConstExpr::parse(&expression?))
                .collect();
            Elements::Expressions(expressions?.into())
        }
    };
    Ok(ElementSegment {
        mode,
        items,
        wasm_offset: narrow(element.range.start),
    })
}
