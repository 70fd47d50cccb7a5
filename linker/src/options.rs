//! What a caller gives the linker: inputs, and one struct of options per product.
//!
//! Every field has a default, so that `LinkOptions::default()` links an application object and the kernel into an image.

use abi::symbols;

/// One input file, held in memory.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Name for messages and the link map; usually the file's name.
    pub name: &'a str,
    /// An ELF64 relocatable object or an `ar` archive of such objects; the magic number tells which.
    ///
    /// An object is always linked. A member of an archive is linked when it defines a symbol that another part needs.
    pub bytes: &'a [u8],
}

/// Bytes that the linker places in read-only data, such as a baked file tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Name of the symbol at the first byte; `<symbol>.end` marks the first byte after the blob.
    pub symbol: String,
    /// The bytes; none is fine.
    pub bytes: Vec<u8>,
    /// Alignment in bytes: a power of two.
    pub alignment: u64,
}

/// What becomes of symbols that no input defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndefinedPolicy {
    /// They are one error that lists them all.
    #[default]
    Error,
    /// Each becomes a function of one trapping instruction. Roots and symbols that belong to wasmetal itself
    /// ([`symbols::RESERVED_PREFIX`]) remain errors: without them there is no program.
    Trap,
}

/// How to link an image.
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// Symbols that must be in the image; whatever they reach is in it too, and nothing else is. Default: the kernel's first
    /// instruction and the application's module descriptor.
    pub roots: Vec<String>,
    /// Bytes to place in read-only data, referred to or not. Default: none.
    pub blobs: Vec<Blob>,
    /// What becomes of symbols that no input defines. Default: an error.
    pub undefined: UndefinedPolicy,
    /// The symbol of the first instruction, itself a root. Default: [`symbols::BOOT_ENTRY`].
    pub entry: String,
    /// Whether to make a [`LinkMap`](crate::LinkMap). Default: no.
    pub link_map: bool,
    /// Whether the image carries a symbol table for debuggers (not loaded). Default: no, as it may double a small image.
    pub symbols: bool,
}

impl Default for LinkOptions {
    fn default() -> Self {
        LinkOptions {
            roots: vec![symbols::BOOT_ENTRY.to_owned(), symbols::MODULE.to_owned()],
            blobs: Vec::new(),
            undefined: UndefinedPolicy::Error,
            entry: symbols::BOOT_ENTRY.to_owned(),
            link_map: false,
            symbols: false,
        }
    }
}

/// How to link for the memory of a running process.
#[derive(Clone)]
pub struct InMemoryOptions<'a> {
    /// Virtual address of the first byte; a multiple of the page size.
    pub base: u64,
    /// Returns the address of a symbol that no input defines. It is asked once per symbol, and only for symbols that reachable
    /// code refers to. Calls reach 2 GiB: an address further away is reported as out of range.
    pub externals: &'a dyn Fn(&str) -> Option<u64>,
    /// Symbols that must be there; whatever they reach is there too.
    pub roots: Vec<String>,
    /// Whether every symbol that begins with [`symbols::EXPORT_PREFIX`] is a root too.
    pub keep_exports: bool,
}

impl std::fmt::Debug for InMemoryOptions<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("InMemoryOptions")
            .field("base", &self.base)
            .field("roots", &self.roots)
            .field("keep_exports", &self.keep_exports)
            .finish_non_exhaustive()
    }
}
