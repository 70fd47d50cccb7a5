//! Sums for the Internet checksum (RFC 1071).
//!
//! They are taken in the machine's byte order, which makes no difference for the sum but for the order of its own bytes, and over
//! 32-bit words, of which a `u64` holds 2^32 without losing a carry.

use super::frame::ETHERNET_HEADER;

/// Sums up 32-bit words in the machine's byte order; folded, that is the sum of their halves in the same order (RFC 1071, 1.2 B).
#[inline(always)]
pub(super) fn sum_words(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks().0.iter();
    words.map(|word| u64::from(u32::from_ne_bytes(*word))).sum()
}

/// As [`sum_words`], of the IPv4 header without options in a frame; not a loop, as that would be half of the work.
#[inline(always)]
pub(super) fn sum_ipv4_header<const LEN_BYTES: usize>(frame: &[u8; LEN_BYTES]) -> u64 {
    let word = |index: usize| native_word(frame, ETHERNET_HEADER + index * 4);
    word(0) + word(1) + word(2) + word(3) + word(4)
}

/// Returns the 32-bit word at a place, in the machine's byte order.
#[inline(always)]
pub(super) fn native_word<const LEN_BYTES: usize>(bytes: &[u8; LEN_BYTES], place: usize) -> u64 {
    let word = [bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]];
    u64::from(u32::from_ne_bytes(word))
}

/// Reduces a sum to 16 bits, carries added again (RFC 1071).
#[inline(always)]
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
