//! The global symbols of a link: one entry per name, whoever mentions it, and the rules by which definitions yield to each other.
//!
//! Names are borrowed from the inputs and looked up once per mention; from then on a symbol is its [`SymbolId`]. Local symbols
//! never come here: they are found through their object.
//!
//! Rules (gABI, "Symbol Table"): a strong definition beats a common one, that beats a weak one, and the first of equals wins;
//! two strong ones are an error.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A global symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SymbolId(pub(crate) u32);

/// A section of an object of the program, numbered through all objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SectionId(pub(crate) u32);

/// A border of the image that the linker itself names, always at a page's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boundary {
    ReadOnlyStart,
    ReadOnlyEnd,
    TextStart,
    TextEnd,
    DataStart,
    DataEnd,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Definition {
    Undefined,
    /// Offset `value` in a section.
    Section {
        section: SectionId,
        value: u64,
    },
    Absolute(u64),
    /// Zero-initialised data that several objects may declare; the largest declaration counts.
    Common {
        size_bytes: u64,
        alignment: u64,
    },
    /// Start or end of the blob of that position in the options.
    Blob {
        position: u32,
        is_end: bool,
    },
    Boundary(Boundary),
    /// The address of another symbol if the program has it for other reasons, else 0.
    Optional(SymbolId),
    /// An address outside of what is linked.
    External(u64),
    /// The generated function of that position, which traps.
    Trap(u32),
}

/// Who defines a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Linker,
    Object(u32),
}

/// A symbol's entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) definition: Definition,
    pub(crate) owner: Owner,
    weak: bool,
    /// Whether archives have been or will be asked for a definition.
    wanted: bool,
}

/// The global symbols.
#[derive(Debug, Default)]
pub(crate) struct Symbols<'a> {
    ids: HashMap<&'a [u8], SymbolId>,
    entries: Vec<Symbol<'a>>,
    wanted: Vec<SymbolId>,
}

/// Two strong definitions of one symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    pub(crate) first: Owner,
}

impl<'a> Symbols<'a> {
    /// Returns the entry of a name, a new undefined one if there is none.
    pub(crate) fn intern(&mut self, name: &'a [u8]) -> SymbolId {
        match self.ids.entry(name) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let id = SymbolId(self.entries.len() as u32);
                let definition = Definition::Undefined;
                self.entries.push(Symbol {
                    name,
                    definition,
                    owner: Owner::Linker,
                    weak: true,
                    wanted: false,
                });
                *entry.insert(id)
            }
        }
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<SymbolId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn get(&self, id: SymbolId) -> &Symbol<'a> {
        &self.entries[id.0 as usize]
    }

    pub(crate) fn display_name(&self, id: SymbolId) -> String {
        String::from_utf8_lossy(self.get(id).name).into_owned()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SymbolId, &Symbol<'a>)> {
        self.entries
            .iter()
            .enumerate()
            .map(|(index, symbol)| (SymbolId(index as u32), symbol))
    }

    /// Notes that a definition is needed, so that archives are asked for one.
    pub(crate) fn want(&mut self, id: SymbolId) {
        let symbol = &mut self.entries[id.0 as usize];
        if !symbol.wanted && symbol.definition == Definition::Undefined {
            symbol.wanted = true;
            self.wanted.push(id);
        }
    }

    /// Returns a needed symbol that is still undefined and that has not been returned before.
    pub(crate) fn take_wanted(&mut self) -> Option<SymbolId> {
        while let Some(id) = self.wanted.pop() {
            if self.get(id).definition == Definition::Undefined {
                return Some(id);
            }
        }
        None
    }

    /// Defines a symbol, or lets the definition yield to an earlier one.
    pub(crate) fn define(
        &mut self,
        id: SymbolId,
        definition: Definition,
        weak: bool,
        owner: Owner,
    ) -> Result<(), Conflict> {
        let symbol = &mut self.entries[id.0 as usize];
        let old_rank = rank(symbol.definition, symbol.weak);
        let new_rank = rank(definition, weak);
        if let (
            Definition::Common { size_bytes, alignment },
            Definition::Common {
                size_bytes: new_size_bytes,
                alignment: new_alignment,
            },
        ) = (&mut symbol.definition, definition)
        {
            *size_bytes = (*size_bytes).max(new_size_bytes);
            *alignment = (*alignment).max(new_alignment);
        } else if new_rank > old_rank {
            symbol.definition = definition;
            symbol.weak = weak;
            symbol.owner = owner;
        } else if old_rank == STRONG && new_rank == STRONG {
            return Err(Conflict { first: symbol.owner });
        }
        Ok(())
    }

    /// Sets the meaning of a symbol that nothing defined.
    pub(crate) fn settle(&mut self, id: SymbolId, definition: Definition) {
        self.entries[id.0 as usize].definition = definition;
    }
}

const STRONG: u32 = 3;

fn rank(definition: Definition, weak: bool) -> u32 {
    match definition {
        Definition::Undefined => 0,
        Definition::Common { .. } => 2,
        _ if weak => 1,
        _ => STRONG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEAK: Definition = Definition::Absolute(1);
    const STRONG_ONE: Definition = Definition::Absolute(2);
    const COMMON: Definition = Definition::Common {
        size_bytes: 4,
        alignment: 4,
    };

    fn result(definitions: &[(Definition, bool)]) -> Result<Definition, Owner> {
        let mut symbols = Symbols::default();
        let id = symbols.intern(b"x");
        for (position, &(definition, weak)) in definitions.iter().enumerate() {
            let owner = Owner::Object(position as u32);
            symbols
                .define(id, definition, weak, owner)
                .map_err(|conflict| conflict.first)?;
        }
        Ok(symbols.get(id).definition)
    }

    #[test]
    fn definitions_yield_by_strength() {
        assert_eq!(result(&[(WEAK, true), (STRONG_ONE, false)]), Ok(STRONG_ONE));
        assert_eq!(result(&[(STRONG_ONE, false), (WEAK, true)]), Ok(STRONG_ONE));
        assert_eq!(result(&[(WEAK, true), (STRONG_ONE, true)]), Ok(WEAK));
        assert_eq!(result(&[(WEAK, true), (COMMON, false)]), Ok(COMMON));
        assert_eq!(result(&[(COMMON, false), (WEAK, true)]), Ok(COMMON));
        assert_eq!(result(&[(COMMON, false), (STRONG_ONE, false)]), Ok(STRONG_ONE));
        assert_eq!(result(&[(STRONG_ONE, false), (WEAK, false)]), Err(Owner::Object(0)));
    }

    #[test]
    fn largest_common_declaration_counts() {
        let larger = Definition::Common {
            size_bytes: 8,
            alignment: 2,
        };
        assert_eq!(
            result(&[(COMMON, false), (larger, false)]),
            Ok(Definition::Common {
                size_bytes: 8,
                alignment: 4
            })
        );
    }

    #[test]
    fn a_symbol_is_wanted_once_and_only_while_undefined() {
        let mut symbols = Symbols::default();
        let (first, second) = (symbols.intern(b"a"), symbols.intern(b"b"));
        for id in [first, second, first] {
            symbols.want(id);
        }
        symbols.define(second, WEAK, true, Owner::Linker).unwrap();
        assert_eq!(symbols.take_wanted(), Some(first));
        symbols.want(first);
        assert_eq!(symbols.take_wanted(), None);
    }
}
