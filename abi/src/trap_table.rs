//! The trap table: from a code address to the Wasm function, the Wasm byte offset and, if it is a trap site, the trap code.
//!
//! The compiler writes it as read-only data; the runtime reads it when the CPU faults in application code and when it walks the
//! stack for a backtrace. It is compact rather than fast: a program looks at it once, when it dies.
//!
//! ```text
//! u32 function count
//! functions, sorted by code offset: { u32 code offset, u32 code length, u32 function index, u32 Wasm offset,
//!                                     u32 name offset, u32 sites offset }      (offsets into the bytes that follow)
//! names: unsigned LEB128 length, UTF-8 bytes     (a length of 0: no name)
//! sites of a function: count, then { code offset delta, kind byte, signed Wasm offset delta }
//! ```
//!
//! Code offsets are relative to [`ModuleDescriptor::text_start`](crate::instance::ModuleDescriptor::text_start); a site's first
//! code delta is relative to its function's start and its first Wasm delta to the function's Wasm offset. A site is the address
//! of a trapping instruction (kind: the trap code's number) or the return address of a call (kind 0). Offsets of names and sites
//! are taken from the end of the function records. Wasm offsets count from the start of the module's file.

use crate::leb128::{read_signed, read_unsigned, write_signed, write_unsigned};
use crate::trap_code::TrapCode;
use alloc::vec::Vec;

/// The function index of code that no function of the module stands for (entries in other calling conventions, the
/// initialisation): a backtrace leaves such frames out.
pub const NO_FUNCTION: u32 = u32::MAX;

const HEADER_LEN_BYTES: usize = 4;
const RECORD_LEN_BYTES: usize = 24;
const CALL_KIND: u8 = 0;

/// What is known about one code address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Code offset from the start of the function, in bytes.
    pub code_offset: u32,
    /// The trap code, or `None` for the return address of a call.
    pub trap: Option<TrapCode>,
    /// Offset of the Wasm instruction in the module's file, in bytes.
    pub wasm_offset: u32,
}

/// One function to encode. Its sites are sorted by code offset.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSites<'a> {
    /// Code offset from the start of the text.
    pub code_offset: u32,
    /// Length of the code in bytes.
    pub code_len_bytes: u32,
    /// Index of the function in the module.
    pub function_index: u32,
    /// Offset of the function's body in the module's file.
    pub wasm_offset: u32,
    /// Name, or empty.
    pub name: &'a str,
    /// Sites.
    pub sites: &'a [Site],
}

/// Encodes the table. `functions` are sorted by code offset.
pub fn encode(functions: &[FunctionSites<'_>]) -> Vec<u8> {
    let mut records = Vec::with_capacity(HEADER_LEN_BYTES + functions.len() * RECORD_LEN_BYTES);
    let mut tail = Vec::new();
    records.extend_from_slice(&(functions.len() as u32).to_le_bytes());
    for function in functions {
        let name_offset = tail.len() as u32;
        write_unsigned(&mut tail, function.name.len() as u64);
        tail.extend_from_slice(function.name.as_bytes());
        let sites_offset = tail.len() as u32;
        write_sites(&mut tail, function);
        for word in [
            function.code_offset,
            function.code_len_bytes,
            function.function_index,
            function.wasm_offset,
            name_offset,
            sites_offset,
        ] {
            records.extend_from_slice(&word.to_le_bytes());
        }
    }
    records.extend_from_slice(&tail);
    records
}

fn write_sites(out: &mut Vec<u8>, function: &FunctionSites<'_>) {
    write_unsigned(out, function.sites.len() as u64);
    let mut code_offset = 0;
    let mut wasm_offset = function.wasm_offset;
    for site in function.sites {
        write_unsigned(out, u64::from(site.code_offset - code_offset));
        out.push(site.trap.map_or(CALL_KIND, |trap| trap as u8));
        write_signed(out, i64::from(site.wasm_offset) - i64::from(wasm_offset));
        code_offset = site.code_offset;
        wasm_offset = site.wasm_offset;
    }
}

/// A function found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Code offset from the start of the text.
    pub code_offset: u32,
    /// Index of the function in the module.
    pub function_index: u32,
    /// Offset of the function's body in the module's file.
    pub wasm_offset: u32,
    /// Name; empty if the module gives none.
    pub name: &'a str,
    sites: &'a [u8],
}

/// A view of an encoded table. Every lookup tolerates damaged bytes: it finds nothing.
#[derive(Clone, Copy, Debug)]
pub struct TrapTable<'a> {
    bytes: &'a [u8],
}

impl<'a> TrapTable<'a> {
    /// Views `bytes` as a table.
    pub const fn new(bytes: &'a [u8]) -> Self {
        TrapTable { bytes }
    }

    /// Returns the number of functions.
    pub fn function_count(&self) -> usize {
        read_word(self.bytes, 0).unwrap_or(0) as usize
    }

    /// Finds the function that contains a code offset.
    pub fn find_function(&self, code_offset: u32) -> Option<Function<'a>> {
        let (mut low, mut high) = (0, self.function_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record_word(middle, 0)? <= code_offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let record = low.checked_sub(1)?;
        let start = self.record_word(record, 0)?;
        if code_offset - start >= self.record_word(record, 1)? {
            return None;
        }
        let tail = self
            .bytes
            .get(HEADER_LEN_BYTES + self.function_count() * RECORD_LEN_BYTES..)?;
        let mut name = tail.get(self.record_word(record, 4)? as usize..)?;
        let name_len_bytes = read_unsigned(&mut name)? as usize;
        Some(Function {
            code_offset: start,
            function_index: self.record_word(record, 2)?,
            wasm_offset: self.record_word(record, 3)?,
            name: core::str::from_utf8(name.get(..name_len_bytes)?).ok()?,
            sites: tail.get(self.record_word(record, 5)? as usize..)?,
        })
    }

    fn record_word(&self, record: usize, word: usize) -> Option<u32> {
        read_word(self.bytes, HEADER_LEN_BYTES + record * RECORD_LEN_BYTES + word * 4)
    }
}

impl Function<'_> {
    /// Finds the trapping instruction at exactly that code offset from the start of the text.
    pub fn find_trap(&self, code_offset: u32) -> Option<Site> {
        self.find_site(code_offset, |site| site.trap.is_some())
    }

    /// Finds the call that returns to exactly that code offset from the start of the text. A trapping instruction may be
    /// there as well.
    pub fn find_call(&self, code_offset: u32) -> Option<Site> {
        self.find_site(code_offset, |site| site.trap.is_none())
    }

    fn find_site(&self, code_offset: u32, is_wanted: impl Fn(&Site) -> bool) -> Option<Site> {
        let target = code_offset.checked_sub(self.code_offset)?;
        let mut bytes = self.sites;
        let count = read_unsigned(&mut bytes)?;
        let (mut code_offset, mut wasm_offset) = (0u32, i64::from(self.wasm_offset));
        for _ in 0..count {
            code_offset = code_offset.checked_add(u32::try_from(read_unsigned(&mut bytes)?).ok()?)?;
            let (&kind, rest) = bytes.split_first()?;
            bytes = rest;
            wasm_offset = wasm_offset.checked_add(read_signed(&mut bytes)?)?;
            let site = Site {
                code_offset,
                trap: TrapCode::from_number(kind),
                wasm_offset: u32::try_from(wasm_offset).ok()?,
            };
            if code_offset == target && is_wanted(&site) {
                return Some(site);
            }
            if code_offset > target {
                return None;
            }
        }
        None
    }
}

fn read_word(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Vec<u8> {
        let first = [
            Site {
                code_offset: 4,
                trap: Some(TrapCode::MemoryOutOfBounds),
                wasm_offset: 60,
            },
            Site {
                code_offset: 9,
                trap: None,
                wasm_offset: 55,
            },
        ];
        let second = [Site {
            code_offset: 0,
            trap: Some(TrapCode::Unreachable),
            wasm_offset: 5_000_000,
        }];
        encode(&[
            FunctionSites {
                code_offset: 0,
                code_len_bytes: 16,
                function_index: 3,
                wasm_offset: 50,
                name: "first",
                sites: &first,
            },
            FunctionSites {
                code_offset: 32,
                code_len_bytes: 2,
                function_index: 4,
                wasm_offset: 70,
                name: "",
                sites: &second,
            },
        ])
    }

    #[test]
    fn sites_are_found_by_their_exact_address() {
        let bytes = table();
        let table = TrapTable::new(&bytes);
        let first = table.find_function(9).unwrap();
        assert_eq!((first.name, first.function_index), ("first", 3));
        assert_eq!(first.find_trap(4).unwrap().trap, Some(TrapCode::MemoryOutOfBounds));
        assert_eq!(
            first.find_call(9),
            Some(Site {
                code_offset: 9,
                trap: None,
                wasm_offset: 55
            })
        );
        assert_eq!((first.find_trap(5), first.find_call(4)), (None, None));
        let second = table.find_function(33).unwrap();
        assert_eq!(
            (second.name, second.find_trap(32).unwrap().wasm_offset),
            ("", 5_000_000)
        );
    }

    #[test]
    fn a_trap_right_behind_a_call_is_told_from_it() {
        let sites = [None, Some(TrapCode::Unreachable)].map(|trap| Site {
            code_offset: 5,
            trap,
            wasm_offset: 7,
        });
        let bytes = encode(&[FunctionSites {
            code_offset: 0,
            code_len_bytes: 7,
            function_index: 0,
            wasm_offset: 0,
            name: "",
            sites: &sites,
        }]);
        let function = TrapTable::new(&bytes).find_function(5).unwrap();
        assert_eq!(
            (function.find_call(5), function.find_trap(5)),
            (Some(sites[0]), Some(sites[1]))
        );
    }

    #[test]
    fn addresses_between_functions_belong_to_none() {
        let bytes = table();
        let table = TrapTable::new(&bytes);
        assert_eq!(table.find_function(16), None);
        assert_eq!(table.find_function(34), None);
    }

    proptest! {
        #[test]
        fn damaged_tables_do_not_panic(bytes: Vec<u8>, code_offset: u32) {
            if let Some(function) = TrapTable::new(&bytes).find_function(code_offset) {
                let _ = (function.find_trap(code_offset), function.find_call(code_offset));
            }
        }
    }
}
