//! A module from outside: what it imports and exports, with types that can be compared between modules.
//!
//! One `wasmparser::Validator` reads all modules of a store, so that equal types have equal identities in all of them.
//!
//! Read first: [`Interface`], [`InterfaceReader`], [`is_compatible`].

use abi::{preview1, socket_extension, symbols};
use wasmparser::types::{CoreTypeId, EntityType, Types, TypesRef};
use wasmparser::{
    AbstractHeapType, CompositeInnerType, ExternalKind, FuncType, HeapType, MemoryType, Parser, Payload, RefType,
    TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

/// One import.
#[derive(Clone, Debug)]
pub struct Import {
    /// Module name.
    pub module: String,
    /// Name within it.
    pub name: String,
    /// The symbol that stands for it in the object.
    pub symbol: String,
    /// What must be given.
    pub entity: EntityType,
}

/// One export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Name.
    pub name: String,
    /// Kind and type.
    pub entity: EntityType,
    /// Position in `Interface::imports` if the module hands on what it imports.
    pub import: Option<usize>,
}

/// What a module imports and exports.
pub struct Interface {
    /// Imports, in the module's order.
    pub imports: Vec<Import>,
    /// Exports, in the module's order.
    pub exports: Vec<Export>,
    /// The memories that the module itself defines.
    pub memories: Vec<MemoryType>,
    types: Types,
}

impl std::fmt::Debug for Interface {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Interface")
            .field("imports", &self.imports)
            .field("exports", &self.exports)
            .finish()
    }
}

impl Interface {
    /// Returns the types that the interface refers to.
    pub fn types(&self) -> TypesRef<'_> {
        self.types.as_ref()
    }

    /// Returns the type of a function that has been exported or imported.
    pub fn function_type(&self, entity: &EntityType) -> Option<&FuncType> {
        match entity {
            EntityType::Func(id) | EntityType::FuncExact(id) | EntityType::Tag(id) => {
                match &self.types().get(*id)?.composite_type.inner {
                    CompositeInnerType::Func(function_type) => Some(function_type),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Reads interfaces. Types of all interfaces that one reader has read can be compared.
pub struct InterfaceReader {
    validator: Validator,
}

impl std::fmt::Debug for InterfaceReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InterfaceReader").finish_non_exhaustive()
    }
}

impl Default for InterfaceReader {
    fn default() -> InterfaceReader {
        InterfaceReader {
            validator: Validator::new_with_features(features()),
        }
    }
}

impl InterfaceReader {
    /// Validates a module, but for its function bodies, and reads its interface.
    ///
    /// # Errors
    /// If the module is malformed or invalid.
    pub fn read(&mut self, wasm: &[u8]) -> wasmparser::Result<Interface> {
        // A validator is of no more use after an error, so one that keeps no types tries first.
        validate_declarations(&mut Validator::new_with_features(features()), wasm)?;
        self.validator.reset();
        let types = validate_declarations(&mut self.validator, wasm)?;
        let mut interface = Interface {
            imports: Vec::new(),
            exports: Vec::new(),
            memories: Vec::new(),
            types,
        };
        let mut imported = ImportedItems::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let index = imported.push(import.ty, interface.imports.len());
                        let types = interface.types();
                        // What the import says names types by index; what the module's index spaces say, by identity.
                        let entity = match import.ty {
                            TypeRef::Table(_) => Some(EntityType::Table(types.table_at(index))),
                            TypeRef::Global(_) => Some(EntityType::Global(types.global_at(index))),
                            _ => types.entity_type_from_import(&import),
                        };
                        let entity = entity.expect("validated: a module's import has a type");
                        interface.imports.push(Import {
                            module: import.module.to_owned(),
                            name: import.name.to_owned(),
                            symbol: import_symbol(&import, interface.function_type(&entity)),
                            entity,
                        });
                    }
                }
                Payload::MemorySection(section) => {
                    interface.memories = section.into_iter().collect::<wasmparser::Result<_>>()?;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let entity = interface.types().entity_type_from_export(&export);
                        interface.exports.push(Export {
                            name: export.name.to_owned(),
                            entity: entity.expect("validated: a module's export has a type"),
                            import: imported.find(export.kind, export.index),
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(interface)
    }
}

/// Returns the symbol that stands for an import. What WasmEdge has in several forms is told apart by the number of parameters; their
/// types are for the compiler to check.
fn import_symbol(import: &wasmparser::Import<'_>, function_type: Option<&FuncType>) -> String {
    let fits = |form: &&socket_extension::Form| {
        import.module == preview1::MODULE
            && function_type.is_some_and(|function| function.params().len() == form.params.len())
    };
    let form = socket_extension::find(import.name).find(fits);
    symbols::import(import.module, form.map_or(import.name, |form| form.symbol_name))
}

/// Everything but components: what is valid is for the compiler to say.
fn features() -> WasmFeatures {
    WasmFeatures::all().difference(WasmFeatures::COMPONENT_MODEL)
}

fn validate_declarations(validator: &mut Validator, wasm: &[u8]) -> wasmparser::Result<Types> {
    let mut types = None;
    for payload in Parser::new(0).parse_all(wasm) {
        if let ValidPayload::End(found) = validator.payload(&payload?)? {
            types = Some(found);
        }
    }
    Ok(types.expect("the parser reports the end or an error"))
}

/// For each index space, the imports that open it.
#[derive(Default)]
struct ImportedItems {
    functions: Vec<usize>,
    tables: Vec<usize>,
    memories: Vec<usize>,
    globals: Vec<usize>,
    tags: Vec<usize>,
}

impl ImportedItems {
    /// Adds an import and returns its index in its space.
    fn push(&mut self, item: TypeRef, import: usize) -> u32 {
        let space = match item {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => &mut self.functions,
            TypeRef::Table(_) => &mut self.tables,
            TypeRef::Memory(_) => &mut self.memories,
            TypeRef::Global(_) => &mut self.globals,
            TypeRef::Tag(_) => &mut self.tags,
        };
        space.push(import);
        space.len() as u32 - 1
    }

    fn find(&self, kind: ExternalKind, index: u32) -> Option<usize> {
        let space = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => &self.functions,
            ExternalKind::Table => &self.tables,
            ExternalKind::Memory => &self.memories,
            ExternalKind::Global => &self.globals,
            ExternalKind::Tag => &self.tags,
        };
        space.get(index as usize).copied()
    }
}

/// Tells whether an item of type `given` may satisfy an import of type `wanted` (Wasm core specification 4.5.3, "external
/// subtyping"). The minimum of a memory or table that is given is its current length.
pub fn is_compatible(types: TypesRef<'_>, given: &EntityType, wanted: &EntityType) -> bool {
    match (given, wanted) {
        (EntityType::Func(given) | EntityType::FuncExact(given), EntityType::Func(wanted)) => {
            is_declared_subtype(types, *given, *wanted)
        }
        (EntityType::FuncExact(given) | EntityType::Func(given), EntityType::FuncExact(wanted))
        | (EntityType::Tag(given), EntityType::Tag(wanted)) => given == wanted,
        (EntityType::Table(given), EntityType::Table(wanted)) => {
            given.element_type == wanted.element_type
                && given.table64 == wanted.table64
                && given.shared == wanted.shared
                && limits_match((given.initial, given.maximum), (wanted.initial, wanted.maximum))
        }
        (EntityType::Memory(given), EntityType::Memory(wanted)) => {
            given.memory64 == wanted.memory64
                && given.shared == wanted.shared
                && given.page_size_log2.unwrap_or(16) == wanted.page_size_log2.unwrap_or(16)
                && limits_match((given.initial, given.maximum), (wanted.initial, wanted.maximum))
        }
        (EntityType::Global(given), EntityType::Global(wanted)) => {
            let same_type = given.content_type == wanted.content_type;
            let fits =
                same_type || (!given.mutable && is_value_subtype(types, given.content_type, wanted.content_type));
            given.mutable == wanted.mutable && given.shared == wanted.shared && fits
        }
        _ => false,
    }
}

fn limits_match(given: (u64, Option<u64>), wanted: (u64, Option<u64>)) -> bool {
    let maximum_fits = match (given.1, wanted.1) {
        (_, None) => true,
        (Some(given), Some(wanted)) => given <= wanted,
        (None, Some(_)) => false,
    };
    given.0 >= wanted.0 && maximum_fits
}

fn is_declared_subtype(types: TypesRef<'_>, subtype: CoreTypeId, supertype: CoreTypeId) -> bool {
    let mut ancestors = std::iter::successors(Some(subtype), |&id| types.supertype_of(id));
    ancestors.any(|ancestor| ancestor == supertype)
}

fn is_value_subtype(types: TypesRef<'_>, subtype: ValType, supertype: ValType) -> bool {
    match (subtype, supertype) {
        (ValType::Ref(subtype), ValType::Ref(supertype)) => is_reference_subtype(types, subtype, supertype),
        _ => subtype == supertype,
    }
}

fn is_reference_subtype(types: TypesRef<'_>, subtype: RefType, supertype: RefType) -> bool {
    (!subtype.is_nullable() || supertype.is_nullable())
        && is_heap_subtype(types, subtype.heap_type(), supertype.heap_type())
}

fn is_heap_subtype(types: TypesRef<'_>, subtype: HeapType, supertype: HeapType) -> bool {
    use HeapType::{Abstract, Concrete, Exact};
    match (subtype, supertype) {
        _ if subtype == supertype => true,
        (
            Abstract { shared, ty },
            Abstract {
                shared: other_shared,
                ty: other,
            },
        ) => shared == other_shared && abstract_supertypes(ty).contains(&other),
        (Concrete(index) | Exact(index), Abstract { shared, ty }) => index.as_core_type_id().is_some_and(|id| {
            let kind = kind_of(types, id);
            types[id].composite_type.shared == shared && (kind == ty || abstract_supertypes(kind).contains(&ty))
        }),
        (Abstract { shared, ty }, Concrete(index) | Exact(index)) => index
            .as_core_type_id()
            .is_some_and(|id| types[id].composite_type.shared == shared && ty == bottom_of(kind_of(types, id))),
        (Concrete(subtype) | Exact(subtype), Concrete(supertype)) => subtype
            .as_core_type_id()
            .zip(supertype.as_core_type_id())
            .is_some_and(|(subtype, supertype)| is_declared_subtype(types, subtype, supertype)),
        (Concrete(_) | Exact(_), Exact(_)) => false,
    }
}

fn kind_of(types: TypesRef<'_>, id: CoreTypeId) -> AbstractHeapType {
    match &types[id].composite_type.inner {
        CompositeInnerType::Func(_) => AbstractHeapType::Func,
        CompositeInnerType::Array(_) => AbstractHeapType::Array,
        CompositeInnerType::Struct(_) => AbstractHeapType::Struct,
        CompositeInnerType::Cont(_) => AbstractHeapType::Cont,
    }
}

fn bottom_of(kind: AbstractHeapType) -> AbstractHeapType {
    match kind {
        AbstractHeapType::Func => AbstractHeapType::NoFunc,
        AbstractHeapType::Cont => AbstractHeapType::NoCont,
        _ => AbstractHeapType::None,
    }
}

/// Returns the proper supertypes of an abstract heap type.
fn abstract_supertypes(ty: AbstractHeapType) -> &'static [AbstractHeapType] {
    use AbstractHeapType::*;
    match ty {
        Any | Func | Extern | Exn | Cont => &[],
        Eq => &[Any],
        I31 | Struct | Array => &[Eq, Any],
        None => &[I31, Struct, Array, Eq, Any],
        NoFunc => &[Func],
        NoExtern => &[Extern],
        NoExn => &[Exn],
        NoCont => &[Cont],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compatible(given: &str, wanted: &str) -> bool {
        let mut reader = InterfaceReader::default();
        let given = reader
            .read(&wat::parse_str(format!("(module {given})")).unwrap())
            .unwrap();
        let wanted = reader
            .read(&wat::parse_str(format!("(module {wanted})")).unwrap())
            .unwrap();
        is_compatible(wanted.types(), &given.exports[0].entity, &wanted.imports[0].entity)
    }

    #[test]
    fn functions_need_the_same_type_or_a_declared_subtype() {
        let import = r#"(import "m" "f" (func (param i32)))"#;
        assert!(compatible(r#"(func (export "f") (param i32))"#, import));
        assert!(!compatible(r#"(func (export "f") (param i64))"#, import));
        let open = "(type $a (sub (func))) (type $b (sub $a (func)))";
        let sub = format!(r#"{open} (func (export "f") (type $b))"#);
        assert!(compatible(
            &sub,
            &format!(r#"{open} (import "m" "f" (func (type $a)))"#)
        ));
    }

    #[test]
    fn limits_and_mutability_are_compared() {
        assert!(compatible(
            r#"(memory (export "m") 2 3)"#,
            r#"(import "m" "m" (memory 1))"#
        ));
        assert!(!compatible(
            r#"(memory (export "m") 2)"#,
            r#"(import "m" "m" (memory 1 4))"#
        ));
        assert!(!compatible(
            r#"(global (export "g") i32 (i32.const 0))"#,
            r#"(import "m" "g" (global (mut i32)))"#
        ));
    }

    #[test]
    fn an_invalid_module_does_not_spoil_the_reader() {
        let mut reader = InterfaceReader::default();
        assert!(reader.read(b"\0asm\x0d\0\x01\0").is_err());
        assert!(
            reader
                .read(&wat::parse_str("(module (export \"f\" (func 0)))").unwrap())
                .is_err()
        );
        assert!(reader.read(b"\0asm\x01\0\0\0").is_ok());
    }

    #[test]
    fn references_to_types_are_compared_by_identity() {
        let given = r#"(type $t (func)) (global (export "g") (ref null $t) (ref.null $t))"#;
        let import = r#"(import "m" "g" (global (ref null $t)))"#;
        assert!(compatible(
            given,
            &format!("(type (func (param i32))) (type $t (func)) {import}")
        ));
        assert!(!compatible(given, &format!("(type $t (func (param i32))) {import}")));
    }

    #[test]
    fn a_global_of_a_subtype_is_compatible_unless_mutable() {
        let given = r#"(func $f) (global (export "g") (ref func) (ref.func $f))"#;
        assert!(compatible(given, r#"(import "m" "g" (global funcref))"#));
        let mutable = r#"(func $f) (global (export "g") (mut (ref func)) (ref.func $f))"#;
        assert!(!compatible(mutable, r#"(import "m" "g" (global (mut funcref)))"#));
    }
}
