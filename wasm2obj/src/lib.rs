//! Compiles a WebAssembly module into an ELF relocatable object.
//!
//! ```
//! let module = wasm2obj::parse_text(r#"(module (func (export "answer") (result i32) (i32.const 42)))"#)?;
//! let object = wasm2obj::compile(&module, &wasm2obj::CompileOptions::default())?;
//! assert_eq!(object.exports[0].symbol, "wasm.export.answer");
//! assert!(object.bytes.starts_with(b"\x7fELF"));
//! # Ok::<(), wasm2obj::Error>(())
//! ```
//!
//! The object belongs to no operating system: imports are undefined symbols `<module>.<name>`, exports are defined ones
//! `wasm.export.<name>`, both of the platform's C convention; what a runtime must know is the descriptor `wasmetal.module`.
//! The crate `abi` defines all names and layouts.
//!
//! The way of a module: `module` validates it and takes it apart, `translate` turns each function body into Cranelift IR,
//! `codegen` compiles that and writes the object. The library does no input or output and prints nothing. Equal input and
//! options give equal bytes.
//!
//! Proposals, with their phase when this was written and the file that shows their state:
//!
//! | proposal | phase | state | shown by |
//! |---|---|---|---|
//! | Mutable globals | 5 | yes | `host/tests/spec.rs` |
//! | Sign extension | 5 | yes | `host/tests/spec.rs` |
//! | Saturating float to integer | 5 | yes | `host/tests/spec.rs` |
//! | Multiple values | 5 | yes | `host/tests/spec.rs` |
//! | Reference types | 5 | yes | `host/tests/spec.rs` |
//! | Bulk memory | 5 | yes | `host/tests/spec.rs` |
//! | Fixed-width SIMD | 5 | yes | `wasm2obj/tests/clif/simd_kernel.wat` |
//! | Relaxed SIMD | 5 | yes | `wasm2obj/tests/spec_on_aarch64.rs` |
//! | Tail calls | 5 | yes | `wasm2obj/tests/clif/tail_call.wat` |
//! | Extended constant expressions | 5 | yes | `host/tests/spec.rs` |
//! | Typed function references | 5 | yes | `host/tests/spec.rs` |
//! | Multiple memories | 5 | yes | `host/tests/spec.rs` |
//! | Memory64 and table64 | 5 | yes | `wasm2obj/tests/clif/memory64_bounds_check.wat` |
//! | Exception handling (`try_table`) | 5 | yes | `wasm2obj/tests/clif/try_table.wat` |
//! | Exception handling, older form | – | yes | `fixtures/wast/legacy_exceptions.wast` |
//! | Custom annotations | 5 | yes, ignored | `host/tests/spec.rs` |
//! | Branch hinting | 5 | accepted, ignored | `host/tests/spec.rs` |
//! | Custom page sizes | 3 | yes | `host/tests/spec.rs` |
//! | Wide arithmetic | 3 | yes | `host/tests/spec.rs` |
//! | Garbage collection | 5 | no: refused as unsupported | `host/spec_expectations.toml` |
//! | Threads | 4 | atomics on memories that are not shared; shared ones are refused | `host/spec_expectations.toml` |
//! | Custom descriptors | 3 | no: refused as unsupported | `host/spec_expectations.toml` |

#![forbid(unsafe_code)]

mod codegen;
mod error;
mod module;
mod object_file;
mod options;
mod translate;

pub use error::{Error, ErrorKind, ImportProblem, Result};
pub use module::TypeRegistry;
pub use object_file::{ExportSummary, ImportSummary, ItemKind, ObjectFile};
pub use options::{BoundsChecks, CompileOptions, Cpu, Emit, OptLevel};
pub use target_lexicon::Triple;

/// Compiles a module.
///
/// # Errors
/// [`ErrorKind`] lists what can be wrong with a module; no input makes this function panic.
pub fn compile(bytes: &[u8], options: &CompileOptions) -> Result<ObjectFile> {
    let (module, validators) = module::Module::parse(bytes, &options.type_registry)?;
    let usage = module::Usage::collect(&module, validators)?;
    codegen::compile_module(&module, &usage, options)
}

/// Translates the text form of WebAssembly (`.wat`) to binary.
///
/// # Errors
/// [`ErrorKind::Text`] with line and column.
pub fn parse_text(text: &str) -> Result<Vec<u8>> {
    wat::parse_str(text).map_err(|error| {
        ErrorKind::Text {
            message: error.to_string(),
        }
        .into()
    })
}
