//! Why a module could not be instantiated or a call did not return, and the trap that a user sees.

use crate::runtime::Runtime;
use crate::trap::RawTrap;
use abi::trap_code::TrapCode;
use std::fmt;
use unikernel::trap_report::{self, MemoryFault, write_trap_report};

/// Why a module could not be instantiated, or a call did not return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module is malformed or invalid.
    #[error("invalid module: {0}")]
    Invalid(#[from] wasmparser::Error),
    /// The compiler refuses the module.
    #[error(transparent)]
    Compile(#[from] wasm2obj::Error),
    /// The linker refuses the object.
    #[error(transparent)]
    Link(#[from] linker::Error),
    /// Nothing satisfies an import.
    #[error("unknown import: `{module}` `{name}`")]
    UnknownImport {
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// What is given for an import has another kind or type.
    #[error("incompatible import type: `{module}` `{name}`")]
    IncompatibleImport {
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// There is no export of that name and kind.
    #[error("no exported {kind} `{name}`")]
    UnknownExport {
        /// The kind asked for.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The object lacks a symbol that the agreement demands.
    #[error("the object does not define `{symbol}`")]
    MissingSymbol {
        /// The symbol.
        symbol: String,
    },
    /// The memory's minimum is more than its maximum, its window or this machine allows.
    #[error("a linear memory of {pages} pages cannot be made")]
    Memory {
        /// The minimum.
        pages: u64,
    },
    /// The number of arguments differs from the function's.
    #[error("{given} arguments for a function of {expected}")]
    ArgumentCount {
        /// Arguments given.
        given: usize,
        /// Parameters of the function.
        expected: usize,
    },
    /// The kernel refuses an address range or a signal handler.
    #[error("the process cannot hold the module: {0}")]
    Io(#[from] std::io::Error),
    /// WASI cannot be set up, with its error number.
    #[error("WASI cannot be set up (errno {0})")]
    Context(u32),
    /// Code trapped.
    #[error(transparent)]
    Trap(#[from] Trap),
    /// The program asked to end with this code.
    #[error("the program exited with code {0}")]
    Exit(u32),
}

/// A frame of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the function in its module.
    pub function_index: u32,
    /// The function's name; empty if the module gives none.
    pub name: String,
    /// Offset of the instruction in the module's file.
    pub wasm_offset: u32,
}

/// A trap, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Why.
    pub code: TrapCode,
    /// The frames, innermost first.
    pub frames: Vec<Frame>,
    /// The access that faulted, where the MMU found it.
    pub memory_fault: Option<MemoryFault>,
}

impl Trap {
    /// Looks up what the addresses of a trap mean.
    pub fn new(raw: &RawTrap, runtime: &Runtime) -> Trap {
        let mut frames = Vec::new();
        for (position, &address) in raw.addresses().iter().enumerate() {
            runtime.code_map.frames(address, position == 0, &mut |frame| {
                frames.push(Frame {
                    function_index: frame.function_index,
                    name: frame.name.to_owned(),
                    wasm_offset: frame.wasm_offset,
                });
            });
        }
        Trap {
            code: raw.code,
            frames,
            memory_fault: raw.fault_address.and_then(|address| runtime.memory_fault(address)),
        }
    }

    /// Returns the report that a user reads, in the words of the guest.
    pub fn report(&self) -> String {
        let mut text = String::new();
        write_trap_report(&mut text, self.code, self.memory_fault, |take| {
            for frame in &self.frames {
                take(trap_report::Frame {
                    wasm_offset: frame.wasm_offset,
                    name: &frame.name,
                    function_index: frame.function_index,
                });
            }
        })
        .expect("a string takes everything");
        text
    }
}

impl std::error::Error for Trap {}

impl fmt::Display for Trap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "wasm trap: {}", self.code.message())
    }
}
