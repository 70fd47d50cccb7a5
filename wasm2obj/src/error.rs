//! Why a module could not be compiled.
//!
//! [`Error`] is one pointer wide, so that `Result`s stay cheap where most calls succeed; [`ErrorKind`] says what happened and
//! where: a byte offset in the module's file, or the name concerned. Every input ends in an object or in one of these.

use std::fmt;
use wasmparser::Operator;

/// How the names of operators on garbage-collected types begin.
const COLLECTED_PREFIXES: [&str; 10] = [
    "AnyConvert",
    "Array",
    "BrOnCast",
    "ExternConvert",
    "I31",
    "RefCast",
    "RefEq",
    "RefI31",
    "RefTest",
    "Struct",
];

/// The error of this crate. See [`Error::kind`].
#[derive(Debug)]
pub struct Error {
    kind: Box<ErrorKind>,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input is no WebAssembly at all.
    #[error("not a WebAssembly module: {looks_like}")]
    NotWasm {
        /// What the first bytes look like.
        looks_like: &'static str,
    },
    /// The input is a component; this compiler takes core modules.
    #[error(
        "this is a WebAssembly component, and only core modules can be compiled (a module can be extracted with `wasm-tools component unbundle`)"
    )]
    Component,
    /// The input ends too early.
    #[error("the module is truncated at offset {offset:#x}")]
    Truncated {
        /// Where the input ends.
        offset: u64,
    },
    /// The module is malformed or does not validate.
    #[error("invalid module: {message} (at offset {offset:#x})")]
    Invalid {
        /// What validation says.
        message: String,
        /// Where.
        offset: u64,
    },
    /// The module is valid but needs something that this compiler does not have.
    #[error("unsupported feature: {feature} (at offset {offset:#x})")]
    Unsupported {
        /// Name of the feature or instruction.
        feature: String,
        /// Where it is used.
        offset: u64,
    },
    /// The module exceeds a limit of this implementation.
    #[error("implementation limit exceeded: {limit} (at offset {offset:#x})")]
    Limit {
        /// The limit, in words.
        limit: String,
        /// Where.
        offset: u64,
    },
    /// An import is refused.
    #[error("import `{module}` `{name}` {problem} (at offset {offset:#x})")]
    Import {
        /// Module name of the import.
        module: String,
        /// Name of the import.
        name: String,
        /// Why it is refused.
        problem: ImportProblem,
        /// Where it is declared.
        offset: u64,
    },
    /// The target cannot be compiled for.
    #[error("target `{target}`: {problem}")]
    Target {
        /// The target triple.
        target: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The CPU name is unknown.
    #[error("unknown CPU `{name}` for {target}; known are {known}")]
    UnknownCpu {
        /// The name given.
        name: String,
        /// The target triple.
        target: String,
        /// The names that would do.
        known: String,
    },
    /// The code generator failed on a function.
    #[error("code generation failed for function {function_index}: {message} (at offset {offset:#x})")]
    CodeGeneration {
        /// Index of the function in the module.
        function_index: u32,
        /// What the code generator says.
        message: String,
        /// Where the function's body starts.
        offset: u64,
    },
    /// The text form does not parse.
    #[error("{message}")]
    Text {
        /// The parser's message, with line and column.
        message: String,
    },
}

/// Why an import is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportProblem {
    /// Module names that begin with `wasmetal` belong to this project.
    ReservedModule,
    /// WASI has no function of that name.
    UnknownWasiFunction,
    /// WASI has only functions.
    NotAFunction,
    /// The function has another type in WASI.
    Signature {
        /// The type that WASI gives it.
        expected: String,
        /// The type that the module declares.
        found: String,
    },
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportProblem::ReservedModule => f.write_str("is refused: this module name is reserved"),
            ImportProblem::UnknownWasiFunction => f.write_str("is no function of WASI preview 1"),
            ImportProblem::NotAFunction => f.write_str("must be a function"),
            ImportProblem::Signature { expected, found } => {
                write!(f, "has the type {found}, but WASI defines {expected}")
            }
        }
    }
}

impl Error {
    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn unsupported(feature: impl Into<String>, offset: u64) -> Error {
        ErrorKind::Unsupported {
            feature: feature.into(),
            offset,
        }
        .into()
    }

    /// An operator that the compiler does not translate.
    pub(crate) fn unsupported_operator(operator: &Operator<'_>, offset: u64) -> Error {
        let text = format!("{operator:?}");
        let name = text.split([' ', '{']).next().unwrap_or_default();
        let needs_collector = COLLECTED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let proposal = if needs_collector {
            "garbage-collected types: "
        } else {
            ""
        };
        Error::unsupported(format!("{proposal}instruction {name}"), offset)
    }

    pub(crate) fn limit(limit: impl Into<String>, offset: u64) -> Error {
        ErrorKind::Limit {
            limit: limit.into(),
            offset,
        }
        .into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error { kind: Box::new(kind) }
    }
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Error {
        let offset = error.offset();
        // A rule that an unsupported proposal would relax is a rule still.
        if error.missing_wasm_feature().is_some() && !error.message().starts_with("invalid") {
            return Error::unsupported(error.message(), offset);
        }
        if error.message().contains("unexpected end") {
            return ErrorKind::Truncated { offset }.into();
        }
        ErrorKind::Invalid {
            message: error.message().to_owned(),
            offset,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
