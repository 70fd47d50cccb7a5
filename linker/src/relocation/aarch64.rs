//! The relocations of aarch64 that Cranelift's objects have (ELF for the Arm 64-bit Architecture, section 5.7).
//!
//! Every value's range and alignment is checked; `_NC` kinds ("no check") take the low bits, as their name says. A call reaches
//! 128 MiB: no islands are made for longer ones, they are an error.

use object::elf::*;

use super::{RelocationProblem, Values, bytes_at};

/// `udf #0`.
pub(crate) const TRAP_FUNCTION: [u8; 4] = [0, 0, 0, 0];

/// Four of them are `udf #0`.
pub(crate) const TEXT_FILLER: u8 = 0;

const PAGE_LEN_BYTES: u64 = 4096;

/// Tells whether relocations of this kind refer to the global offset table.
pub(crate) fn uses_table(kind: u32) -> bool {
    matches!(kind, R_AARCH64_ADR_GOT_PAGE | R_AARCH64_LD64_GOT_LO12_NC)
}

/// Applies a relocation to the bytes of a section.
pub(crate) fn apply(kind: u32, bytes: &mut [u8], offset: u64, values: Values) -> Result<(), RelocationProblem> {
    let relative = values.target.wrapping_sub(values.place) as i64;
    let absolute = values.target as i64;
    let table_entry = values.table_entry.unwrap_or(0).wrapping_add_signed(values.addend);
    match kind {
        R_AARCH64_NONE => {}
        R_AARCH64_ABS64 => *bytes_at(bytes, offset)? = values.target.to_le_bytes(),
        R_AARCH64_PREL64 => *bytes_at(bytes, offset)? = relative.to_le_bytes(),
        R_AARCH64_ABS32 => {
            *bytes_at(bytes, offset)? = (in_range(absolute, -(1 << 31), (1 << 32) - 1)? as u32).to_le_bytes();
        }
        R_AARCH64_PREL32 => {
            *bytes_at(bytes, offset)? = (in_range(relative, -(1 << 31), (1 << 31) - 1)? as u32).to_le_bytes();
        }
        R_AARCH64_CALL26 | R_AARCH64_JUMP26 => {
            let words = scaled(in_range(relative, -(1 << 27), (1 << 27) - 4)?, 2)?;
            set_bits(bytes, offset, 0, 26, words)?;
        }
        R_AARCH64_CONDBR19 | R_AARCH64_LD_PREL_LO19 => {
            let words = scaled(in_range(relative, -(1 << 20), (1 << 20) - 4)?, 2)?;
            set_bits(bytes, offset, 5, 19, words)?;
        }
        R_AARCH64_TSTBR14 => {
            let words = scaled(in_range(relative, -(1 << 15), (1 << 15) - 4)?, 2)?;
            set_bits(bytes, offset, 5, 14, words)?;
        }
        R_AARCH64_ADR_PREL_LO21 => set_adr(bytes, offset, in_range(relative, -(1 << 20), (1 << 20) - 1)?)?,
        R_AARCH64_ADR_PREL_PG_HI21 => set_adr(bytes, offset, pages(values.target, values.place)?)?,
        R_AARCH64_ADR_GOT_PAGE => set_adr(bytes, offset, pages(table_entry, values.place)?)?,
        R_AARCH64_ADD_ABS_LO12_NC | R_AARCH64_LDST8_ABS_LO12_NC => set_low_12(bytes, offset, values.target, 0)?,
        R_AARCH64_LDST16_ABS_LO12_NC => set_low_12(bytes, offset, values.target, 1)?,
        R_AARCH64_LDST32_ABS_LO12_NC => set_low_12(bytes, offset, values.target, 2)?,
        R_AARCH64_LDST64_ABS_LO12_NC => set_low_12(bytes, offset, values.target, 3)?,
        R_AARCH64_LDST128_ABS_LO12_NC => set_low_12(bytes, offset, values.target, 4)?,
        R_AARCH64_LD64_GOT_LO12_NC => set_low_12(bytes, offset, table_entry, 3)?,
        R_AARCH64_TLSGD_ADR_PREL21..=R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC => {
            return Err(RelocationProblem::ThreadLocal);
        }
        _ => return Err(RelocationProblem::UnknownKind),
    }
    Ok(())
}

/// Returns the distance in pages, for `adrp`.
fn pages(target: u64, place: u64) -> Result<i64, RelocationProblem> {
    let distance = (target / PAGE_LEN_BYTES) as i64 - (place / PAGE_LEN_BYTES) as i64;
    in_range(distance, -(1 << 20), (1 << 20) - 1)
}

/// Sets the 21-bit immediate of `adr` and `adrp`: two low bits apart from the rest.
fn set_adr(bytes: &mut [u8], offset: u64, value: i64) -> Result<(), RelocationProblem> {
    set_bits(bytes, offset, 29, 2, value)?;
    set_bits(bytes, offset, 5, 19, value >> 2)
}

/// Sets the 12-bit immediate of `add`, and of loads and stores of `1 << scale` bytes.
fn set_low_12(bytes: &mut [u8], offset: u64, address: u64, scale: u32) -> Result<(), RelocationProblem> {
    let low = (address % PAGE_LEN_BYTES) as i64;
    set_bits(bytes, offset, 10, 12, scaled(low, scale)?)
}

/// Sets `width` bits of the instruction, from bit `position` on.
fn set_bits(bytes: &mut [u8], offset: u64, position: u32, width: u32, value: i64) -> Result<(), RelocationProblem> {
    let mask = ((1u32 << width) - 1) << position;
    let instruction = bytes_at::<4>(bytes, offset)?;
    let kept = u32::from_le_bytes(*instruction) & !mask;
    *instruction = (kept | ((value as u32) << position) & mask).to_le_bytes();
    Ok(())
}

fn scaled(value: i64, scale: u32) -> Result<i64, RelocationProblem> {
    let scaled = value >> scale;
    if scaled << scale == value {
        Ok(scaled)
    } else {
        Err(RelocationProblem::Misaligned(value))
    }
}

fn in_range(value: i64, minimum: i64, maximum: i64) -> Result<i64, RelocationProblem> {
    if (minimum..=maximum).contains(&value) {
        Ok(value)
    } else {
        Err(RelocationProblem::OutOfRange(value))
    }
}

/// Returns the specification's name of a kind.
pub(crate) fn name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        R_AARCH64_ABS64 => "R_AARCH64_ABS64",
        R_AARCH64_ABS32 => "R_AARCH64_ABS32",
        R_AARCH64_PREL64 => "R_AARCH64_PREL64",
        R_AARCH64_PREL32 => "R_AARCH64_PREL32",
        R_AARCH64_CALL26 => "R_AARCH64_CALL26",
        R_AARCH64_JUMP26 => "R_AARCH64_JUMP26",
        R_AARCH64_CONDBR19 => "R_AARCH64_CONDBR19",
        R_AARCH64_TSTBR14 => "R_AARCH64_TSTBR14",
        R_AARCH64_LD_PREL_LO19 => "R_AARCH64_LD_PREL_LO19",
        R_AARCH64_ADR_PREL_LO21 => "R_AARCH64_ADR_PREL_LO21",
        R_AARCH64_ADR_PREL_PG_HI21 => "R_AARCH64_ADR_PREL_PG_HI21",
        R_AARCH64_ADR_GOT_PAGE => "R_AARCH64_ADR_GOT_PAGE",
        R_AARCH64_ADD_ABS_LO12_NC => "R_AARCH64_ADD_ABS_LO12_NC",
        R_AARCH64_LDST8_ABS_LO12_NC => "R_AARCH64_LDST8_ABS_LO12_NC",
        R_AARCH64_LDST16_ABS_LO12_NC => "R_AARCH64_LDST16_ABS_LO12_NC",
        R_AARCH64_LDST32_ABS_LO12_NC => "R_AARCH64_LDST32_ABS_LO12_NC",
        R_AARCH64_LDST64_ABS_LO12_NC => "R_AARCH64_LDST64_ABS_LO12_NC",
        R_AARCH64_LDST128_ABS_LO12_NC => "R_AARCH64_LDST128_ABS_LO12_NC",
        R_AARCH64_LD64_GOT_LO12_NC => "R_AARCH64_LD64_GOT_LO12_NC",
        _ => return None,
    })
}
