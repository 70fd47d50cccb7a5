//! Why no image was made. Read first: [`ErrorKind`].

use std::fmt;

/// Why no image was made.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

impl Error {
    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Error {}

/// The kinds of failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The module cannot be compiled.
    #[error(transparent)]
    Compile(wasm2obj::Error),
    /// The program cannot be linked.
    #[error(transparent)]
    Link(linker::Error),
    /// The module exports neither `_start` nor `_initialize`.
    #[error(
        "the module exports neither `_start` nor `_initialize`, so there is nothing to run; {}",
        ExportList(.function_exports)
    )]
    NoEntryPoint {
        /// Names of the functions that it does export.
        function_exports: Vec<String>,
    },
    /// The module imports what neither WASI preview 1 nor a linked object supplies.
    #[error("{}", ImportList(.0))]
    UnknownImports(Vec<UnknownImport>),
    /// The machine is too small for the program to start.
    #[error(
        "the program needs {} MiB of RAM to start, but the machine has {} MiB",
        .needed_bytes >> 20,
        .memory_bytes >> 20
    )]
    MemoryTooSmall {
        /// RAM that it needs in bytes.
        needed_bytes: u64,
        /// RAM of the machine in bytes.
        memory_bytes: u64,
    },
    /// The file tree cannot be encoded.
    #[error("the files to bake: {0}")]
    BakedTree(abi::baked_tree::EncodeError),
    /// An environment variable has no name, or an argument or variable contains a zero byte.
    #[error("{what} `{}` {problem}", .value.escape_ascii())]
    InvalidString {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        value: Vec<u8>,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// An import that nothing supplies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownImport {
    /// The symbol that an object would have to define: `<module>.<name>`.
    pub symbol: String,
}

impl From<wasm2obj::Error> for Error {
    fn from(error: wasm2obj::Error) -> Self {
        ErrorKind::Compile(error).into()
    }
}

impl From<linker::Error> for Error {
    /// Tells imports that the user has to supply from other failures of the linker.
    fn from(error: linker::Error) -> Self {
        match error.kind() {
            linker::ErrorKind::UndefinedSymbols(symbols) if symbols.iter().all(|symbol| symbol.is_import()) => {
                let imports = symbols.iter().map(|symbol| UnknownImport {
                    symbol: symbol.symbol.clone(),
                });
                ErrorKind::UnknownImports(imports.collect()).into()
            }
            _ => ErrorKind::Link(error).into(),
        }
    }
}

impl From<abi::baked_tree::EncodeError> for Error {
    fn from(error: abi::baked_tree::EncodeError) -> Self {
        ErrorKind::BakedTree(error).into()
    }
}

struct ExportList<'a>(&'a [String]);

impl fmt::Display for ExportList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        if self.0.is_empty() {
            return formatter.write_str("it exports no function at all");
        }
        formatter.write_str("it exports the functions")?;
        for (index, name) in self.0.iter().take(SHOWN).enumerate() {
            write!(
                formatter,
                "{} `{}`",
                if index == 0 { "" } else { "," },
                name.escape_debug()
            )?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(formatter, " and {more} more"),
            _ => Ok(()),
        }
    }
}

struct ImportList<'a>(&'a [UnknownImport]);

impl fmt::Display for ImportList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "an import" } else { "imports" };
        write!(formatter, "the module has {plural} that nothing supplies:")?;
        for import in self.0 {
            write!(formatter, "\n  {}", import.symbol.escape_debug())?;
        }
        formatter.write_str(
            "\nsupply each by an object or archive that defines this symbol (`--link FILE`), or let a call of it trap \
             (`-W unknown-imports-trap`)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn long_lists_of_exports_are_cut() {
        let function_exports = (0..10).map(|index| format!("f{index}")).collect();
        let text = ErrorKind::NoEntryPoint { function_exports }.to_string();
        assert!(text.ends_with("`f6`, `f7` and 2 more"), "{text}");
    }
}
