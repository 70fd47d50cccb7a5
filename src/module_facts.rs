//! What the builder must know about a module before it is compiled: its entry points and the memory it needs.
//!
//! One pass over the section headers, which skips the code, so that a wrong file is refused in no time. Nothing is validated
//! here: what does not parse is left to the compiler, whose messages are better.

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// What the builder must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModuleFacts {
    /// Whether it exports a function `_start` or `_initialize`.
    pub has_entry_point: bool,
    /// Names of all exported functions.
    pub function_exports: Vec<String>,
    /// Sum of the minimum sizes of all linear memories, in bytes.
    pub minimum_memory_bytes: u64,
}

impl ModuleFacts {
    /// Reads the facts; `None` if the bytes do not parse as a module.
    pub(crate) fn read(wasm: &[u8]) -> Option<ModuleFacts> {
        let mut facts = ModuleFacts::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::Version {
                    encoding: wasmparser::Encoding::Component,
                    ..
                } => return None,
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        if let TypeRef::Memory(memory) = import.ok()?.ty {
                            facts.add_memory(&memory);
                        }
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        facts.add_memory(&memory.ok()?);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export.ok()?;
                        if export.kind == ExternalKind::Func {
                            facts.has_entry_point |= matches!(export.name, "_start" | "_initialize");
                            facts.function_exports.push(export.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        Some(facts)
    }

    fn add_memory(&mut self, memory: &wasmparser::MemoryType) {
        let page_size_log2 = memory.page_size_log2.unwrap_or(abi::memory_map::WASM_PAGE_SIZE.ilog2());
        let size_bytes = memory
            .initial
            .saturating_mul(1u64.checked_shl(page_size_log2).unwrap_or(u64::MAX));
        self.minimum_memory_bytes = self.minimum_memory_bytes.saturating_add(size_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_add_up_and_entry_points_are_found() {
        let wasm = wat::parse_str(
            r#"(module (memory 2) (memory 3 9) (func (export "_start")) (func (export "other")) (global (export "g") i32 (i32.const 0)))"#,
        )
        .unwrap();
        let facts = ModuleFacts::read(&wasm).unwrap();
        assert!(facts.has_entry_point);
        assert_eq!(facts.function_exports, ["_start", "other"]);
        assert_eq!(facts.minimum_memory_bytes, 5 * 65536);
    }

    #[test]
    fn a_global_named_start_is_no_entry_point() {
        let wasm = wat::parse_str(r#"(module (global (export "_start") i32 (i32.const 0)))"#).unwrap();
        assert!(!ModuleFacts::read(&wasm).unwrap().has_entry_point);
    }

    #[test]
    fn other_bytes_have_no_facts() {
        assert_eq!(ModuleFacts::read(b"\x7fELF"), None);
        assert_eq!(ModuleFacts::read(&wat::parse_str("(component)").unwrap()), None);
    }
}
