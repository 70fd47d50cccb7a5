//! The relocations of x86-64 (System V psABI for x86-64, sections 4.4 and B.2).
//!
//! Every value's range is checked. References through the global offset table are changed into direct ones where the psABI lets
//! a linker do so and the target is within the program: `mov` becomes `lea`, indirect calls and jumps become direct. The other
//! instructions it names (`add`, `cmp`, `test`…) would need an absolute 32-bit address and keep their table entry.

use object::elf::{self, *};

use super::{RelocationProblem, TableUse, Values, bytes_at};

/// `ud2`, padded with `int3`.
pub(crate) const TRAP_FUNCTION: [u8; 4] = [0x0f, 0x0b, 0xcc, 0xcc];

/// `int3`.
pub(crate) const TEXT_FILLER: u8 = 0xcc;

/// Tells whether relocations of this kind may refer to the global offset table.
pub(crate) fn uses_table(kind: u32) -> bool {
    matches!(kind, R_X86_64_GOTPCREL | R_X86_64_GOTPCRELX | R_X86_64_REX_GOTPCRELX)
}

/// Returns whether a relocation for which [`uses_table`] holds can do without a table entry.
pub(crate) fn table_use(kind: u32, bytes: &[u8], offset: u64, addend: i64) -> TableUse {
    // Any other addend would name a part of the entry.
    let is_whole_entry = addend == -4;
    match find_relaxation(kind, bytes, offset) {
        Some(_) if is_whole_entry => TableUse::Avoidable,
        _ => TableUse::Needed,
    }
}

/// A direct form of an instruction that refers to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relaxation {
    /// `mov target@GOTPCREL(%rip), %reg` → `lea target(%rip), %reg`
    Load,
    /// `call *target@GOTPCREL(%rip)` → `addr32 call target`
    Call,
    /// `jmp *target@GOTPCREL(%rip)` → `jmp target; nop`
    Jump,
}

fn find_relaxation(kind: u32, bytes: &[u8], offset: u64) -> Option<Relaxation> {
    let start = usize::try_from(offset).ok()?.checked_sub(2)?;
    let &[opcode, modrm] = bytes.get(start..)?.first_chunk::<2>()?;
    match (kind, opcode, modrm) {
        // ModRM of RIP-relative addressing: mod 00, r/m 101.
        (R_X86_64_GOTPCRELX | R_X86_64_REX_GOTPCRELX, 0x8b, _) if modrm & 0xc7 == 0x05 => Some(Relaxation::Load),
        (R_X86_64_GOTPCRELX, 0xff, 0x15) => Some(Relaxation::Call),
        (R_X86_64_GOTPCRELX, 0xff, 0x25) => Some(Relaxation::Jump),
        _ => None,
    }
}

/// Applies a relocation to the bytes of a section.
pub(crate) fn apply(kind: u32, bytes: &mut [u8], offset: u64, values: Values) -> Result<(), RelocationProblem> {
    let relative = values.target.wrapping_sub(values.place) as i64;
    let absolute = values.target as i64;
    match kind {
        R_X86_64_NONE => {}
        R_X86_64_64 => *bytes_at(bytes, offset)? = values.target.to_le_bytes(),
        R_X86_64_PC64 => *bytes_at(bytes, offset)? = relative.to_le_bytes(),
        R_X86_64_PC32 | R_X86_64_PLT32 => *bytes_at(bytes, offset)? = signed_32(relative)?.to_le_bytes(),
        R_X86_64_32S => *bytes_at(bytes, offset)? = signed_32(absolute)?.to_le_bytes(),
        R_X86_64_32 => {
            let value = u32::try_from(values.target).map_err(|_| RelocationProblem::OutOfRange(absolute))?;
            *bytes_at(bytes, offset)? = value.to_le_bytes();
        }
        R_X86_64_16 => *bytes_at(bytes, offset)? = (in_range(absolute, -0x8000, 0xffff)? as u16).to_le_bytes(),
        R_X86_64_PC16 => *bytes_at(bytes, offset)? = (in_range(relative, -0x8000, 0x7fff)? as i16).to_le_bytes(),
        R_X86_64_8 => *bytes_at(bytes, offset)? = [in_range(absolute, -0x80, 0xff)? as u8],
        R_X86_64_PC8 => *bytes_at(bytes, offset)? = [in_range(relative, -0x80, 0x7f)? as u8],
        R_X86_64_GOTPCREL | R_X86_64_GOTPCRELX | R_X86_64_REX_GOTPCRELX => {
            apply_table_reference(kind, bytes, offset, values)?;
        }
        _ if is_thread_local(kind) => return Err(RelocationProblem::ThreadLocal),
        _ => return Err(RelocationProblem::UnknownKind),
    }
    Ok(())
}

fn apply_table_reference(kind: u32, bytes: &mut [u8], offset: u64, values: Values) -> Result<(), RelocationProblem> {
    if let Some(entry) = values.table_entry {
        let relative = entry.wrapping_add_signed(values.addend).wrapping_sub(values.place) as i64;
        *bytes_at(bytes, offset)? = signed_32(relative)?.to_le_bytes();
        return Ok(());
    }
    let relaxation = find_relaxation(kind, bytes, offset).ok_or(RelocationProblem::OutsideSection)?;
    let relative = signed_32(values.target.wrapping_sub(values.place) as i64)?;
    let [first, second, displacement @ ..] = bytes_at::<6>(bytes, offset - 2)?;
    match relaxation {
        Relaxation::Load => *first = 0x8d,
        Relaxation::Call => (*first, *second) = (0x67, 0xe8),
        Relaxation::Jump => {
            // One byte shorter: the displacement moves down, and is seen from an instruction that ends a byte earlier.
            let relative = signed_32(i64::from(relative) + 1)?.to_le_bytes();
            *bytes_at(bytes, offset - 2)? = [0xe9, relative[0], relative[1], relative[2], relative[3], 0x90];
            return Ok(());
        }
    }
    *displacement = relative.to_le_bytes();
    Ok(())
}

fn signed_32(value: i64) -> Result<i32, RelocationProblem> {
    i32::try_from(value).map_err(|_| RelocationProblem::OutOfRange(value))
}

fn in_range(value: i64, minimum: i64, maximum: i64) -> Result<i64, RelocationProblem> {
    if (minimum..=maximum).contains(&value) {
        Ok(value)
    } else {
        Err(RelocationProblem::OutOfRange(value))
    }
}

fn is_thread_local(kind: u32) -> bool {
    matches!(
        kind,
        R_X86_64_DTPMOD64..=R_X86_64_TPOFF32
            | R_X86_64_GOTPC32_TLSDESC..=R_X86_64_TLSDESC
            | elf::R_X86_64_CODE_4_GOTTPOFF
            | elf::R_X86_64_CODE_4_GOTPC32_TLSDESC
    )
}

/// Returns the psABI's name of a kind.
pub(crate) fn name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        R_X86_64_NONE => "R_X86_64_NONE",
        R_X86_64_64 => "R_X86_64_64",
        R_X86_64_PC32 => "R_X86_64_PC32",
        R_X86_64_PLT32 => "R_X86_64_PLT32",
        R_X86_64_GOTPCREL => "R_X86_64_GOTPCREL",
        R_X86_64_32 => "R_X86_64_32",
        R_X86_64_32S => "R_X86_64_32S",
        R_X86_64_16 => "R_X86_64_16",
        R_X86_64_PC16 => "R_X86_64_PC16",
        R_X86_64_8 => "R_X86_64_8",
        R_X86_64_PC8 => "R_X86_64_PC8",
        R_X86_64_TLSGD => "R_X86_64_TLSGD",
        R_X86_64_TLSLD => "R_X86_64_TLSLD",
        R_X86_64_DTPOFF32 => "R_X86_64_DTPOFF32",
        R_X86_64_GOTTPOFF => "R_X86_64_GOTTPOFF",
        R_X86_64_TPOFF32 => "R_X86_64_TPOFF32",
        R_X86_64_PC64 => "R_X86_64_PC64",
        R_X86_64_GOTOFF64 => "R_X86_64_GOTOFF64",
        R_X86_64_GOTPC32 => "R_X86_64_GOTPC32",
        R_X86_64_SIZE32 => "R_X86_64_SIZE32",
        R_X86_64_SIZE64 => "R_X86_64_SIZE64",
        R_X86_64_GOTPCRELX => "R_X86_64_GOTPCRELX",
        R_X86_64_REX_GOTPCRELX => "R_X86_64_REX_GOTPCRELX",
        _ => return None,
    })
}
