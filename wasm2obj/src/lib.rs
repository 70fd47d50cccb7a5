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
