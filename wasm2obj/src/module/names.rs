//! Function names, from the `name` section or, where that is silent, from exports. They serve messages only: a damaged section
//! is ignored, as the specification asks.

use super::index::FuncIndex;
use super::parse::index;
use std::collections::HashMap;
use wasmparser::{CustomSectionReader, KnownCustom, Name};

/// Names of functions.
#[derive(Clone, Debug, Default)]
pub struct Names<'data> {
    functions: HashMap<FuncIndex, &'data str>,
}

impl<'data> Names<'data> {
    /// Takes over the names of a custom section, if it is the name section.
    pub(super) fn read(&mut self, section: &CustomSectionReader<'data>) {
        let KnownCustom::Name(subsections) = section.as_known() else {
            return;
        };
        for subsection in subsections {
            let Ok(Name::Function(functions)) = subsection else {
                continue;
            };
            for naming in functions.into_iter().flatten() {
                self.functions.insert(index(naming.index), naming.name);
            }
        }
    }

    /// Names a function by its export unless it has a name. The name section, which comes later in a module, goes before this.
    pub(super) fn name_by_export(&mut self, function: FuncIndex, export: &'data str) {
        self.functions.entry(function).or_insert(export);
    }

    /// Returns the name of a function, or the empty string.
    pub fn function(&self, function: FuncIndex) -> &'data str {
        self.functions.get(&function).copied().unwrap_or("")
    }
}
