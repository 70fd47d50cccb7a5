//! What relocations write, and what is said where they cannot.

#[allow(dead_code, reason = "each test file uses a part")]
mod support;

use linker::{Error, ErrorKind, InMemoryOptions, Input, LinkOptions, MemoryImage, RelocationProblem};
use object::Architecture;
use object::elf::*;
use object::write::SymbolSection;
use support::{Builder, RET, application, link_all};

const BASE: u64 = 0x10_0000_0000;
/// `external.near` is here, `external.far` out of reach.
const NEAR: u64 = BASE + 0x1000_0000;

fn link_at(base: u64, object: &[u8], root: &str) -> Result<MemoryImage, Error> {
    let externals = |name: &str| match name {
        "external.near" => Some(NEAR),
        "external.far" => Some(0x7fff_0000_0000),
        "external.low" => Some(0xfe),
        "external.high" => Some(0xffff_ffff_8000_0000),
        _ => None,
    };
    let options = InMemoryOptions {
        base,
        externals: &externals,
        roots: vec![root.into()],
        keep_exports: false,
    };
    linker::link_in_memory(
        &[Input {
            name: "test.o",
            bytes: object,
        }],
        &options,
    )
}

fn bytes_at<const N: usize>(image: &MemoryImage, symbol: &str) -> [u8; N] {
    let address = image.address_of(symbol).unwrap();
    let segment = image
        .segments
        .iter()
        .rfind(|segment| segment.address <= address)
        .unwrap();
    *segment.bytes[(address - segment.address) as usize..]
        .first_chunk()
        .unwrap()
}

/// Applies one relocation at `place`, the start of 16 bytes of data; returns them and the image.
fn apply(kind: u32, symbol: &str, addend: i64) -> Result<([u8; 16], MemoryImage), Error> {
    let mut object = Builder::new();
    object.function("function", RET);
    let place = object.data(".data.place", &[0; 16]);
    object.define("place", place).relocation(place, 0, symbol, kind, addend);
    let image = link_at(BASE, &object.build(), "place")?;
    Ok((bytes_at(&image, "place"), image))
}

fn value(kind: u32, symbol: &str, addend: i64) -> u64 {
    let (bytes, _) = apply(kind, symbol, addend).unwrap();
    u64::from_le_bytes(*bytes.first_chunk().unwrap())
}

fn problem(kind: u32, symbol: &str, addend: i64) -> RelocationProblem {
    match apply(kind, symbol, addend).unwrap_err().kind() {
        ErrorKind::Relocation { problem, .. } => *problem,
        other => panic!("unexpected error: {other}"),
    }
}

#[test]
fn absolute_values_are_symbol_plus_addend() {
    assert_eq!(value(R_X86_64_64, "external.near", -3), NEAR - 3);
    assert_eq!(
        value(R_X86_64_32, "external.high", 0x8000_0010),
        0x10,
        "a physical address by wrapping around"
    );
    assert_eq!(value(R_X86_64_32S, "external.high", 4), 0x8000_0004);
    assert_eq!(value(R_X86_64_16, "external.low", 0x100), 0x1fe);
    assert_eq!(value(R_X86_64_8, "external.low", 1), 0xff);
    assert_eq!(value(R_X86_64_NONE, "external.low", 1), 0);
}

#[test]
fn relative_values_are_distances_from_the_place() {
    for kind in [R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_PC64] {
        let (bytes, image) = apply(kind, "function", -4).unwrap();
        let distance = i64::from(i32::from_le_bytes(*bytes.first_chunk().unwrap()));
        let expected = image.address_of("function").unwrap() as i64 - image.address_of("place").unwrap() as i64 - 4;
        assert_eq!(distance, expected);
    }
    assert_eq!(value(R_X86_64_PC16, "place", 0x1234), 0x1234);
    assert_eq!(value(R_X86_64_PC8, "place", -1), 0xff);
}

#[test]
fn values_that_do_not_fit_are_errors() {
    assert_eq!(
        problem(R_X86_64_32, "external.near", 0),
        RelocationProblem::OutOfRange(NEAR as i64)
    );
    assert_eq!(
        problem(R_X86_64_32, "external.low", -0xff),
        RelocationProblem::OutOfRange(-1)
    );
    assert_eq!(
        problem(R_X86_64_32S, "external.low", 0x8000_0000),
        RelocationProblem::OutOfRange(0x8000_00fe)
    );
    assert_eq!(
        problem(R_X86_64_16, "external.low", 0x10000),
        RelocationProblem::OutOfRange(0x100fe)
    );
    assert_eq!(
        problem(R_X86_64_8, "external.low", 2),
        RelocationProblem::OutOfRange(0x100)
    );
    assert_eq!(
        problem(R_X86_64_PC16, "place", 0x8000),
        RelocationProblem::OutOfRange(0x8000)
    );
    assert_eq!(
        problem(R_X86_64_PC8, "place", 0x80),
        RelocationProblem::OutOfRange(0x80)
    );
    assert!(matches!(
        problem(R_X86_64_PLT32, "external.far", -4),
        RelocationProblem::OutOfRange(_)
    ));
}

#[test]
fn kinds_that_cannot_be_served_are_errors() {
    assert_eq!(
        problem(R_X86_64_GOTTPOFF, "function", 0),
        RelocationProblem::ThreadLocal
    );
    assert_eq!(problem(R_X86_64_TPOFF32, "function", 0), RelocationProblem::ThreadLocal);
    assert_eq!(
        problem(R_X86_64_GOTOFF64, "function", 0),
        RelocationProblem::UnknownKind
    );
    assert_eq!(problem(4711, "function", 0), RelocationProblem::UnknownKind);
}

#[test]
fn an_error_names_kind_input_section_offset_symbol_and_value() {
    let mut object = application("f");
    object.function("f", RET);
    let place = object.data(".data.place", &[0; 16]);
    object.define("place", place).relocation(place, 8, "f", R_X86_64_32, 0);
    let options = LinkOptions {
        roots: vec!["place".into()],
        ..LinkOptions::default()
    };
    let error = link_all(&[("app.o", &object.build())], &options).unwrap_err();
    let text = error.to_string();
    let (start, value) = text.split_at(text.find("0xffffffff8010").unwrap());
    assert_eq!(start, "app.o: .data.place+0x8: R_X86_64_32 to `f`: the value ");
    assert!(value.ends_with(" is out of range"), "{value}");
}

#[test]
fn a_relocation_outside_its_section_is_an_error() {
    for offset in [13, 16, u64::MAX - 1] {
        let mut object = Builder::new();
        let place = object.data(".data.place", &[0; 16]);
        object
            .define("place", place)
            .relocation(place, offset, "place", R_X86_64_PC32, 0);
        let error = link_at(BASE, &object.build(), "place").unwrap_err();
        let kind = error.kind();
        assert!(
            matches!(
                kind,
                ErrorKind::Relocation {
                    problem: RelocationProblem::OutsideSection,
                    ..
                }
            ),
            "{kind}"
        );
    }
}

#[test]
fn a_reference_to_a_dropped_section_is_an_error() {
    let mut object = Builder::new();
    let dropped = object.section(".eh_frame", SHT_PROGBITS, SHF_ALLOC, &[0; 8], 8);
    let place = object.data(".data.place", &[0; 16]);
    object
        .define("place", place)
        .define("frame", dropped)
        .relocation(place, 0, "frame", R_X86_64_64, 0);
    let error = link_at(BASE, &object.build(), "place").unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Relocation {
            problem: RelocationProblem::DiscardedTarget,
            ..
        }
    ));
}

/// Links one instruction that refers to the global offset table, its displacement at `offset`.
fn through_table(code: &[u8], offset: u64, kind: u32, symbol: &str) -> (MemoryImage, Vec<u8>) {
    let mut object = Builder::new();
    object.function("function", RET);
    let user = object.function("user", &[code, &[0xcc; 8]].concat());
    object.relocation(user, offset, symbol, kind, -4);
    let image = link_at(BASE, &object.build(), "user").unwrap();
    let bytes = bytes_at::<8>(&image, "user").to_vec();
    (image, bytes)
}

/// Returns the address that a displacement at `offset` of `user` names.
fn named_address(image: &MemoryImage, code: &[u8], offset: usize) -> u64 {
    let displacement = i32::from_le_bytes(*code[offset..].first_chunk().unwrap());
    let next = image.address_of("user").unwrap() + offset as u64 + 4;
    next.wrapping_add_signed(i64::from(displacement))
}

#[test]
fn loads_calls_and_jumps_through_the_table_become_direct() {
    let (image, code) = through_table(&[0x48, 0x8b, 0x05, 0, 0, 0, 0], 3, R_X86_64_REX_GOTPCRELX, "function");
    assert_eq!(code[..3], [0x48, 0x8d, 0x05]);
    assert_eq!(named_address(&image, &code, 3), image.address_of("function").unwrap());
    assert_eq!(image.segments[0].size_bytes, 0, "no table is made");

    let (image, code) = through_table(&[0xff, 0x15, 0, 0, 0, 0], 2, R_X86_64_GOTPCRELX, "function");
    assert_eq!(code[..2], [0x67, 0xe8]);
    assert_eq!(named_address(&image, &code, 2), image.address_of("function").unwrap());

    let (image, code) = through_table(&[0xff, 0x25, 0, 0, 0, 0], 2, R_X86_64_GOTPCRELX, "function");
    assert_eq!((code[0], code[5]), (0xe9, 0x90));
    assert_eq!(named_address(&image, &code, 1), image.address_of("function").unwrap());
}

#[test]
fn other_references_through_the_table_get_an_entry() {
    let compare = [0x48, 0x3b, 0x05, 0, 0, 0, 0];
    let load = [0x48, 0x8b, 0x05, 0, 0, 0, 0];
    for (code, kind, symbol, expected) in [
        (compare, R_X86_64_REX_GOTPCRELX, "function", None),
        (load, R_X86_64_GOTPCREL, "function", None),
        (load, R_X86_64_REX_GOTPCRELX, "external.far", Some(0x7fff_0000_0000)),
    ] {
        let (image, bytes) = through_table(&code, 3, kind, symbol);
        assert_eq!(bytes[..3], code[..3]);
        assert_eq!(
            named_address(&image, &bytes, 3),
            BASE,
            "the table is all there is in read-only data"
        );
        let entry = u64::from_le_bytes(*image.segments[0].bytes.first_chunk().unwrap());
        assert_eq!(entry, expected.unwrap_or_else(|| image.address_of("function").unwrap()));
    }
}

#[test]
fn a_reference_to_a_part_of_an_entry_keeps_it() {
    let mut object = Builder::new();
    object.function("function", RET);
    let user = object.function("user", &[0x8b, 0x05, 0, 0, 0, 0, 0xcc, 0xcc]);
    object.relocation(user, 2, "function", R_X86_64_GOTPCRELX, 0);
    let image = link_at(BASE, &object.build(), "user").unwrap();
    let code = bytes_at::<8>(&image, "user");
    assert_eq!(code[..2], [0x8b, 0x05]);
    assert_eq!(named_address(&image, &code, 2), BASE + 4);
}

#[test]
fn of_mergeable_strings_only_those_are_kept_that_something_refers_to() {
    let mut object = Builder::new();
    let strings = object.strings(".rodata.str1.1", b"one\0two\0three\0four\0");
    object.symbol("three", SymbolSection::Section(strings), 8, STB_LOCAL);
    let user = object.function("user", &[0; 12]);
    object
        .relocation(user, 0, ".rodata.str1.1", R_X86_64_64, 5)
        .relocation(user, 8, "three", R_X86_64_PC32, -4);
    let image = link_at(BASE, &object.build(), "user").unwrap();
    assert_eq!(image.segments[0].bytes, b"two\0three\0");
    let code = bytes_at::<12>(&image, "user");
    let start = image.segments[0].address;
    assert_eq!(code[..8], (start + 1).to_le_bytes(), "within a string");
    let place = image.address_of("user").unwrap() + 8;
    assert_eq!(code[8..], ((start + 4).wrapping_sub(4 + place) as u32).to_le_bytes());
}

#[test]
fn a_weak_reference_through_the_table_to_nothing_loads_zero() {
    let mut object = Builder::new();
    let user = object.function("user", &[0x48, 0x8b, 0x05, 0, 0, 0, 0]);
    object
        .weak_reference("nothing")
        .relocation(user, 3, "nothing", R_X86_64_REX_GOTPCRELX, -4);
    let image = link_at(BASE, &object.build(), "user").unwrap();
    assert_eq!(image.segments[0].bytes, [0; 8]);
}

/// Applies one aarch64 relocation to an instruction (or data) at `place`; returns it.
fn apply_arm(kind: u32, instruction: u32, symbol: &str, addend: i64) -> Result<u32, Error> {
    let mut object = Builder::for_machine(Architecture::Aarch64);
    let place = object.section(".text.place", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, &[0; 16], 8);
    object.set_contents(place, &instruction.to_le_bytes());
    object.define("place", place).relocation(place, 0, symbol, kind, addend);
    let image = link_at(BASE, &object.build(), "place")?;
    Ok(u32::from_le_bytes(bytes_at(&image, "place")))
}

#[test]
fn arm_instructions_get_their_immediates() {
    let apply = |kind, instruction, symbol, addend| apply_arm(kind, instruction, symbol, addend).unwrap();
    assert_eq!(
        apply(R_AARCH64_CALL26, 0x9400_0000, "place", 0x100),
        0x9400_0040,
        "bl .+0x100"
    );
    assert_eq!(apply(R_AARCH64_JUMP26, 0x1400_0000, "place", -4), 0x17ff_ffff, "b .-4");
    assert_eq!(
        apply(R_AARCH64_CONDBR19, 0x5400_0000, "place", 8),
        0x5400_0040,
        "b.eq .+8"
    );
    assert_eq!(
        apply(R_AARCH64_TSTBR14, 0x3600_0000, "place", -4),
        0x3607_ffe0,
        "tbz w0, #0, .-4"
    );
    assert_eq!(
        apply(R_AARCH64_ADR_PREL_LO21, 0x1000_0000, "place", 5),
        0x3000_0020,
        "adr x0, .+5"
    );
    let distance = (NEAR - BASE) as u32 / 4096;
    let immediate = ((distance & 3) << 29) | ((distance >> 2) << 5);
    assert_eq!(
        apply(R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, "external.near", 0x123),
        0x9000_0000 | immediate
    );
    assert_eq!(
        apply(R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0000, "external.near", 0x123),
        0x9104_8c00,
        "add #0x123"
    );
    assert_eq!(
        apply(R_AARCH64_LDST8_ABS_LO12_NC, 0x3940_0000, "external.near", 0x123),
        0x3944_8c00
    );
    assert_eq!(
        apply(R_AARCH64_LDST64_ABS_LO12_NC, 0xf940_0000, "external.near", 0x128),
        0xf940_9400
    );
    assert_eq!(
        apply(R_AARCH64_LDST128_ABS_LO12_NC, 0x3dc0_0000, "external.near", 0x120),
        0x3dc0_4800
    );
    assert_eq!(apply(R_AARCH64_ABS32, 0, "external.low", 2), 0x100);
    assert_eq!(apply(R_AARCH64_PREL32, 0, "place", -2), 0xffff_fffe);
}

#[test]
fn arm_values_that_do_not_fit_are_errors() {
    let problem = |kind, addend| match apply_arm(kind, 0, "place", addend).unwrap_err().kind() {
        ErrorKind::Relocation { problem, .. } => *problem,
        other => panic!("unexpected error: {other}"),
    };
    assert_eq!(
        problem(R_AARCH64_CALL26, 1 << 27),
        RelocationProblem::OutOfRange(1 << 27)
    );
    assert_eq!(problem(R_AARCH64_CALL26, 2), RelocationProblem::Misaligned(2));
    assert_eq!(
        problem(R_AARCH64_LDST64_ABS_LO12_NC, 4),
        RelocationProblem::Misaligned(4)
    );
    assert_eq!(problem(R_AARCH64_TLSDESC_CALL, 0), RelocationProblem::ThreadLocal);
    assert_eq!(problem(R_AARCH64_MOVW_UABS_G0, 0), RelocationProblem::UnknownKind);
}

#[test]
fn arm_references_through_the_table_get_an_entry() {
    let mut object = Builder::for_machine(Architecture::Aarch64);
    let code = [0x9000_0000u32.to_le_bytes(), 0xf940_0000u32.to_le_bytes()].concat();
    let user = object.section(".text.user", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, &code, 4);
    object.define("user", user);
    object.relocation(user, 0, "external.far", R_AARCH64_ADR_GOT_PAGE, 0);
    object.relocation(user, 4, "external.far", R_AARCH64_LD64_GOT_LO12_NC, 0);
    let image = link_at(BASE, &object.build(), "user").unwrap();
    assert_eq!(image.segments[0].bytes, 0x7fff_0000_0000u64.to_le_bytes());
    // The table is the page before the code: adrp x0, .-4096; ldr x0, [x0].
    let expected = [0xf0ff_ffe0u32.to_le_bytes(), 0xf940_0000u32.to_le_bytes()].concat();
    assert_eq!(bytes_at::<8>(&image, "user").to_vec(), expected);
}
