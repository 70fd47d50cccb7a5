//! The configuration baked into an image: arguments, environment and other settings, as a list of records.
//!
//! Each record is a tag byte, a little-endian `u32` length and that many bytes. Values are bytes, not text: whatever the command
//! was given survives.

use alloc::vec::Vec;

/// Size of the Wasm stack in bytes where no record names one.
pub const DEFAULT_STACK_SIZE_BYTES: u64 = 1 << 20;

/// What a record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// One argument; the first is the program's name.
    Argument = 1,
    /// One environment variable, `NAME=VALUE`.
    Environment = 2,
    /// Size of the Wasm stack in bytes: a little-endian `u64`.
    StackSize = 3,
    /// A word of the kernel command line that serves as its default, such as `log=debug`.
    KernelOption = 4,
    /// Sum of the minimum sizes of all linear memories in bytes, for whoever chooses a machine: a little-endian `u64`.
    LinearMemorySize = 5,
}

impl Tag {
    fn from_number(number: u8) -> Option<Tag> {
        let tags = [
            Tag::Argument,
            Tag::Environment,
            Tag::StackSize,
            Tag::KernelOption,
            Tag::LinearMemorySize,
        ];
        tags.into_iter().find(|&tag| tag as u8 == number)
    }
}

/// Appends a record.
pub fn write_record(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    out.push(tag as u8);
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Iterates over the records; records with an unknown tag are skipped, and a truncated one ends the list.
pub fn records(mut bytes: &[u8]) -> impl Iterator<Item = (Tag, &[u8])> {
    core::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<5>()?;
        let len_bytes = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (value, rest) = rest.split_at_checked(len_bytes)?;
        bytes = rest;
        Some((Tag::from_number(head[0]), value))
    })
    .filter_map(|(tag, value)| Some((tag?, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn records_round_trip_and_truncation_ends_the_list() {
        let mut bytes = Vec::new();
        write_record(&mut bytes, Tag::Argument, b"");
        write_record(&mut bytes, Tag::Environment, b"A=\xff");
        let expected = vec![(Tag::Argument, &b""[..]), (Tag::Environment, &b"A=\xff"[..])];
        assert_eq!(records(&bytes).collect::<Vec<_>>(), expected);
        bytes.pop();
        assert_eq!(records(&bytes).collect::<Vec<_>>(), expected[..1]);
    }
}
