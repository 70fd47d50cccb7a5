//! What relocations of all machines have in common: the values that one is computed from, and what can be wrong with it.
//!
//! The kinds of a machine are in the file of its name, called by [`Machine`](crate::machine::Machine).

pub(crate) mod aarch64;
pub(crate) mod x86_64;

/// Whether a relocation refers to an entry of the global offset table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableUse {
    None,
    /// The instruction can be changed to refer to the target itself if that is within the program.
    Avoidable,
    Needed,
}

/// The values that a relocation is computed from, named as in the psABIs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    /// S + A: the target's address plus the addend.
    pub(crate) target: u64,
    /// A: the addend.
    pub(crate) addend: i64,
    /// P: the address of the bytes to change.
    pub(crate) place: u64,
    /// G + GOT: the address of the table entry, where there is one and it is to be used.
    pub(crate) table_entry: Option<u64>,
}

/// Returns the `N` bytes at `offset`.
pub(crate) fn bytes_at<const N: usize>(bytes: &mut [u8], offset: u64) -> Result<&mut [u8; N], RelocationProblem> {
    usize::try_from(offset)
        .ok()
        .and_then(|offset| bytes.get_mut(offset..))
        .and_then(|bytes| bytes.first_chunk_mut::<N>())
        .ok_or(RelocationProblem::OutsideSection)
}

/// Why a relocation could not be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelocationProblem {
    /// The value does not fit.
    #[error("the value {0:#x} is out of range")]
    OutOfRange(i64),
    /// The value is not aligned as the instruction needs it.
    #[error("the value {0:#x} is not aligned")]
    Misaligned(i64),
    /// The bytes to change are not all in the section.
    #[error("outside the section")]
    OutsideSection,
    /// A kind that the linker does not know.
    #[error("unsupported kind")]
    UnknownKind,
    /// There is no thread-local storage.
    #[error("thread-local storage is not supported")]
    ThreadLocal,
    /// The target is in a section that is never loaded, or that another input's copy of the same group replaces.
    #[error("the target is in a section that is not part of the program")]
    DiscardedTarget,
}
