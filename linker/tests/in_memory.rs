//! Linking for the memory of a process.

#[allow(dead_code, reason = "each test file uses a part")]
mod support;

use linker::{ErrorKind, InMemoryOptions, Input, MemoryImage, Permissions};
use object::elf::*;
use support::{Builder, RET};

fn options(base: u64) -> InMemoryOptions<'static> {
    InMemoryOptions {
        base,
        externals: &|_| None,
        roots: Vec::new(),
        keep_exports: true,
    }
}

fn object() -> Vec<u8> {
    let mut object = Builder::new();
    let code = object.function("wasm.export.run", &[0xe8, 0, 0, 0, 0]);
    object.function("unused", RET);
    let constant = object.read_only(".rodata.c", &[1, 2, 3]);
    object.define("constant", constant);
    let data = object.data(".data.d", &[0; 8]);
    let zeros = object.zeros(".bss.z", 10_000);
    object.define("data", data).define("zeros", zeros);
    object.relocation(data, 0, "zeros", R_X86_64_64, 0);
    object.relocation(code, 1, "env.f", R_X86_64_PLT32, -4);
    object
        .relocation(code, 1, "data", R_X86_64_PC32, 0)
        .relocation(code, 1, "constant", R_X86_64_PC32, 0);
    object.build()
}

fn link(base: u64) -> MemoryImage {
    let externals = |name: &str| (name == "env.f").then_some(base + 0x10_0000);
    let options = InMemoryOptions {
        externals: &externals,
        ..options(base)
    };
    linker::link_in_memory(
        &[Input {
            name: "app.o",
            bytes: &object(),
        }],
        &options,
    )
    .unwrap()
}

#[test]
fn segments_begin_at_pages_and_leave_zeros_to_the_caller() {
    let image = link(0x7000_0000);
    let [read_only, text, data] = &image.segments;
    assert_eq!(
        (read_only.address, read_only.permissions),
        (0x7000_0000, Permissions::ReadOnly)
    );
    assert_eq!(
        (text.address, text.permissions),
        (0x7000_1000, Permissions::ReadExecute)
    );
    assert_eq!((data.address, data.permissions), (0x7000_2000, Permissions::ReadWrite));
    assert_eq!((data.bytes.len(), data.size_bytes), (8, 16 + 10_000));
    assert_eq!(data.bytes, image.address_of("zeros").unwrap().to_le_bytes());
}

#[test]
fn exports_are_roots_and_can_be_looked_up() {
    let image = link(0x7000_0000);
    assert_eq!(image.address_of("wasm.export.run"), Some(0x7000_1000));
    assert_eq!(image.address_of("unused"), None);
    assert_eq!(
        image.address_of("env.f"),
        None,
        "an external is not part of the program"
    );
    assert!(
        image
            .symbols()
            .any(|(name, address)| name == b"data" && address == 0x7000_2000)
    );
}

#[test]
fn an_export_that_another_module_has_is_no_root() {
    let mut object = Builder::new();
    object.function("wasm.export.run", RET);
    let unused = object.function("unused", &[0; 8]);
    object.relocation(unused, 0, "wasm.export.elsewhere", R_X86_64_64, 0);
    let bytes = object.build();
    let inputs = [Input {
        name: "app.o",
        bytes: &bytes,
    }];
    let image = linker::link_in_memory(&inputs, &options(0x1000)).unwrap();
    assert_eq!(image.address_of("wasm.export.elsewhere"), None);
}

#[test]
fn the_same_object_links_at_any_page() {
    for base in [0x1000, 0x5555_5555_5000, 0xffff_ffff_8000_0000] {
        assert_eq!(link(base).segments[1].bytes.len(), 5);
    }
    let inputs = object();
    let inputs = [Input {
        name: "app.o",
        bytes: &inputs,
    }];
    for base in [0x1001, u64::MAX - 4095] {
        let error = linker::link_in_memory(&inputs, &options(base)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::BaseAddress { base });
    }
}

#[test]
fn what_is_neither_defined_nor_external_is_undefined() {
    let inputs = object();
    let error = linker::link_in_memory(
        &[Input {
            name: "app.o",
            bytes: &inputs,
        }],
        &options(0x1000),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "undefined symbol:\n  import `env.f`, needed by app.o"
    );
}

#[test]
fn an_external_out_of_reach_is_an_error() {
    let externals = |_: &str| Some(0x7fff_0000_0000);
    let options = InMemoryOptions {
        externals: &externals,
        ..options(0x1000)
    };
    let inputs = object();
    let error = linker::link_in_memory(
        &[Input {
            name: "app.o",
            bytes: &inputs,
        }],
        &options,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("app.o: .text.wasm.export.run+0x1: R_X86_64_PLT32 to `env.f`: the value ")
    );
}
