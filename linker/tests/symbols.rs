//! Which definition a symbol gets, what is linked at all, and what is said about symbols without a definition.

#[allow(dead_code, reason = "each test file uses a part")]
mod support;

use linker::{ErrorKind, LinkOptions, UndefinedPolicy, UndefinedSymbol};
use object::elf::*;
use object::write::SymbolSection;
use support::{Builder, RET, View, application, archive, library, link_all, with_symbols};

fn link(inputs: &[(&str, &[u8])]) -> View {
    View::new(link_all(inputs, &with_symbols()).unwrap())
}

fn link_error(inputs: &[(&str, &[u8])]) -> ErrorKind {
    link_all(inputs, &LinkOptions::default()).unwrap_err().kind().clone()
}

#[test]
fn a_call_reaches_a_function_of_another_object() {
    let view = link(&[("app.o", &application("f").build()), ("f.o", &library("f"))]);
    assert_eq!(view.branch_target("wasmetal.boot_entry", 1), view.symbols["f"]);
}

#[test]
fn what_no_root_reaches_is_left_out() {
    let mut object = application("f");
    object.function("f", RET);
    let unused = object.function("unused", &[0; 5]);
    object.relocation(unused, 1, "nowhere", R_X86_64_PLT32, -4);
    let view = link(&[("app.o", &object.build())]);
    assert!(view.symbols.contains_key("f"));
    assert!(!view.symbols.contains_key("unused"));
}

#[test]
fn archive_members_are_taken_only_when_needed() {
    let mut first = Builder::new();
    let code = first.function("f", &[0xe8, 0, 0, 0, 0]);
    first.relocation(code, 1, "g", R_X86_64_PLT32, -4);
    let first = first.build();
    let (second, third) = (library("g"), library("wasmetal.boot_entry"));
    let indexed = archive(&[
        ("third.o", &third, &["wasmetal.boot_entry"]),
        ("second.o", &second, &["g"]),
        ("first.o", &first, &["f"]),
    ]);
    let scanned = archive(&[
        ("third.o", &third, &[]),
        ("readme", b"text", &[]),
        ("second.o", &second, &[]),
    ]);
    let rest = archive(&[("first.o", &first, &[])]);
    let app = application("f").build();
    for inputs in [
        vec![("lib.a", &indexed), ("app.o", &app)],
        vec![("lib.a", &scanned), ("rest.a", &rest), ("app.o", &app)],
    ] {
        let inputs: Vec<(&str, &[u8])> = inputs.iter().map(|&(name, bytes)| (name, &**bytes)).collect();
        let view = link(&inputs);
        assert_eq!(view.branch_target("wasmetal.boot_entry", 1), view.symbols["f"]);
        assert_eq!(view.branch_target("f", 1), view.symbols["g"]);
    }
}

#[test]
fn two_strong_definitions_are_an_error_that_names_both_inputs() {
    let mut object = application("f");
    object.function("f", RET);
    let error = link_all(
        &[("a.o", &object.build()), ("b.o", &library("f"))],
        &LinkOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "`f` is defined by a.o and by b.o");
}

#[test]
fn a_weak_definition_yields_to_a_strong_one() {
    let mut weak = Builder::new();
    let section = weak.text(".text.f", &[0x90, 0xc3]);
    weak.define_weak("f", section);
    let view = link(&[
        ("app.o", &application("f").build()),
        ("weak.o", &weak.build()),
        ("f.o", &library("f")),
    ]);
    assert_eq!(view.at::<1>("f"), RET);
}

#[test]
fn local_symbols_of_the_same_name_are_different() {
    let part = |function: &str, byte: u8| {
        let mut object = Builder::new();
        let data = object.read_only(".rodata.x", &[byte; 8]);
        object.symbol("x", SymbolSection::Section(data), 0, STB_LOCAL);
        let pointer = object.data(".data.p", &[0; 8]);
        object
            .define(function, pointer)
            .relocation(pointer, 0, "x", R_X86_64_64, 0);
        object.build()
    };
    let mut object = application("f");
    object.function("f", RET);
    let options = LinkOptions {
        roots: vec!["p".into(), "q".into()],
        ..with_symbols()
    };
    let inputs = [
        ("app.o", &*object.build()),
        ("p.o", &part("p", 1)),
        ("q.o", &part("q", 2)),
    ];
    let view = View::new(link_all(&inputs, &options).unwrap());
    assert_eq!(view.word_at("q") - view.word_at("p"), 8);
}

#[test]
fn undefined_symbols_are_listed_in_one_error() {
    let mut object = application("env.g");
    let module = object.data(".data.more", &[0; 16]);
    object.define("more", module);
    object
        .relocation(module, 0, "f", R_X86_64_64, 0)
        .relocation(module, 8, "env.g", R_X86_64_64, 0);
    let options = LinkOptions {
        roots: vec!["more".into(), "root".into()],
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &object.build())], &options).unwrap_err();
    let undefined = |symbol: &str, input: Option<&str>| UndefinedSymbol {
        symbol: symbol.into(),
        input: input.map(str::to_owned),
    };
    let expected = vec![
        undefined("env.g", Some("app.o")),
        undefined("f", Some("app.o")),
        undefined("root", None),
    ];
    assert_eq!(error.kind(), &ErrorKind::UndefinedSymbols(expected));
}

#[test]
fn undefined_symbols_become_traps_on_request_but_not_those_the_program_cannot_do_without() {
    let options = LinkOptions {
        undefined: UndefinedPolicy::Trap,
        ..with_symbols()
    };
    let view = View::new(link_all(&[("app.o", &application("env.f").build())], &options).unwrap());
    assert_eq!(view.branch_target("wasmetal.boot_entry", 1), view.symbols["env.f"]);
    assert_eq!(view.at::<2>("env.f"), [0x0f, 0x0b]);

    let error = link_all(&[("app.o", &application("wasmetal.memory_grow").build())], &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UndefinedSymbols(list) if list.len() == 1));
    let error = link_all(&[("f.o", &library("f"))], &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::UndefinedSymbols(list) if list.len() == 2));
}

/// An application whose module descriptor is a pointer to `part`, and an archive that defines `part`.
fn optional_part(reference: &str, callee: &str, weak: bool) -> View {
    let mut object = Builder::new();
    let entry = object.function("wasmetal.boot_entry", &[0xe8, 0, 0, 0, 0]);
    let module = object.data(".data.module", &[0xff; 8]);
    object.define("wasmetal.module", module);
    if weak {
        object.weak_reference(reference);
    }
    object.relocation(module, 0, reference, R_X86_64_64, 0);
    object.relocation(entry, 1, callee, R_X86_64_PLT32, -4);
    let mut kernel = Builder::new();
    kernel.function("part", RET);
    let user = kernel.function("user", &[0xe8, 0, 0, 0, 0]);
    kernel.relocation(user, 1, "part", R_X86_64_PLT32, -4);
    kernel.function("other", RET);
    link(&[
        ("app.o", &object.build()),
        (
            "lib.a",
            &archive(&[("k.o", &kernel.build(), &["part", "user", "other"])]),
        ),
    ])
}

#[test]
fn a_weak_reference_or_an_optional_symbol_does_not_keep_its_target() {
    for (reference, weak) in [("part", true), ("wasmetal.optional.part", false)] {
        let view = optional_part(reference, "other", weak);
        assert_eq!(view.word_at("wasmetal.module"), 0, "{reference}");
        assert!(!view.symbols.contains_key("part"));
        let view = optional_part(reference, "user", weak);
        assert_eq!(view.word_at("wasmetal.module"), view.symbols["part"], "{reference}");
    }
}

#[test]
fn an_optional_symbol_of_a_name_that_nothing_mentions_is_zero() {
    let view = optional_part("wasmetal.optional.missing", "other", false);
    assert_eq!(view.word_at("wasmetal.module"), 0);
}

#[test]
fn of_a_group_the_first_copy_is_kept() {
    let copy = |code: &[u8]| {
        let mut object = Builder::new();
        let section = object.text(".text.inline", code);
        object.define_weak("inline", section);
        object.comdat("inline", &[section]);
        object
    };
    let mut second = copy(&[0x90, 0xc3]);
    let pointer = second.data(".data.module", &[0; 8]);
    second
        .define("wasmetal.module", pointer)
        .relocation(pointer, 0, "inline", R_X86_64_64, 0);
    second.function("wasmetal.boot_entry", RET);
    let view = link(&[("first.o", &copy(RET).build()), ("second.o", &second.build())]);
    assert_eq!(view.at::<1>("inline"), RET);
    assert_eq!(view.word_at("wasmetal.module"), view.symbols["inline"]);
}

#[test]
fn common_symbols_share_zero_initialised_data() {
    let common = |size: u64| {
        let mut object = Builder::new();
        let id = object.symbol("shared", SymbolSection::Common, 0, STB_GLOBAL);
        object.set_size(id, size, 32);
        object.build()
    };
    let mut object = application("f");
    object.function("f", RET);
    let options = LinkOptions {
        roots: vec!["shared".into()],
        ..with_symbols()
    };
    let inputs = [("app.o", &*object.build()), ("a.o", &common(8)), ("b.o", &common(64))];
    let image = link_all(&inputs, &options).unwrap();
    assert_eq!(image.sizes.zero_initialized_bytes, 64);
    assert_eq!(View::new(image).symbols["shared"] % 32, 0);
}

#[test]
fn objects_of_another_abi_version_are_refused() {
    let with_version = |version: &[u8]| {
        let mut object = application("f");
        object.function("f", RET);
        object.section(abi::symbols::ABI_VERSION_SECTION, SHT_PROGBITS, 0, version, 1);
        object.build()
    };
    let right = abi::ABI_VERSION;
    link(&[("app.o", &with_version(&right.to_le_bytes()))]);
    assert_eq!(
        link_error(&[("app.o", &with_version(&(right + 1).to_le_bytes()))]),
        ErrorKind::AbiVersion {
            input: "app.o".into(),
            found: right + 1,
            expected: right
        }
    );
    let kind = link_error(&[("app.o", &with_version(&[1]))]);
    assert!(matches!(kind, ErrorKind::UnsupportedSection { .. }), "{kind}");
}

#[test]
fn objects_for_different_machines_do_not_link() {
    let other = Builder::for_machine(object::Architecture::Aarch64).build();
    let kind = link_error(&[("app.o", &application("f").build()), ("arm.o", &other)]);
    assert_eq!(kind.to_string(), "arm.o is for aarch64, but app.o is for x86-64");
}
