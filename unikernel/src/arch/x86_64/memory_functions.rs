//! `memcpy` and its kin, which compiled Rust and C code calls, and the builtins `memory_copy` and `memory_fill`.
//!
//! They are assembly, because the Rust versions would be compiled into calls of themselves, and because linear memory starts at
//! address 0, which no Rust pointer may be.

use core::arch::global_asm;

global_asm!(include_str!("memory_functions.s"), options(att_syntax));

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    unsafe extern "C" {
        #[link_name = "wasmetal.memory_copy"]
        fn memory_copy(destination: *mut u8, source: *const u8, len_bytes: usize);
        #[link_name = "wasmetal.memory_fill"]
        fn memory_fill(destination: *mut u8, value: u32, len_bytes: usize);
        fn memcmp(left: *const u8, right: *const u8, len_bytes: usize) -> i32;
    }

    const LENGTHS: core::ops::Range<usize> = 0..200;

    fn pattern() -> Vec<u8> {
        (0..1024u32).map(|index| (index * 37 + index / 256) as u8).collect()
    }

    #[test]
    fn copies_move_every_length_both_ways_and_nothing_else() {
        for len_bytes in LENGTHS {
            for (from, to) in [
                (300, 300),
                (300, 301),
                (301, 300),
                (300, 331),
                (331, 300),
                (300, 390),
                (390, 300),
                (0, 700),
            ] {
                let mut area = pattern();
                let mut expected = area.clone();
                for index in 0..len_bytes {
                    expected[to + index] = pattern()[from + index];
                }
                let start = area.as_mut_ptr();
                // SAFETY: both parts lie within the area.
                unsafe { memory_copy(start.add(to), start.add(from), len_bytes) };
                assert!(area == expected, "{len_bytes} bytes from {from} to {to}");
            }
        }
    }

    #[test]
    fn fills_set_every_length_and_nothing_else() {
        for len_bytes in LENGTHS {
            let mut area = pattern();
            let mut expected = area.clone();
            for byte in &mut expected[100..100 + len_bytes] {
                *byte = 0xa5;
            }
            // SAFETY: the part lies within the area.
            unsafe { memory_fill(area.as_mut_ptr().add(100), 0xffff_ffa5, len_bytes) };
            assert!(area == expected, "{len_bytes} bytes");
        }
    }

    #[test]
    fn comparisons_find_the_first_difference() {
        for len_bytes in LENGTHS {
            let left = pattern();
            // SAFETY: in each call both parts lie within their areas.
            assert_eq!(unsafe { memcmp(left.as_ptr(), left.as_ptr(), len_bytes) }, 0);
            for index in 0..len_bytes {
                let mut right = left.clone();
                right[index] ^= 0x80;
                let is_less = left[index] < right[index];
                // SAFETY: as above.
                let order = unsafe { memcmp(left.as_ptr(), right.as_ptr(), len_bytes) };
                assert!(
                    order != 0 && (order < 0) == is_less,
                    "{len_bytes} bytes, difference at {index}"
                );
            }
        }
    }
}
