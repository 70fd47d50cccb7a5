//! The machines that the linker knows, and where each of them differs from the others.

use std::fmt;

use object::elf;

use crate::relocation::{RelocationProblem, TableUse, Values, aarch64, x86_64};

/// A machine that the linker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// aarch64, little-endian.
    Aarch64,
}

impl Machine {
    pub(crate) fn from_elf(machine: u16) -> Option<Machine> {
        match machine {
            elf::EM_X86_64 => Some(Machine::X86_64),
            elf::EM_AARCH64 => Some(Machine::Aarch64),
            _ => None,
        }
    }

    pub(crate) fn to_elf(self) -> u16 {
        match self {
            Machine::X86_64 => elf::EM_X86_64,
            Machine::Aarch64 => elf::EM_AARCH64,
        }
    }

    /// Returns a function that does nothing but trap.
    pub(crate) fn trap_function(self) -> &'static [u8] {
        match self {
            Machine::X86_64 => &x86_64::TRAP_FUNCTION,
            Machine::Aarch64 => &aarch64::TRAP_FUNCTION,
        }
    }

    /// Returns the byte that fills gaps between functions: what it decodes to traps.
    pub(crate) fn text_filler(self) -> u8 {
        match self {
            Machine::X86_64 => x86_64::TEXT_FILLER,
            Machine::Aarch64 => aarch64::TEXT_FILLER,
        }
    }

    /// Tells whether relocations of this kind may refer to the global offset table.
    pub(crate) fn uses_table(self, kind: u32) -> bool {
        match self {
            Machine::X86_64 => x86_64::uses_table(kind),
            Machine::Aarch64 => aarch64::uses_table(kind),
        }
    }

    /// Returns whether a relocation refers to the global offset table; `bytes` are those of its section.
    pub(crate) fn table_use(self, kind: u32, bytes: &[u8], offset: u64, addend: i64) -> TableUse {
        match self {
            _ if !self.uses_table(kind) => TableUse::None,
            Machine::X86_64 => x86_64::table_use(kind, bytes, offset, addend),
            Machine::Aarch64 => TableUse::Needed,
        }
    }

    pub(crate) fn relocation_name(self, kind: u32) -> Option<&'static str> {
        match self {
            Machine::X86_64 => x86_64::name(kind),
            Machine::Aarch64 => aarch64::name(kind),
        }
    }

    pub(crate) fn apply(
        self,
        kind: u32,
        bytes: &mut [u8],
        offset: u64,
        values: Values,
    ) -> Result<(), RelocationProblem> {
        match self {
            Machine::X86_64 => x86_64::apply(kind, bytes, offset, values),
            Machine::Aarch64 => aarch64::apply(kind, bytes, offset, values),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Machine::X86_64 => "x86-64",
            Machine::Aarch64 => "aarch64",
        })
    }
}
