//! Values that the code at hand would only compute again: widened indices and addresses of symbols.
//!
//! The optimizer would find them to be equal, but only after each has been made, hashed and looked up. What is noted here comes
//! first in the block at hand or in blocks through which alone the code gets there. Limits: a few of each kind, the latest.

use super::symbol::Symbol;
use cranelift_codegen::ir::Value;

/// How many values of a kind are kept: more take longer to search than they save.
const MAX_KNOWN: usize = 8;

/// Values that are computed wherever the code at hand runs.
#[derive(Debug, Default)]
pub(super) struct KnownValues {
    /// Indices as 64 bits.
    pub widened: Known<Value>,
    /// Addresses of symbols.
    pub addresses: Known<Symbol>,
}

/// Values of one kind, with what they are computed from.
#[derive(Debug)]
pub(super) struct Known<K>(Vec<(K, Value)>);

impl KnownValues {
    pub fn clear(&mut self) {
        self.widened.0.clear();
        self.addresses.0.clear();
    }
}

impl<K> Default for Known<K> {
    fn default() -> Known<K> {
        Known(Vec::new())
    }
}

impl<K: PartialEq> Known<K> {
    pub fn get(&self, origin: &K) -> Option<Value> {
        let known = self.0.iter().rev().find(|(known, _)| known == origin);
        known.map(|&(_, value)| value)
    }

    pub fn note(&mut self, origin: K, value: Value) {
        if self.0.len() == MAX_KNOWN {
            self.0.remove(0);
        }
        self.0.push((origin, value));
    }
}
