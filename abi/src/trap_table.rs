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
//! sites of a function: count, then { code offset delta, kind byte, signed Wasm offset deltas }
//! ```
//!
//! Code offsets are relative to [`ModuleDescriptor::text_start`](crate::instance::ModuleDescriptor::text_start); a site's first
//! code delta is relative to its function's start and its first Wasm delta to the function's Wasm offset. A site is the address
//! of a trapping instruction or the return address of a call. Its kind is the number of the trap code, or 0 for a call; the upper
//! bits count the inlined calls that lead to it. Each of these has a Wasm offset, the outermost first and relative to that of the
//! site before; the last offset, relative to the innermost call's, is the instruction's own. Offsets of names and sites are taken
//! from the end of the function records. Wasm offsets count from the start of the module's file, so each tells its function; one
//! that was inlined wherever it is called has a record with a code length of 0.

use crate::leb128::{read_signed, read_unsigned, write_signed, write_unsigned};
use crate::trap_code::TrapCode;
use alloc::vec::Vec;

/// The function index of code that no function of the module stands for (entries in other calling conventions, the
/// initialisation): a backtrace leaves such frames out.
pub const NO_FUNCTION: u32 = u32::MAX;

const HEADER_LEN_BYTES: usize = 4;
const RECORD_LEN_BYTES: usize = 24;
const CALL_KIND: u8 = 0;
/// Bits of a site's kind that hold the trap code.
const TRAP_BITS: u32 = 5;

/// The most inlined calls that may lead to a site.
pub const MAX_INLINED_CALLS: usize = (u8::MAX >> TRAP_BITS) as usize;

/// Where an instruction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Offset of the Wasm instruction in the module's file, in bytes.
    pub wasm_offset: u32,
    /// The inlined call that led to it, by its position in [`FunctionSites::inlined_calls`].
    pub inlined_call: Option<u32>,
}

/// What is known about one code address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Code offset from the start of the function, in bytes.
    pub code_offset: u32,
    /// The trap code, or `None` for the return address of a call.
    pub trap: Option<TrapCode>,
    /// Where the instruction comes from.
    pub origin: Origin,
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
    /// The calls inlined into the function. One that led to another comes before it.
    pub inlined_calls: &'a [Origin],
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
        let mut wasm_offsets = Vec::with_capacity(1);
        let mut origin = Some(site.origin);
        while let Some(Origin {
            wasm_offset,
            inlined_call,
        }) = origin
        {
            wasm_offsets.push(wasm_offset);
            origin = inlined_call.map(|call| function.inlined_calls[call as usize]);
        }
        write_unsigned(out, u64::from(site.code_offset - code_offset));
        let depth = wasm_offsets.len() as u8 - 1;
        out.push(site.trap.map_or(CALL_KIND, |trap| trap as u8) | depth << TRAP_BITS);
        let mut before = wasm_offset;
        for &offset in wasm_offsets.iter().rev() {
            write_signed(out, i64::from(offset) - i64::from(before));
            before = offset;
        }
        code_offset = site.code_offset;
        wasm_offset = wasm_offsets[usize::from(depth)];
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

/// A site found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundSite {
    /// The trap code, or `None` for the return address of a call.
    pub trap: Option<TrapCode>,
    /// Those of the inlined calls, outermost first, and of the instruction.
    wasm_offsets: [u32; MAX_INLINED_CALLS + 1],
    inlined_calls: usize,
}

impl FoundSite {
    /// Returns the Wasm offsets of the instruction and of the inlined calls that led to it, innermost first.
    pub fn wasm_offsets(&self) -> impl Iterator<Item = u32> + '_ {
        self.wasm_offsets.iter().take(self.inlined_calls + 1).rev().copied()
    }
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
        self.function(record)
    }

    /// Finds the function whose body contains a Wasm offset that a site has.
    pub fn find_function_at(&self, wasm_offset: u32) -> Option<Function<'a>> {
        let mut found = None;
        for record in 0..self.function_count() {
            // Functions of the module come first, in its order.
            if self.record_word(record, 2)? == NO_FUNCTION || self.record_word(record, 3)? > wasm_offset {
                break;
            }
            found = Some(record);
        }
        self.function(found?)
    }

    fn function(&self, record: usize) -> Option<Function<'a>> {
        let tail = self
            .bytes
            .get(HEADER_LEN_BYTES + self.function_count() * RECORD_LEN_BYTES..)?;
        let mut name = tail.get(self.record_word(record, 4)? as usize..)?;
        let name_len_bytes = read_unsigned(&mut name)? as usize;
        Some(Function {
            code_offset: self.record_word(record, 0)?,
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
    pub fn find_trap(&self, code_offset: u32) -> Option<FoundSite> {
        self.find_site(code_offset, true)
    }

    /// Finds the call that returns to exactly that code offset from the start of the text. A trapping instruction may be
    /// there as well.
    pub fn find_call(&self, code_offset: u32) -> Option<FoundSite> {
        self.find_site(code_offset, false)
    }

    fn find_site(&self, code_offset: u32, is_trap: bool) -> Option<FoundSite> {
        let target = code_offset.checked_sub(self.code_offset)?;
        let mut bytes = self.sites;
        let count = read_unsigned(&mut bytes)?;
        let mut code_offset = 0u32;
        let mut site = FoundSite {
            trap: None,
            wasm_offsets: [self.wasm_offset; MAX_INLINED_CALLS + 1],
            inlined_calls: 0,
        };
        for _ in 0..count {
            code_offset = code_offset.checked_add(u32::try_from(read_unsigned(&mut bytes)?).ok()?)?;
            let (&kind, rest) = bytes.split_first()?;
            bytes = rest;
            site.trap = TrapCode::from_number(kind & ((1 << TRAP_BITS) - 1));
            site.inlined_calls = usize::from(kind >> TRAP_BITS);
            let mut wasm_offset = i64::from(site.wasm_offsets[0]);
            for slot in site.wasm_offsets.iter_mut().take(site.inlined_calls + 1) {
                wasm_offset = wasm_offset.checked_add(read_signed(&mut bytes)?)?;
                *slot = u32::try_from(wasm_offset).ok()?;
            }
            if code_offset == target && site.trap.is_some() == is_trap {
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

    fn site(code_offset: u32, trap: Option<TrapCode>, wasm_offset: u32, inlined_call: Option<u32>) -> Site {
        Site {
            code_offset,
            trap,
            origin: Origin {
                wasm_offset,
                inlined_call,
            },
        }
    }

    fn function<'a>(code: core::ops::Range<u32>, index: u32, wasm_offset: u32, sites: &'a [Site]) -> FunctionSites<'a> {
        FunctionSites {
            code_offset: code.start,
            code_len_bytes: code.end - code.start,
            function_index: index,
            wasm_offset,
            name: "",
            sites,
            inlined_calls: &[],
        }
    }

    fn table() -> Vec<u8> {
        let first = [
            site(4, Some(TrapCode::MemoryOutOfBounds), 60, None),
            site(9, None, 55, None),
            site(11, Some(TrapCode::Unreachable), 5_000_001, Some(1)),
            site(15, None, 56, None),
        ];
        let inlined_calls = [(57, None), (75, Some(0))].map(|(wasm_offset, inlined_call)| Origin {
            wasm_offset,
            inlined_call,
        });
        let second = [site(0, Some(TrapCode::Unreachable), 5_000_000, None)];
        encode(&[
            FunctionSites {
                name: "first",
                inlined_calls: &inlined_calls,
                ..function(0..16, 3, 50, &first)
            },
            FunctionSites {
                name: "inlined",
                ..function(16..16, 4, 70, &[])
            },
            function(32..34, 5, 4_999_990, &second),
            function(34..36, NO_FUNCTION, 0, &[]),
        ])
    }

    fn offsets(site: Option<FoundSite>) -> Vec<u32> {
        site.unwrap().wasm_offsets().collect()
    }

    #[test]
    fn sites_are_found_by_their_exact_address() {
        let bytes = table();
        let table = TrapTable::new(&bytes);
        let first = table.find_function(9).unwrap();
        assert_eq!((first.name, first.function_index), ("first", 3));
        assert_eq!(first.find_trap(4).unwrap().trap, Some(TrapCode::MemoryOutOfBounds));
        assert_eq!(offsets(first.find_trap(4)), [60]);
        assert_eq!(offsets(first.find_call(9)), [55]);
        assert_eq!(offsets(first.find_call(15)), [56]);
        assert_eq!((first.find_trap(5), first.find_call(4)), (None, None));
        let second = table.find_function(33).unwrap();
        assert_eq!(second.name, "");
        assert_eq!(offsets(second.find_trap(32)), [5_000_000]);
    }

    #[test]
    fn inlined_calls_are_found_with_their_functions() {
        let bytes = table();
        let table = TrapTable::new(&bytes);
        let site = table.find_function(11).unwrap().find_trap(11);
        assert_eq!(offsets(site), [5_000_001, 75, 57]);
        let functions = site.unwrap();
        let functions = functions
            .wasm_offsets()
            .map(|offset| table.find_function_at(offset).unwrap().function_index);
        assert_eq!(functions.collect::<Vec<_>>(), [5, 4, 3]);
        assert_eq!(table.find_function_at(49), None);
    }

    #[test]
    fn a_trap_right_behind_a_call_is_told_from_it() {
        let sites = [site(5, None, 7, None), site(5, Some(TrapCode::Unreachable), 8, None)];
        let bytes = encode(&[function(0..7, 0, 0, &sites)]);
        let function = TrapTable::new(&bytes).find_function(5).unwrap();
        assert_eq!(offsets(function.find_call(5)), [7]);
        assert_eq!(offsets(function.find_trap(5)), [8]);
    }

    #[test]
    fn addresses_between_functions_belong_to_none() {
        let bytes = table();
        let table = TrapTable::new(&bytes);
        assert_eq!(table.find_function(16), None);
        assert_eq!(table.find_function(36), None);
    }

    #[test]
    fn every_trap_code_fits_its_bits() {
        assert!(TrapCode::ALL.iter().all(|&code| (code as u8) < 1 << TRAP_BITS));
    }

    proptest! {
        #[test]
        fn damaged_tables_do_not_panic(bytes: Vec<u8>, code_offset: u32) {
            let table = TrapTable::new(&bytes);
            let _ = table.find_function_at(code_offset);
            if let Some(function) = table.find_function(code_offset) {
                let _ = (function.find_trap(code_offset), function.find_call(code_offset));
            }
        }
    }
}
