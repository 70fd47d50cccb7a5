//! Second phase: which sections the program needs.
//!
//! A section is live if a root is in it or a live section has a relocation to it. Weak references do not keep their target: the
//! kernel names its optional parts so. What is not live is not laid out, and undefined symbols count only if live sections refer
//! to them.
//!
//! Read first: [`Reachable`].

use crate::error::{Error, ErrorKind, UndefinedSymbol};
use crate::resolve::{Program, Target};
use crate::section::{LE, SectionKind};
use crate::symbols::{Definition, SectionId, SymbolId};

/// What is live.
#[derive(Debug)]
pub(crate) struct Reachable {
    /// Live sections, in the order of the inputs.
    pub(crate) sections: Vec<SectionId>,
    /// Those of them with relocations that may need an entry in the global offset table.
    pub(crate) table_users: Vec<SectionId>,
    /// By symbol number: whether a live section refers to it, other than weakly.
    pub(crate) symbols: Vec<bool>,
    /// Undefined symbols among them, with the object that refers to each first.
    pub(crate) undefined: Vec<(SymbolId, Option<u32>)>,
}

/// Finds what is live.
pub(crate) fn find_reachable(program: &Program<'_>) -> Result<Reachable, Error> {
    let mut search = Search {
        program,
        live: vec![false; program.section_count()],
        pending: Vec::new(),
        symbols: vec![false; program.symbols.len()],
        followed: program
            .objects
            .iter()
            .map(|object| vec![false; object.file.symbols.len()])
            .collect(),
        undefined: Vec::new(),
    };
    for &root in &program.roots {
        search.reach(
            Target::Global {
                symbol: root,
                is_weak: false,
            },
            None,
        );
    }
    for object in &program.objects {
        for (index, section) in object.file.sections.iter().enumerate() {
            let is_root = matches!(section.kind, SectionKind::Multiboot2 | SectionKind::PvhNote) || section.retained;
            if is_root {
                search.reach(
                    Target::Local {
                        section: object.section_id(index),
                        value: 0,
                    },
                    None,
                );
            }
        }
    }
    let mut table_users = Vec::new();
    while let Some(section) = search.pending.pop() {
        if search.follow(section)? {
            table_users.push(section);
        }
    }
    table_users.sort_unstable();
    let is_live = |section: &SectionId| search.live[section.0 as usize];
    let sections = (0..program.section_count() as u32)
        .map(SectionId)
        .filter(is_live)
        .collect();
    Ok(Reachable {
        sections,
        table_users,
        symbols: search.symbols,
        undefined: search.undefined,
    })
}

struct Search<'p, 'a> {
    program: &'p Program<'a>,
    live: Vec<bool>,
    pending: Vec<SectionId>,
    symbols: Vec<bool>,
    /// By object and ELF symbol index: whether a relocation to it has been followed. Most relocations are settled here, without
    /// a look at symbols that are spread over many megabytes.
    followed: Vec<Vec<bool>>,
    undefined: Vec<(SymbolId, Option<u32>)>,
}

impl Search<'_, '_> {
    /// Follows the relocations of a section and tells whether any may need the global offset table.
    fn follow(&mut self, section: SectionId) -> Result<bool, Error> {
        let (object, index) = self.program.section_owner(section);
        let number = self.program.object_number(section);
        let mut uses_table = false;
        for relocation in object.file.sections[index].relocations {
            let info = relocation.r_info.get(LE);
            let symbol = (info >> 32) as u32;
            uses_table |= self.program.machine.uses_table(info as u32);
            match self.followed[number as usize].get_mut(symbol as usize) {
                Some(followed) if *followed => continue,
                Some(followed) => *followed = !object.file.needs_addend(symbol as usize),
                None => {}
            }
            self.reach(object.target(symbol, relocation.r_addend.get(LE))?, Some(number));
        }
        Ok(uses_table)
    }

    fn reach(&mut self, target: Target, referrer: Option<u32>) {
        match target {
            Target::Absolute(_) | Target::Global { is_weak: true, .. } => {}
            Target::Local { section, .. } => self.reach_section(section),
            Target::Global { symbol, is_weak: false } => {
                if std::mem::replace(&mut self.symbols[symbol.0 as usize], true) {
                    return;
                }
                match self.program.symbols.get(symbol).definition {
                    Definition::Section { section, .. } => self.reach_section(section),
                    Definition::Undefined => self.undefined.push((symbol, referrer)),
                    _ => {}
                }
            }
        }
    }

    fn reach_section(&mut self, section: SectionId) {
        let (object, index) = self.program.section_owner(section);
        let is_loaded = object.file.sections[index].kind.is_loaded();
        if is_loaded && !std::mem::replace(&mut self.live[section.0 as usize], true) {
            self.pending.push(section);
        }
    }
}

/// Makes the one error that lists undefined symbols.
pub(crate) fn undefined_error(program: &Program<'_>, undefined: &[(SymbolId, Option<u32>)]) -> Error {
    let mut list: Vec<UndefinedSymbol> = undefined
        .iter()
        .map(|&(symbol, referrer)| UndefinedSymbol {
            symbol: program.symbols.display_name(symbol),
            input: referrer.map(|object| program.objects[object as usize].file.name.clone()),
        })
        .collect();
    list.sort();
    ErrorKind::UndefinedSymbols(list).into()
}
