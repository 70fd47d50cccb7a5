//! The form of the image: what loaders, debuggers and the kernel rely on.

#[allow(dead_code, reason = "each test file uses a part")]
mod support;

use abi::memory_map::{IMAGE_BASE, IMAGE_LOAD_ADDRESS, PAGE_SIZE};
use linker::{Blob, ErrorKind, LinkOptions};
use object::LittleEndian as LE;
use object::elf::*;
use support::{Builder, RET, View, application, link_all, with_symbols};

/// An application with something in every section.
fn complete_application() -> Builder {
    let mut object = application("f");
    let code = object.function("f", &[0x90; 5000]);
    let constant = object.read_only(".rodata.constant", &[1; 5000]);
    let pointer = object.data(".data.rel.ro.pointer", &[0; 8]);
    let zeros = object.zeros(".bss.zeros", 100_000);
    object
        .define("constant", constant)
        .define("pointer", pointer)
        .define("zeros", zeros);
    object.relocation(pointer, 0, "zeros", R_X86_64_64, 8);
    object
        .relocation(code, 0, "constant", R_X86_64_PC32, 0)
        .relocation(code, 4, "pointer", R_X86_64_PC32, 0);
    object.section(".note.pvh", SHT_NOTE, SHF_ALLOC, &[7; 20], 4);
    object.section(".multiboot2", SHT_PROGBITS, SHF_ALLOC, &[8; 24], 8);
    object.section(".eh_frame", SHT_PROGBITS, SHF_ALLOC, &[9; 64], 8);
    object.section(".comment", SHT_PROGBITS, 0, &[9; 64], 1);
    object.section(abi::symbols::IMPORTS_SECTION, SHT_PROGBITS, 0, b"env.f\n", 1);
    object
}

fn complete_image() -> View {
    View::new(link_all(&[("app.o", &complete_application().build())], &with_symbols()).unwrap())
}

#[test]
fn segments_are_congruent_apart_and_never_writable_and_executable() {
    let view = complete_image();
    let loads: Vec<_> = view
        .program_headers()
        .iter()
        .filter(|header| header.p_type.get(LE) == PT_LOAD)
        .collect();
    assert_eq!(
        loads.iter().map(|load| load.p_flags.get(LE)).collect::<Vec<_>>(),
        [PF_R, PF_R | PF_X, PF_R | PF_W]
    );
    assert_eq!(loads[0].p_paddr.get(LE), IMAGE_LOAD_ADDRESS);
    let (mut page, mut file_end) = (0, 0);
    for load in loads {
        let (address, offset) = (load.p_vaddr.get(LE), load.p_offset.get(LE));
        assert_eq!(address, load.p_paddr.get(LE) + IMAGE_BASE);
        assert_eq!(address % PAGE_SIZE, offset % PAGE_SIZE);
        assert_eq!(offset, file_end, "no padding in the file");
        assert!(address / PAGE_SIZE > page, "no page shared with the segment before");
        page = (address + load.p_memsz.get(LE) - 1) / PAGE_SIZE;
        file_end = offset + load.p_filesz.get(LE);
    }
}

#[test]
fn boot_headers_come_first_and_the_note_is_announced() {
    let view = complete_image();
    let multiboot2 = view.section(".multiboot2").unwrap();
    assert_eq!(multiboot2.sh_offset.get(LE), 64 + 4 * 56);
    assert_eq!(multiboot2.sh_offset.get(LE) % 8, 0);
    let note = view
        .program_headers()
        .iter()
        .find(|header| header.p_type.get(LE) == PT_NOTE)
        .unwrap();
    let (start, len) = (note.p_offset.get(LE) as usize, note.p_filesz.get(LE) as usize);
    assert_eq!(view.bytes[start..start + len], [7; 20]);
}

#[test]
fn the_entry_is_a_virtual_address_in_code() {
    let view = complete_image();
    assert_eq!(view.header().e_entry.get(LE), view.symbols["wasmetal.boot_entry"]);
    let options = LinkOptions {
        entry: "constant".into(),
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &complete_application().build())], &options).unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::EntryNotCode {
            symbol: "constant".into()
        }
    );
}

#[test]
fn the_kernel_finds_the_borders_of_the_image() {
    let view = complete_image();
    let border = |name: &str| view.symbols[name];
    assert_eq!(
        border(abi::symbols::IMAGE_RODATA_START),
        IMAGE_BASE + IMAGE_LOAD_ADDRESS
    );
    assert_eq!(
        border(abi::symbols::IMAGE_RODATA_END),
        border(abi::symbols::IMAGE_TEXT_START)
    );
    assert_eq!(
        border(abi::symbols::IMAGE_TEXT_END),
        border(abi::symbols::IMAGE_DATA_START)
    );
    let bss = view.section(".bss").unwrap();
    let end = bss.sh_addr.get(LE) + bss.sh_size.get(LE);
    assert_eq!(border(abi::symbols::IMAGE_DATA_END), end.next_multiple_of(PAGE_SIZE));
    let text = border(abi::symbols::IMAGE_TEXT_START)..border(abi::symbols::IMAGE_TEXT_END);
    assert!(text.contains(&view.symbols["f"]) && !text.contains(&view.symbols["constant"]));
}

#[test]
fn data_for_a_dynamic_loader_only_is_read_only() {
    let view = complete_image();
    assert!(view.symbols["pointer"] < view.symbols[abi::symbols::IMAGE_RODATA_END]);
    assert_eq!(view.word_at("pointer"), view.symbols["zeros"] + 8);
}

#[test]
fn metadata_travels_but_unwind_tables_and_comments_do_not() {
    let view = complete_image();
    assert_eq!(view.section_data(abi::symbols::IMPORTS_SECTION), b"env.f\n");
    assert_eq!(
        view.section_data(abi::symbols::ABI_VERSION_SECTION),
        abi::ABI_VERSION.to_le_bytes()
    );
    assert!(view.section(".eh_frame").is_none() && view.section(".comment").is_none());
    assert!(view.bytes.len() < 20_000, "zero-initialised data is not in the file");
}

#[test]
fn blobs_are_read_only_data_between_two_symbols() {
    let mut object = application("f");
    object.function("f", RET);
    let blob = |symbol: &str, bytes: &[u8], alignment| Blob {
        symbol: symbol.into(),
        bytes: bytes.into(),
        alignment,
    };
    let blobs = vec![
        blob("first", b"abc", 1),
        blob("second", b"12345678", 64),
        blob("empty", b"", 8),
    ];
    let view = View::new(
        link_all(
            &[("app.o", &object.build())],
            &LinkOptions {
                blobs,
                ..with_symbols()
            },
        )
        .unwrap(),
    );
    assert_eq!(&view.at::<3>("first"), b"abc");
    assert_eq!(view.symbols["first.end"] - view.symbols["first"], 3);
    assert_eq!(view.symbols["second"] % 64, 0);
    assert_eq!(view.symbols["empty"], view.symbols["empty.end"]);

    let options = LinkOptions {
        blobs: vec![blob("odd", b"", 3)],
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &object.build())], &options).unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::BlobAlignment {
            symbol: "odd".into(),
            alignment: 3
        }
    );
    let options = LinkOptions {
        blobs: vec![blob("f", b"", 1)],
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &object.build())], &options).unwrap_err();
    assert_eq!(error.to_string(), "`f` is defined by the linker and by app.o");
}

#[test]
fn equal_inputs_give_equal_images() {
    let object = complete_application().build();
    let images = [(); 2].map(|()| link_all(&[("app.o", &object)], &with_symbols()).unwrap().bytes);
    assert_eq!(images[0], images[1]);
}

#[test]
fn the_link_map_tells_which_input_owns_which_bytes() {
    let options = LinkOptions {
        link_map: true,
        ..LinkOptions::default()
    };
    let map = link_all(&[("app.o", &complete_application().build())], &options)
        .unwrap()
        .link_map
        .unwrap();
    let text = map.sections.iter().find(|section| section.name == ".text").unwrap();
    assert_eq!(text.size_bytes, 5005);
    assert_eq!(text.contributions[1].section, ".text.f");
    assert_eq!(map.size_by_input()["app.o"], 24 + 20 + 5000 + 8 + 5005 + 8 + 100_000);
    assert!(map.to_string().contains("app.o: .rodata.constant"));
}

#[test]
fn sections_that_cannot_be_honoured_are_refused() {
    let with_section = |name: &str, kind: u32, flags: u32, alignment: u64| {
        let mut object = application("f");
        object.section(name, kind, flags, &[0; 8], alignment);
        link_all(&[("app.o", &object.build())], &LinkOptions::default())
            .unwrap_err()
            .to_string()
    };
    let all = SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR;
    assert_eq!(
        with_section(".x", SHT_PROGBITS, all, 1),
        "app.o: section .x: both writable and executable"
    );
    let constructors = with_section(".init_array", SHT_INIT_ARRAY, SHF_ALLOC | SHF_WRITE, 8);
    assert_eq!(
        constructors,
        "app.o: section .init_array: constructors and destructors are not supported"
    );
    let alignment = with_section(".rodata", SHT_PROGBITS, SHF_ALLOC, 4 << 20);
    assert_eq!(
        alignment,
        "app.o: section .rodata: alignment 4194304 is more than 2 MiB"
    );
}

#[test]
fn what_calls_cannot_reach_is_too_large() {
    let mut object = application("f");
    object.function("f", RET);
    for name in [".bss.a", ".bss.b"] {
        let zeros = object.zeros(name, 0x4000_0000);
        object.define(name, zeros);
    }
    let options = LinkOptions {
        roots: vec![".bss.a".into(), ".bss.b".into()],
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &object.build())], &options).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::TooLarge { part: ".bss".into() });
}
