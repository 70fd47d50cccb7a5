//! Input bytes of any kind: an error or a product, never a panic.

#[allow(dead_code, reason = "each test file uses a part")]
mod support;

use linker::{ErrorKind, InMemoryOptions, Input, LinkOptions, UndefinedPolicy};
use object::elf::*;
use object::write::SymbolSection;
use proptest::prelude::*;
use support::{Builder, RET, application, archive, library, link_all};

/// An object that uses most of what the linker knows.
fn rich_object() -> Vec<u8> {
    let mut object = application("f");
    let code = object.function("f", &[0x48, 0x8b, 0x05, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0, 0xc3]);
    object
        .relocation(code, 3, "g", R_X86_64_REX_GOTPCRELX, -4)
        .relocation(code, 9, "h", R_X86_64_GOTPCRELX, -4);
    let group = object.text(".text.inline", RET);
    object.define_weak("inline", group);
    object.comdat("inline", &[group]);
    let data = object.data(".data.d", &[0; 64]);
    let zeros = object.zeros(".bss.z", 100);
    object.define("d", data).define("z", zeros);
    let common = object.symbol("common", SymbolSection::Common, 0, STB_GLOBAL);
    object.set_size(common, 8, 8);
    for (offset, symbol) in ["z", "inline", "common", "weak", "g"].into_iter().enumerate() {
        object.relocation(data, offset as u64 * 8, symbol, R_X86_64_64, 1);
    }
    object.relocation(code, 9, "d", R_X86_64_PC32, 0);
    object.section(
        abi::symbols::ABI_VERSION_SECTION,
        SHT_PROGBITS,
        0,
        &abi::ABI_VERSION.to_le_bytes(),
        1,
    );
    object.section(".note.pvh", SHT_NOTE, SHF_ALLOC, &[7; 20], 4);
    object.build()
}

fn rich_archive() -> Vec<u8> {
    archive(&[("h.o", &library("h"), &["h"]), ("g.o", &library("g"), &["g"])])
}

fn link_everything(object: &[u8], library: &[u8]) {
    for undefined in [UndefinedPolicy::Error, UndefinedPolicy::Trap] {
        let options = LinkOptions {
            undefined,
            symbols: true,
            link_map: true,
            ..LinkOptions::default()
        };
        let _ = link_all(&[("app.o", object), ("lib.a", library)], &options).map_err(|error| error.to_string());
    }
    let roots = vec!["f".into(), "d".into()];
    let options = InMemoryOptions {
        base: 0x1000,
        externals: &|_| Some(0x2000),
        roots,
        keep_exports: true,
    };
    let inputs = [
        Input {
            name: "app.o",
            bytes: object,
        },
        Input {
            name: "lib.a",
            bytes: library,
        },
    ];
    let _ = linker::link_in_memory(&inputs, &options).map_err(|error| error.to_string());
}

#[test]
fn the_inputs_link_before_they_are_damaged() {
    link_all(
        &[("app.o", &rich_object()), ("lib.a", &rich_archive())],
        &LinkOptions::default(),
    )
    .unwrap_err();
    let options = LinkOptions {
        undefined: UndefinedPolicy::Trap,
        ..LinkOptions::default()
    };
    link_all(&[("app.o", &rich_object()), ("lib.a", &rich_archive())], &options).unwrap();
}

#[test]
fn bytes_that_are_no_object_are_named_as_such() {
    for bytes in [&b""[..], b"\0asm", b"\x7fEL"] {
        let error = link_all(&[("x", bytes)], &LinkOptions::default()).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::UnknownFormat { input: "x".into() });
    }
    let mut executable = rich_object();
    executable[16] = ET_EXEC as u8;
    let error = link_all(&[("x", &executable)], &LinkOptions::default()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::UnsupportedObject { input: "x".into() });
}

#[test]
fn a_damaged_member_is_named_with_its_archive() {
    let damaged = archive(&[("f.o", &library("f")[..100], &["f"])]);
    let inputs = [("app.o", &*application("f").build()), ("lib.a", &damaged)];
    let error = link_all(&inputs, &LinkOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "lib.a(f.o): malformed section headers");
}

#[test]
fn sizes_that_overflow_are_errors() {
    let mut object = Builder::new();
    let code = object.function("wasmetal.boot_entry", RET);
    object.relocation(code, 0, "wasmetal.module", R_X86_64_NONE, 0);
    let module = object.symbol("wasmetal.module", SymbolSection::Common, 0, STB_GLOBAL);
    object.set_size(module, u64::MAX - 8, 8);
    let error = link_all(&[("x", &object.build())], &LinkOptions::default()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge { part: ".bss".into() });
    object.set_size(module, 8, 3);
    let error = link_all(&[("x", &object.build())], &LinkOptions::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Malformed { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn truncated_inputs_do_not_panic(object_len in 0usize..4000, library_len in 0usize..4000) {
        let (object, library) = (rich_object(), rich_archive());
        let (object_len, library_len) = (object_len.min(object.len()), library_len.min(library.len()));
        link_everything(&object[..object_len], &library);
        link_everything(&object, &library[..library_len]);
    }

    #[test]
    fn damaged_inputs_do_not_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        let (mut object, mut library) = (rich_object(), rich_archive());
        for (position, byte, in_object) in changes {
            let bytes = if in_object { &mut object } else { &mut library };
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        link_everything(&object, &library);
    }

    #[test]
    fn damaged_headers_and_symbols_do_not_panic(
        changes in prop::collection::vec((0usize..200, prop::sample::select(vec![0u64, 1, 3, 0x7fff_ffff, u64::MAX, 1 << 63])), 1..4),
    ) {
        let mut object = rich_object();
        // Whole words, from the end of the file back: section headers, relocations and symbols are there.
        for (word, value) in changes {
            let end = object.len() - word * 8;
            if let Some(start) = end.checked_sub(8) {
                object[start..end].copy_from_slice(&value.to_le_bytes());
            }
        }
        link_everything(&object, &rich_archive());
    }
}
