//! What is where in a product, and which input it comes from.

use std::collections::BTreeMap;
use std::fmt;

use crate::layout::{Content, Layout};
use crate::resolve::Program;

/// The map of a linked product. Its `Display` is a table of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkMap {
    /// The sections of the product, by address.
    pub sections: Vec<MappedSection>,
}

/// A section of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedSection {
    /// Name.
    pub name: &'static str,
    /// Virtual address.
    pub address: u64,
    /// Size in bytes, gaps for alignment included.
    pub size_bytes: u64,
    /// What it is made of, by address.
    pub contributions: Vec<Contribution>,
}

/// What an input gives to a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The input; `linker` for what the linker makes itself.
    pub input: String,
    /// The input's section, or the symbol of a blob.
    pub section: String,
    /// Virtual address.
    pub address: u64,
    /// Size in bytes.
    pub size_bytes: u64,
}

impl LinkMap {
    pub(crate) fn new(program: &Program<'_>, layout: &Layout) -> Self {
        let sections = layout.segments.iter().flat_map(|segment| &segment.sections);
        let sections = sections.filter(|section| section.size_bytes > 0).map(|section| {
            let contributions = section.chunks.iter().map(|chunk| {
                let (input, section) = describe(program, chunk.content);
                Contribution {
                    input,
                    section,
                    address: chunk.address,
                    size_bytes: chunk.size_bytes,
                }
            });
            MappedSection {
                name: section.name,
                address: section.address,
                size_bytes: section.size_bytes,
                contributions: contributions.collect(),
            }
        });
        LinkMap {
            sections: sections.collect(),
        }
    }

    /// Returns how many bytes of the product come from each input, sorted by input.
    pub fn size_by_input(&self) -> BTreeMap<&str, u64> {
        let mut sizes = BTreeMap::new();
        for contribution in self.sections.iter().flat_map(|section| &section.contributions) {
            *sizes.entry(contribution.input.as_str()).or_default() += contribution.size_bytes;
        }
        sizes
    }
}

fn describe(program: &Program<'_>, content: Content) -> (String, String) {
    let made_here = |what: String| ("linker".to_owned(), what);
    match content {
        Content::Section(id) => {
            let (object, index) = program.section_owner(id);
            (object.file.name.clone(), object.file.sections[index].display_name())
        }
        Content::Blob(position) => made_here(program.blobs[position as usize].symbol.clone()),
        Content::AddressTable => made_here("global offset table".to_owned()),
        Content::TrapFunctions => made_here("trapping functions".to_owned()),
        Content::Common(symbol) => made_here(program.symbols.display_name(symbol)),
    }
}

impl fmt::Display for LinkMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            writeln!(
                formatter,
                "{:#018x} {:>10}  {}",
                section.address, section.size_bytes, section.name
            )?;
            for part in &section.contributions {
                let (input, name) = (&part.input, &part.section);
                writeln!(
                    formatter,
                    "{:#018x} {:>10}    {input}: {name}",
                    part.address, part.size_bytes
                )?;
            }
        }
        Ok(())
    }
}
