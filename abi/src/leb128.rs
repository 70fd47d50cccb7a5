//! LEB128 integers, as DWARF and WebAssembly write them, for the compact tables of this crate.

use alloc::vec::Vec;

pub(crate) fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

pub(crate) fn write_signed(out: &mut Vec<u8>, value: i64) {
    // Zigzag keeps small magnitudes of both signs short.
    write_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Takes one integer from the front of `bytes`; `None` at the end or past 64 bits.
pub(crate) fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let raw = read_unsigned(bytes)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_round_trip(unsigned: u64, signed: i64) {
            let mut bytes = Vec::new();
            write_unsigned(&mut bytes, unsigned);
            write_signed(&mut bytes, signed);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_unsigned(&mut rest), Some(unsigned));
            prop_assert_eq!(read_signed(&mut rest), Some(signed));
            prop_assert!(rest.is_empty());
        }
    }
}
