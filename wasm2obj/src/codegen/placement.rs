//! Where functions begin: at such addresses that their inner loops span few fetch windows.
//!
//! A CPU fetches code by aligned windows. A loop of 23 bytes that crosses the end of one takes up to 1.4 times as long as one that
//! does not. Cranelift does not align blocks, so all of a function moves: of the 32 addresses modulo the size of a window, those
//! are good at which the loops, deeper ones before others, span the fewest windows. A function is entered as a loop is: its first
//! window counts, too, but less than any loop.
//!
//! Read first: [`Placement`]. Limits: a compromise where a function has many loops; loops are what branches back to an earlier
//! block, in the order of the code.

use cranelift_codegen::CompiledCode;
use std::ops::Range;

/// The size of a fetch window in bytes: half a cache line, on x86-64 as on most AArch64.
const WINDOW_BYTES: u32 = 32;

/// How much more a loop counts than the one around it.
const WEIGHT_OF_DEPTH: u64 = 8;

/// The depth from which all loops count the same.
const MAX_DEPTH: usize = 8;

/// The good addresses for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// What Cranelift demands, in bytes.
    alignment: u64,
    /// A bit for each address modulo [`WINDOW_BYTES`].
    good_addresses: u32,
}

impl Placement {
    /// The alignment in bytes of what functions are placed in.
    pub const SECTION_ALIGNMENT: u64 = WINDOW_BYTES as u64;

    /// Chooses the addresses for compiled code.
    pub fn of(compiled: &CompiledCode) -> Placement {
        let len_bytes = compiled.buffer.total_size();
        let loops = loops(&compiled.bb_starts, &compiled.bb_edges, len_bytes);
        let alignment = u64::from(compiled.buffer.alignment);
        // An alignment of more than a window leaves one address.
        let step = alignment.min(Self::SECTION_ALIGNMENT);
        let costs: Vec<(u32, u64)> = (0..WINDOW_BYTES)
            .step_by(step as usize)
            .map(|address| (address, cost(address, len_bytes, &loops)))
            .collect();
        let least = costs.iter().map(|&(_, cost)| cost).min();
        let good_addresses = costs
            .iter()
            .filter(|&&(_, cost)| Some(cost) == least)
            .fold(0, |set, (address, _)| set | 1 << address);
        Placement {
            alignment,
            good_addresses,
        }
    }

    /// Returns the first good address from `end` on.
    pub fn after(self, end: u64) -> u64 {
        let is_good = |address: &u64| {
            address.is_multiple_of(self.alignment)
                && self.good_addresses >> (address % u64::from(WINDOW_BYTES)) & 1 == 1
        };
        (end..).find(is_good).expect("one address of each window is good")
    }
}

/// A loop without another inside.
#[derive(Debug, PartialEq, Eq)]
struct InnerLoop {
    code: Range<u32>,
    /// The number of loops around it.
    depth: usize,
}

/// Finds the inner loops, given where blocks begin (ascending) and the branches from block to block.
fn loops(block_starts: &[u32], edges: &[(u32, u32)], len_bytes: u32) -> Vec<InnerLoop> {
    let mut loops: Vec<Range<u32>> = edges
        .iter()
        .filter(|(from, to)| to <= from)
        .map(|&(from, to)| {
            let next = block_starts.partition_point(|&start| start <= from);
            to..block_starts.get(next).copied().unwrap_or(len_bytes)
        })
        .collect();
    // Outer loops come before inner ones, and of those with one header only the longest stays.
    loops.sort_unstable_by_key(|code| (code.start, std::cmp::Reverse(code.end)));
    loops.dedup_by_key(|code| code.start);
    let mut inner = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    for (place, code) in loops.iter().enumerate() {
        while ends.last().is_some_and(|&end| end <= code.start) {
            ends.pop();
        }
        let has_inner = loops.get(place + 1).is_some_and(|next| next.start < code.end);
        if !has_inner {
            inner.push(InnerLoop {
                code: code.clone(),
                depth: ends.len(),
            });
        }
        ends.push(code.end);
    }
    inner
}

/// Returns what it costs that code begins at an address: the windows that its parts span, each with its weight.
fn cost(address: u32, len_bytes: u32, loops: &[InnerLoop]) -> u64 {
    let windows = |code: &Range<u32>| {
        u64::from((address + code.end).div_ceil(WINDOW_BYTES) - (address + code.start) / WINDOW_BYTES)
    };
    let first = windows(&(0..len_bytes.min(WINDOW_BYTES)));
    loops
        .iter()
        .map(|inner| windows(&inner.code) * WEIGHT_OF_DEPTH.pow(1 + inner.depth.min(MAX_DEPTH) as u32))
        .fold(first, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_loops_are_found_with_their_depth() {
        // A loop from 10 to 60 with another from 20 to 40 inside, which two branches repeat; then one of a single block.
        let starts = [0, 10, 20, 30, 40, 60, 70];
        let edges = [(0, 10), (20, 20), (30, 20), (40, 10), (60, 60), (60, 70)];
        let inner = |code, depth| InnerLoop { code, depth };
        assert_eq!(loops(&starts, &edges, 80), [inner(20..40, 1), inner(60..70, 0)]);
    }

    #[test]
    fn a_loop_that_fits_a_window_gets_one() {
        let inner = [InnerLoop {
            code: 0x96..0xad,
            depth: 2,
        }];
        let costs: Vec<u64> = (0..WINDOW_BYTES).map(|address| cost(address, 300, &inner)).collect();
        let least = costs.iter().min().unwrap();
        let good: Vec<usize> = (0..costs.len()).filter(|&address| costs[address] == *least).collect();
        // 0x96 is 22 modulo 32: from 10 to 19 more, the loop begins at 0 to 9 and ends before 32.
        assert_eq!(good, (10..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_next_good_address_is_found() {
        let placement = Placement {
            alignment: 16,
            good_addresses: 1 << 16,
        };
        assert_eq!((placement.after(100), placement.after(112)), (112, 112));
        let strict = Placement {
            alignment: 64,
            good_addresses: 1,
        };
        assert_eq!(strict.after(65), 128);
    }
}
