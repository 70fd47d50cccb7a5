//! Every symbol name that one part defines and another refers to.
//!
//! Imports of a module are undefined symbols `<module>.<name>` (see [`import`]), exports are `wasm.export.<name>` (see
//! [`export`]). What begins with `wasmetal.` belongs to this project; a Wasm import module of that name is refused by the
//! compiler.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

/// The prefix of every exported item's symbol.
pub const EXPORT_PREFIX: &str = "wasm.export.";

/// The prefix of symbols that belong to the project itself.
pub const RESERVED_PREFIX: &str = "wasmetal.";

/// The application's [`ModuleDescriptor`](crate::instance::ModuleDescriptor), defined by the compiler, read by the kernel.
pub const MODULE: &str = "wasmetal.module";

/// The kernel's first instruction for the PVH protocol and for multiboot2: the linker's roots, and the image's entry point.
pub const BOOT_ENTRY: &str = "wasmetal.boot_entry";

/// The kernel's entry in long mode: `extern "C" fn(&BootInfo) -> !`.
pub const KERNEL_MAIN: &str = "wasmetal.kernel_main";

/// The encoded [`configuration`](crate::configuration) (arguments, environment); defined by the linker from its options.
pub const CONFIGURATION: &str = "wasmetal.configuration";

/// The encoded tree of baked files; defined by the linker from its options.
pub const BAKED_TREE: &str = "wasmetal.baked_tree";

/// The suffix of the symbol that marks the first byte after a blob which the linker defines.
pub const BLOB_END_SUFFIX: &str = ".end";

/// An undefined symbol of this prefix and the name of another symbol stands for that symbol's address if the image has it for other
/// reasons, and else for 0: a reference that asks whether an optional part of the kernel is there, without keeping it there. (A
/// weak undefined reference says the same, but an assembler refuses it in the object that has the definition.)
pub const OPTIONAL_PREFIX: &str = "wasmetal.optional.";

/// First byte of the image's read-only segment (virtual address, page aligned).
pub const IMAGE_RODATA_START: &str = "wasmetal.image.rodata_start";
/// First byte after the image's read-only segment (page aligned).
pub const IMAGE_RODATA_END: &str = "wasmetal.image.rodata_end";
/// First byte of the image's executable segment (page aligned).
pub const IMAGE_TEXT_START: &str = "wasmetal.image.text_start";
/// First byte after the image's executable segment (page aligned).
pub const IMAGE_TEXT_END: &str = "wasmetal.image.text_end";
/// First byte of the image's writable segment (page aligned).
pub const IMAGE_DATA_START: &str = "wasmetal.image.data_start";
/// First byte after the image's writable segment, zero-initialised part included (page aligned).
pub const IMAGE_DATA_END: &str = "wasmetal.image.data_end";

/// The section that carries the multiboot2 header; the linker places it first, within the first 32 KiB of the file.
pub const MULTIBOOT2_SECTION: &str = ".multiboot2";

/// The section that carries the PVH ELF note; the linker covers it with a `PT_NOTE` program header.
pub const PVH_NOTE_SECTION: &str = ".note.pvh";

/// The section with the ABI version of an object: four bytes, little-endian. Not loaded.
pub const ABI_VERSION_SECTION: &str = ".wasmetal.abi";

/// The section that lists an application's imports, one `<symbol>\n` each. Not loaded; `inspect` prints it.
pub const IMPORTS_SECTION: &str = ".wasmetal.imports";

/// The section of an image that lists who takes its loaded bytes: `<section> TAB <address> TAB <size> TAB <owner>` lines, numbers
/// in hexadecimal; the owner is an input's name or a blob's symbol. Not loaded; `inspect` prints it.
pub const CONTENTS_SECTION: &str = ".wasmetal.contents";

/// The prefix of the call trampolines that the compiler makes on request: `extern "C" fn(values: *mut u128)`, which takes the
/// arguments of an export from the array and leaves its results there.
pub const TRAMPOLINE_PREFIX: &str = "wasmetal.trampoline.";

/// Returns the symbol of an import.
pub fn import(module: &str, name: &str) -> String {
    format!("{}.{}", escape(module), escape(name))
}

/// Returns the symbol of an export.
pub fn export(name: &str) -> String {
    format!("{EXPORT_PREFIX}{}", escape(name))
}

/// Returns the symbol of an exported function's call trampoline.
pub fn trampoline(name: &str) -> String {
    format!("{TRAMPOLINE_PREFIX}{}", escape(name))
}

/// Makes a symbol name of any Wasm name: ELF names end at a zero byte, so that one is written `\0`, and `\` is doubled.
fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['\0', '\\']) {
        Cow::Owned(name.replace('\\', "\\\\").replace('\0', "\\0"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_have_different_symbols_without_zero_bytes() {
        assert_eq!(export("a\0"), "wasm.export.a\\0");
        assert_ne!(export("a\0"), export("a\\0"));
        assert_eq!(import("m", "f"), "m.f");
    }
}
