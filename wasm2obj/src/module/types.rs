//! Types and their identity.
//!
//! WebAssembly compares types by structure, and a recursion group as a whole. [`TypeRegistry`] gives each distinct type a dense
//! number: `call_indirect` compares numbers, also between modules that share a registry. A group's key spells out its members,
//! with references to earlier types by their number and to members by their position, so that equal keys mean equal types.
//! Struct and array types take part, which is all that garbage collection will need of this file.

use super::index::TypeIndex;
use cranelift_entity::{EntityRef, PrimaryMap};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use wasmparser::{CompositeInnerType, FieldType, HeapType, PackedIndex, RecGroup, StorageType, SubType, ValType};

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionType {
    /// Parameters.
    pub params: Box<[ValType]>,
    /// Results.
    pub results: Box<[ValType]>,
}

/// One type of the type section.
#[derive(Clone, Debug)]
pub struct TypeDefinition {
    /// Identity: see [`TypeRegistry`].
    pub id: u32,
    /// The type that it is declared to be a subtype of.
    pub supertype: Option<TypeIndex>,
    /// Parameters and results, if it is a function type.
    pub function: Option<FunctionType>,
}

/// Gives types their identity. Share one between modules whose functions call one another through tables.
#[derive(Debug, Default)]
pub struct TypeRegistry {
    groups: Mutex<Groups>,
}

#[derive(Debug, Default)]
struct Groups {
    /// From a group's key to the number of its first type.
    first_ids: HashMap<Box<[u8]>, u32>,
    type_count: u32,
}

impl TypeRegistry {
    /// The number that no type has: null in arrays of type numbers.
    pub const NULL_ID: u32 = 0;

    /// Returns a registry without types.
    pub fn new() -> TypeRegistry {
        TypeRegistry::default()
    }

    /// Returns the number of the first type of the group with this key, which has `count` types.
    fn intern(&self, key: Vec<u8>, count: u32) -> u32 {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let next = groups.type_count + 1;
        let id = *groups.first_ids.entry(key.into_boxed_slice()).or_insert(next);
        if id == next {
            groups.type_count += count;
        }
        id
    }

    /// Appends the types of a recursion group that has been validated.
    pub(super) fn append_group(&self, group: &RecGroup, types: &mut PrimaryMap<TypeIndex, TypeDefinition>) {
        let mut key = KeyWriter {
            types,
            first_index: types.len() as u32,
            bytes: Vec::new(),
        };
        for subtype in group.types() {
            key.write_subtype(subtype);
        }
        let first_id = self.intern(key.bytes, group.types().len() as u32);
        for (position, subtype) in group.types().enumerate() {
            let function = match &subtype.composite_type.inner {
                CompositeInnerType::Func(function) => Some(FunctionType {
                    params: function.params().into(),
                    results: function.results().into(),
                }),
                _ => None,
            };
            let supertype = subtype.supertype_idxs.first().and_then(PackedIndex::as_module_index);
            types.push(TypeDefinition {
                id: first_id + position as u32,
                supertype: supertype.map(|index| TypeIndex::new(index as usize)),
                function,
            });
        }
    }
}

/// Writes the key of one recursion group.
struct KeyWriter<'a> {
    types: &'a PrimaryMap<TypeIndex, TypeDefinition>,
    first_index: u32,
    bytes: Vec<u8>,
}

impl KeyWriter<'_> {
    fn write_word(&mut self, word: u32) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    fn write_index(&mut self, index: PackedIndex) {
        // Types come straight from the parser, where each reference is an index of the module.
        let index = index.as_module_index().unwrap_or(u32::MAX);
        match index.checked_sub(self.first_index) {
            Some(position) => {
                self.bytes.push(b'r');
                self.write_word(position);
            }
            None => {
                self.bytes.push(b'i');
                self.write_word(self.types[TypeIndex::new(index as usize)].id);
            }
        }
    }

    fn write_subtype(&mut self, subtype: &SubType) {
        self.bytes.push(if subtype.is_final { b'f' } else { b'o' });
        for &supertype in &subtype.supertype_idxs {
            self.write_index(supertype);
        }
        self.bytes.push(if subtype.composite_type.shared { b's' } else { b'u' });
        match &subtype.composite_type.inner {
            CompositeInnerType::Func(function) => {
                self.bytes.push(b'(');
                function.params().iter().for_each(|&param| self.write_value_type(param));
                self.bytes.push(b')');
                function
                    .results()
                    .iter()
                    .for_each(|&result| self.write_value_type(result));
            }
            CompositeInnerType::Array(array) => {
                self.bytes.push(b'[');
                self.write_field(array.0);
            }
            CompositeInnerType::Struct(fields) => {
                self.bytes.push(b'{');
                fields.fields.iter().for_each(|&field| self.write_field(field));
            }
            CompositeInnerType::Cont(continuation) => {
                self.bytes.push(b'c');
                self.write_index(continuation.0);
            }
        }
        self.bytes.push(b';');
    }

    fn write_field(&mut self, field: FieldType) {
        self.bytes.push(if field.mutable { b'm' } else { b'k' });
        match field.element_type {
            StorageType::I8 => self.bytes.push(b'b'),
            StorageType::I16 => self.bytes.push(b'h'),
            StorageType::Val(value_type) => self.write_value_type(value_type),
        }
    }

    fn write_value_type(&mut self, value_type: ValType) {
        match value_type {
            ValType::I32 => self.bytes.push(b'1'),
            ValType::I64 => self.bytes.push(b'2'),
            ValType::F32 => self.bytes.push(b'3'),
            ValType::F64 => self.bytes.push(b'4'),
            ValType::V128 => self.bytes.push(b'5'),
            ValType::Ref(reference) => {
                self.bytes.push(if reference.is_nullable() { b'n' } else { b'd' });
                match reference.heap_type() {
                    HeapType::Abstract { shared, ty } => {
                        self.bytes.push(if shared { b's' } else { b'a' });
                        self.bytes.push(ty as u8);
                    }
                    HeapType::Concrete(index) => {
                        self.bytes.push(b'x');
                        self.write_unpacked(index);
                    }
                    HeapType::Exact(index) => {
                        self.bytes.push(b'e');
                        self.write_unpacked(index);
                    }
                }
            }
        }
    }

    fn write_unpacked(&mut self, index: wasmparser::UnpackedIndex) {
        match index.pack() {
            Some(index) => self.write_index(index),
            None => self.bytes.push(b'?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::module::{Module, TypeRegistry};

    fn type_ids(registry: &TypeRegistry, text: &str) -> Vec<u32> {
        let bytes = wat::parse_str(text).unwrap();
        let (module, _) = Module::parse(&bytes, registry).unwrap();
        module.types.values().map(|definition| definition.id).collect()
    }

    #[test]
    fn equal_types_have_equal_numbers_across_modules_and_no_other() {
        let registry = TypeRegistry::new();
        let first = type_ids(
            &registry,
            "(module (type (func (param i32))) (type (func (param i64))))",
        );
        let second = type_ids(&registry, "(module (type (func)) (type (func (param i32))))");
        assert_eq!(first[0], second[1]);
        assert_ne!(first[0], first[1]);
        assert_ne!(first[0], second[0]);
        assert!(!first.contains(&TypeRegistry::NULL_ID));
    }

    #[test]
    fn a_recursion_group_is_compared_as_a_whole() {
        let registry = TypeRegistry::new();
        let alone = type_ids(&registry, "(module (type $a (func (param (ref null $a)))))");
        let pair = "(module (rec (type $a (func (param (ref null $a)))) (type $b (func))))";
        assert_ne!(alone[0], type_ids(&registry, pair)[0]);
        assert_eq!(type_ids(&registry, pair), type_ids(&registry, pair));
    }
}
