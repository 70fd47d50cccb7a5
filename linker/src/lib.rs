//! Links an application object and the kernel's archive into a bootable image, in process and in memory.
//!
//! A static linker for what wasmetal makes: ELF64 relocatable objects and archives go in; a bootable ELF64 executable
//! ([`link`]) or bytes for the memory of a running process ([`link_in_memory`]) come out. It does no I/O, prints nothing, and
//! gives equal products for equal inputs and options.
//!
//! Why a linker of our own: a user needs no other tool, the kernel need not be linked before the application is known, so that
//! only what an application reaches is in its image, and errors speak of imports of a Wasm module instead of symbols.
//!
//! The phases, one file each, in their order; none reaches back:
//!
//! 1. `resolve`: objects and archive members (`object_file` of `section`s and `pieces`, `archive`) become one program with its `symbols`.
//! 2. `reach`: which sections the roots need.
//! 3. `layout`: an address for each of them.
//! 4. `relocate`: their bytes, by the `machine`'s kinds of `relocation`.
//! 5. `elf_image` or `memory_image`, and `link_map`: the product.
//!
//! Limits: static and non-preemptible, so no dynamic linking, no thread-local storage, no constructors, no indirect functions;
//! the whole program lies within 2 GiB; unwind tables and debug information are dropped.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod archive;
mod contents;
mod elf_image;
mod error;
mod layout;
mod link_map;
mod machine;
mod memory_image;
mod object_file;
mod options;
mod pieces;
mod reach;
mod relocate;
mod relocation;
mod resolve;
mod section;
mod symbols;

use abi::memory_map::{IMAGE_BASE, IMAGE_LOAD_ADDRESS, LARGE_PAGE_SIZE, PAGE_SIZE};

pub use error::{Error, ErrorKind, RelocationPlace, SectionProblem, UndefinedSymbol};
pub use link_map::{Contribution, LinkMap, MappedSection};
pub use machine::Machine;
pub use memory_image::{MemoryImage, MemorySegment, Permissions};
pub use options::{Blob, InMemoryOptions, Input, LinkOptions, UndefinedPolicy};
pub use relocation::RelocationProblem;

use layout::{Form, Layout};
use reach::Reachable;
use resolve::{Parts, Program};
use section::SectionKind;
use symbols::{Definition, SymbolId};

/// A bootable image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file: an ELF64 executable.
    pub bytes: Vec<u8>,
    /// Sizes of its parts.
    pub sizes: Sizes,
    /// What is where, if asked for.
    pub link_map: Option<LinkMap>,
}

/// Sizes of the loaded parts of an image, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Headers, read-only data and blobs.
    pub read_only_bytes: u64,
    /// Code.
    pub text_bytes: u64,
    /// Data that is in the file.
    pub data_bytes: u64,
    /// Data that starts as zero and is not in the file.
    pub zero_initialized_bytes: u64,
}

/// Links inputs into a bootable image.
///
/// ```
/// let application = linker::Input { name: "app.wasm", bytes: b"\0asm" };
/// let error = linker::link(&[application], &linker::LinkOptions::default()).unwrap_err();
/// assert_eq!(error.to_string(), "app.wasm: neither an ELF object nor an archive");
/// ```
///
/// # Errors
/// Inputs that are malformed or do not fit together, undefined symbols, relocations out of range: see [`ErrorKind`].
pub fn link(inputs: &[Input<'_>], options: &LinkOptions) -> Result<Image, Error> {
    check_blobs(&options.blobs)?;
    let blob_ends = blob_ends(&options.blobs);
    let mut roots: Vec<&str> = options.roots.iter().map(String::as_str).collect();
    roots.push(&options.entry);
    let parts = Parts {
        inputs,
        blobs: &options.blobs,
        blob_ends: &blob_ends,
        roots,
        keep_exports: false,
    };
    let mut program = resolve::resolve(&parts)?;
    let reachable = reach::find_reachable(&program)?;
    let trap_function_count = match options.undefined {
        UndefinedPolicy::Error => 0,
        UndefinedPolicy::Trap => settle_as_traps(&mut program, &reachable),
    };
    reject_undefined(&program, &reachable)?;
    let form = Form {
        base: IMAGE_BASE + IMAGE_LOAD_ADDRESS,
        headers_len_bytes: elf_image::HEADERS_LEN_BYTES,
        follows_file: true,
    };
    let layout = layout::layout(&program, &reachable, trap_function_count, form)?;
    let entry = find_entry(&program, &layout, &options.entry)?;
    let contents = relocate::relocate(&program, &reachable, &layout)?;
    Ok(Image {
        bytes: elf_image::write_image(&program, &layout, contents, entry, options.symbols),
        sizes: sizes(&layout),
        link_map: options.link_map.then(|| LinkMap::new(&program, &layout)),
    })
}

/// Links inputs for fixed addresses in the memory of a running process.
///
/// # Errors
/// As for [`link`]; symbols that are neither defined nor external are undefined.
pub fn link_in_memory(inputs: &[Input<'_>], options: &InMemoryOptions<'_>) -> Result<MemoryImage, Error> {
    let form = Form {
        base: options.base,
        headers_len_bytes: 0,
        follows_file: false,
    };
    if !options.base.is_multiple_of(PAGE_SIZE) || options.base > u64::MAX - LARGE_PAGE_SIZE {
        return Err(ErrorKind::BaseAddress { base: options.base }.into());
    }
    let roots = options.roots.iter().map(String::as_str).collect();
    let parts = Parts {
        inputs,
        blobs: &[],
        blob_ends: &[],
        roots,
        keep_exports: options.keep_exports,
    };
    let mut program = resolve::resolve(&parts)?;
    let reachable = reach::find_reachable(&program)?;
    for &(symbol, _) in &reachable.undefined {
        let address = std::str::from_utf8(program.symbols.get(symbol).name)
            .ok()
            .and_then(options.externals);
        if let Some(address) = address {
            program.symbols.settle(symbol, Definition::External(address));
        }
    }
    reject_undefined(&program, &reachable)?;
    let layout = layout::layout(&program, &reachable, 0, form)?;
    let contents = relocate::relocate(&program, &reachable, &layout)?;
    Ok(MemoryImage::new(&program, &layout, contents))
}

fn check_blobs(blobs: &[Blob]) -> Result<(), Error> {
    match blobs
        .iter()
        .find(|blob| !blob.alignment.is_power_of_two() || blob.alignment > LARGE_PAGE_SIZE)
    {
        Some(blob) => Err(ErrorKind::BlobAlignment {
            symbol: blob.symbol.clone(),
            alignment: blob.alignment,
        }
        .into()),
        None => Ok(()),
    }
}

fn blob_ends(blobs: &[Blob]) -> Vec<String> {
    blobs
        .iter()
        .map(|blob| format!("{}{}", blob.symbol, abi::symbols::BLOB_END_SUFFIX))
        .collect()
}

/// Gives each undefined symbol that may have one a function that traps; returns their number.
fn settle_as_traps(program: &mut Program<'_>, reachable: &Reachable) -> u32 {
    let reserved = abi::symbols::RESERVED_PREFIX.as_bytes();
    let mut count = 0;
    for &(symbol, _) in &reachable.undefined {
        let is_needed = program.roots.contains(&symbol) || program.symbols.get(symbol).name.starts_with(reserved);
        if !is_needed {
            program.symbols.settle(symbol, Definition::Trap(count));
            count += 1;
        }
    }
    count
}

fn reject_undefined(program: &Program<'_>, reachable: &Reachable) -> Result<(), Error> {
    let mut undefined: Vec<(SymbolId, Option<u32>)> = reachable.undefined.clone();
    undefined.retain(|&(symbol, _)| program.symbols.get(symbol).definition == Definition::Undefined);
    if undefined.is_empty() {
        Ok(())
    } else {
        Err(reach::undefined_error(program, &undefined))
    }
}

fn find_entry(program: &Program<'_>, layout: &Layout, entry: &str) -> Result<u64, Error> {
    let [_, text, _] = &layout.segments;
    let range = text.address..text.address + text.memory_len_bytes;
    let address = program
        .symbols
        .find(entry.as_bytes())
        .and_then(|symbol| layout.symbol_address(program, symbol));
    match address.filter(|address| range.contains(address)) {
        Some(address) => Ok(address),
        None => Err(ErrorKind::EntryNotCode {
            symbol: entry.to_owned(),
        }
        .into()),
    }
}

fn sizes(layout: &Layout) -> Sizes {
    let [read_only, text, data] = &layout.segments;
    let zeros = data
        .sections
        .iter()
        .filter(|section| section.kind == SectionKind::ZeroInitialized);
    Sizes {
        read_only_bytes: read_only.memory_len_bytes,
        text_bytes: text.memory_len_bytes,
        data_bytes: data.file_len_bytes,
        zero_initialized_bytes: zeros.map(|section| section.size_bytes).sum(),
    }
}
