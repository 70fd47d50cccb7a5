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
//! Proposals, with their phase when this was written and the tests that show their state. Names that begin with `proposals/` or
//! `wasm-v3/` are folders and files of the specification's suite, which the package `host` runs natively and `spec` in the
//! unikernel; the commands for which the compiler lacks something are in `host/spec_expectations.toml`.
//!
//! | proposal | phase | state | shown by |
//! |---|---|---|---|
//! | Mutable globals | 5 | yes | `proposals/mutable-global` |
//! | Sign extension | 5 | yes | `proposals/sign-extension-ops` |
//! | Saturating float to integer | 5 | yes | `proposals/nontrapping-float-to-int-conversions` |
//! | Multiple values | 5 | yes | `proposals/multi-value` |
//! | Reference types | 5 | yes | `proposals/reference-types` |
//! | Bulk memory | 5 | yes | `proposals/bulk-memory` |
//! | Fixed-width SIMD | 5 | yes | `proposals/simd`, `wasm2obj/tests/clif/simd_kernel.wat` |
//! | Relaxed SIMD | 5 | yes | `proposals/relaxed-simd` |
//! | Tail calls | 5 | yes | `proposals/tail-call`, `wasm2obj/tests/clif/tail_call.wat` |
//! | Extended constant expressions | 5 | yes | `proposals/extended-const` |
//! | Typed function references | 5 | yes | `proposals/function-references` |
//! | Multiple memories | 5 | yes | `proposals/multi-memory` |
//! | Memory64 and table64 | 5 | yes | `proposals/memory64`, `wasm2obj/tests/clif/memory64_bounds_check.wat` |
//! | Exception handling (`try_table`) | 5 | yes | `proposals/exceptions`, `wasm2obj/tests/clif/try_table.wat` |
//! | Exception handling, older form | – | yes | `fixtures/wast/legacy_exceptions.wast` |
//! | Custom annotations | 5 | yes, ignored | `proposals/annotations` |
//! | Branch hinting | 5 | ignored, as all custom sections | `wasm-v3/custom.wast` |
//! | Custom page sizes | 3 | yes | `proposals/custom-page-sizes` |
//! | Wide arithmetic | 3 | yes | `proposals/wide-arithmetic` |
//! | Garbage collection | 5 | no: refused as unsupported | `proposals/gc` |
//! | Threads | 4 | atomics on memories that are not shared; shared ones are refused | `proposals/threads` |
//! | Custom descriptors | 3 | no: refused as unsupported | `proposals/custom-descriptors` |

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
