//! The list of contents that every image carries: how many bytes each input and blob takes of each section.
//!
//! A link map names every piece and is made on request; this list has one line for an input and section, so it is small enough
//! to travel in each image, where `wasmetal inspect` reads it. [`abi::symbols::CONTENTS_SECTION`] gives its format.

use std::collections::HashMap;
use std::fmt::Write;

use crate::layout::{Content, Layout};
use crate::resolve::Program;

/// Who takes bytes of a section.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Owner<'a> {
    Input(&'a str),
    Blob(&'a str),
    Linker,
}

/// Encodes the list.
pub(crate) fn encode_contents(program: &Program<'_>, layout: &Layout) -> Vec<u8> {
    let mut text = String::new();
    for section in layout.segments.iter().flat_map(|segment| &segment.sections) {
        let mut lines: Vec<(Owner<'_>, u64, u64)> = Vec::new();
        let mut positions = HashMap::new();
        for chunk in section.chunks.iter().filter(|chunk| chunk.size_bytes > 0) {
            let owner = owner(program, chunk.content);
            let position = *positions.entry(owner).or_insert_with(|| {
                lines.push((owner, chunk.address, 0));
                lines.len() - 1
            });
            lines[position].2 += chunk.size_bytes;
        }
        for (owner, address, size_bytes) in lines {
            let (Owner::Input(name) | Owner::Blob(name)) = owner else {
                write_line(&mut text, section.name, address, size_bytes, "linker");
                continue;
            };
            write_line(&mut text, section.name, address, size_bytes, name);
        }
    }
    text.into_bytes()
}

fn owner<'a>(program: &'a Program<'_>, content: Content) -> Owner<'a> {
    match content {
        Content::Section(id) => Owner::Input(program.section_owner(id).0.input),
        Content::Blob(position) => Owner::Blob(&program.blobs[position as usize].symbol),
        Content::AddressTable | Content::TrapFunctions | Content::Common(_) => Owner::Linker,
    }
}

fn write_line(text: &mut String, section: &str, address: u64, size_bytes: u64, owner: &str) {
    // A name may come from a file system, where it may contain anything.
    let owner = owner.replace(char::is_control, "?");
    writeln!(text, "{section}\t{address:x}\t{size_bytes:x}\t{owner}").expect("writing to a string does not fail");
}
