//! Why a link failed. Read first: [`ErrorKind`].
//!
//! An [`Error`] is one boxed kind, so that a `Result` stays one word wide; every kind names the input and the symbol or section
//! concerned. Input bytes never make the linker panic.

use std::fmt;

use crate::machine::Machine;
use crate::relocation::RelocationProblem;

/// Why a link failed.
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are neither an ELF object nor an archive.
    #[error("{input}: neither an ELF object nor an archive")]
    UnknownFormat {
        /// The input.
        input: String,
    },
    /// An ELF file, but not one that can be linked.
    #[error("{input}: not a 64-bit little-endian relocatable object for x86-64 or aarch64")]
    UnsupportedObject {
        /// The input.
        input: String,
    },
    /// Part of an input contradicts its format.
    #[error("{input}: malformed {part}")]
    Malformed {
        /// The input.
        input: String,
        /// The part, such as `symbol table`.
        part: &'static str,
    },
    /// A section that the linker does not support.
    #[error("{input}: section {section}: {problem}")]
    UnsupportedSection {
        /// The input.
        input: String,
        /// The section's name.
        section: String,
        /// What is wrong with it.
        problem: SectionProblem,
    },
    /// Two inputs are for different machines.
    #[error("{input} is for {machine}, but {other_input} is for {other_machine}")]
    MachineMismatch {
        /// The later input.
        input: String,
        /// Its machine.
        machine: Machine,
        /// The first input.
        other_input: String,
        /// The first input's machine.
        other_machine: Machine,
    },
    /// An object was made for another version of the agreement between compiler and kernel.
    #[error("{input} has ABI version {found}, but this linker links version {expected}: compile it again")]
    AbiVersion {
        /// The input.
        input: String,
        /// The version that the input names.
        found: u32,
        /// [`abi::ABI_VERSION`].
        expected: u32,
    },
    /// A symbol has two definitions.
    #[error("`{symbol}` is defined by {first} and by {second}")]
    DuplicateSymbol {
        /// The symbol.
        symbol: String,
        /// The input that defines it first.
        first: String,
        /// The input that defines it again.
        second: String,
    },
    /// A symbol of a kind that static linking cannot serve.
    #[error("{input}: `{symbol}` is an indirect function (resolved by a dynamic loader), which is not supported")]
    IndirectFunction {
        /// The input.
        input: String,
        /// The symbol.
        symbol: String,
    },
    /// Symbols that no input defines, sorted by name.
    #[error("{}", UndefinedList(.0))]
    UndefinedSymbols(Vec<UndefinedSymbol>),
    /// A relocation could not be applied.
    #[error("{place}: {problem}")]
    Relocation {
        /// Where and for what.
        place: Box<RelocationPlace>,
        /// Why not.
        problem: RelocationProblem,
    },
    /// The parts do not fit into the 2 GiB that calls reach.
    #[error("the program does not fit into 2 GiB of address space (while placing {part})")]
    TooLarge {
        /// The part that did not fit.
        part: String,
    },
    /// A blob's alignment is not a power of two of at most 2 MiB.
    #[error("blob `{symbol}`: alignment {alignment} is not a power of two of at most 2 MiB")]
    BlobAlignment {
        /// The blob's symbol.
        symbol: String,
        /// The alignment asked for, in bytes.
        alignment: u64,
    },
    /// The address to link at is not page aligned, or leaves no room.
    #[error("cannot link at address {base:#x}: not page aligned, or too close to the end of the address space")]
    BaseAddress {
        /// The address asked for.
        base: u64,
    },
    /// The entry symbol is not in executable code.
    #[error("the entry `{symbol}` is not in executable code")]
    EntryNotCode {
        /// The symbol.
        symbol: String,
    },
}

/// What is wrong with a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionProblem {
    /// Nothing may be writable and executable at once.
    #[error("both writable and executable")]
    WritableCode,
    /// There is no startup code that would run constructors.
    #[error("constructors and destructors are not supported")]
    Constructors,
    /// The alignment is not a power of two.
    #[error("alignment {0} is not a power of two")]
    Alignment(u64),
    /// The alignment is more than a large page's.
    #[error("alignment {0} is more than 2 MiB")]
    AlignmentTooLarge(u64),
    /// Relocations without addends, or in a compact encoding.
    #[error("its relocations are not of type RELA")]
    RelocationEncoding,
    /// The ABI version section does not hold four bytes.
    #[error("not four bytes long")]
    AbiVersionLength,
    /// Compressed, which a loaded section cannot be.
    #[error("compressed")]
    Compressed,
}

/// A symbol that no input defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UndefinedSymbol {
    /// The symbol; an import of a Wasm module is `<module>.<name>`.
    pub symbol: String,
    /// The input that refers to it first, or `None` for a root.
    pub input: Option<String>,
}

impl UndefinedSymbol {
    /// Tells whether the symbol has the form of an import of a Wasm module.
    pub fn is_import(&self) -> bool {
        !self.symbol.starts_with(abi::symbols::RESERVED_PREFIX)
            && matches!(self.symbol.find('.'), Some(position) if position > 0)
    }
}

struct UndefinedList<'a>(&'a [UndefinedSymbol]);

impl fmt::Display for UndefinedList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(formatter, "undefined symbol:")?,
            count => write!(formatter, "{count} undefined symbols:")?,
        }
        for undefined in self.0 {
            let kind = if undefined.is_import() { "import " } else { "" };
            match &undefined.input {
                Some(input) => write!(formatter, "\n  {kind}`{}`, needed by {input}", undefined.symbol)?,
                None => write!(formatter, "\n  {kind}`{}`, needed as a root", undefined.symbol)?,
            }
        }
        Ok(())
    }
}

/// Where a relocation is and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelocationPlace {
    /// The input.
    pub input: String,
    /// The section that the relocation changes.
    pub section: String,
    /// Offset in that section in bytes.
    pub offset: u64,
    /// The relocation's number in the psABI.
    pub kind: u32,
    /// Its name there, if the linker knows the number.
    pub kind_name: Option<&'static str>,
    /// The symbol it refers to; a section's name for a section symbol.
    pub symbol: String,
}

impl fmt::Display for RelocationPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}+{:#x}: ", self.input, self.section, self.offset)?;
        match self.kind_name {
            Some(name) => formatter.write_str(name)?,
            None => write!(formatter, "relocation {}", self.kind)?,
        }
        write!(formatter, " to `{}`", self.symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn undefined_symbols_are_listed_and_imports_are_called_so() {
        let list = vec![
            UndefinedSymbol {
                symbol: "env.f".into(),
                input: Some("app.o".into()),
            },
            UndefinedSymbol {
                symbol: "memcpy".into(),
                input: Some("app.o".into()),
            },
            UndefinedSymbol {
                symbol: "wasmetal.module".into(),
                input: None,
            },
        ];
        let text = Error::from(ErrorKind::UndefinedSymbols(list)).to_string();
        assert_eq!(
            text,
            "3 undefined symbols:\n  import `env.f`, needed by app.o\n  `memcpy`, needed by app.o\n  \
             `wasmetal.module`, needed as a root"
        );
    }
}
