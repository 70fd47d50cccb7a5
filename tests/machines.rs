//! One image, every way to boot it; how small it is, and in how little memory it starts.

mod support;

use std::fs;
use support::{Outcome, boot, build, run, temporary_file, wasmetal, wat};

const GREETING: &str = "Hello from a WebAssembly kernel\n";

#[test]
fn the_same_image_boots_on_every_machine() {
    let file = temporary_file(&build("hello", &[]));
    for machine in ["pc", "q35", "microvm"] {
        let outcome = boot(&[
            "-machine",
            machine,
            "-m",
            "64",
            "-kernel",
            file.path().to_str().unwrap(),
        ]);
        assert_eq!(outcome.code, Some(1), "{machine}: {outcome:#?}");
        assert_eq!(outcome.stdout.replace('\r', ""), GREETING, "{machine}");
        assert_eq!(run("hello", &["--machine", machine]).expect_code(0).stdout, GREETING);
    }
}

#[test]
fn an_iso_boots_through_grub() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("hello.iso");
    let mut command = wasmetal();
    command.args(["build", "--iso"]).arg(wat("hello")).arg("-o").arg(&iso);
    let outcome = Outcome::of(&mut command).expect_code(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let outcome = boot(&[
        "-machine",
        "pc",
        "-m",
        "64",
        "-vga",
        "std",
        "-cdrom",
        iso.to_str().unwrap(),
    ]);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.stdout.replace('\r', "").ends_with(GREETING), "{outcome:#?}");
}

#[test]
fn hello_is_small_and_boots_in_16_mib() {
    let image = build("hello", &[]);
    assert!(image.len() <= 200 * 1024, "{} bytes", image.len());
    let file = temporary_file(&image);
    for machine in ["pc", "microvm"] {
        let outcome = boot(&[
            "-machine",
            machine,
            "-m",
            "16",
            "-kernel",
            file.path().to_str().unwrap(),
        ]);
        assert_eq!(outcome.stdout.replace('\r', ""), GREETING, "{machine}: {outcome:#?}");
    }
    assert_eq!(run("hello", &["--memory", "16M"]).expect_code(0).stdout, GREETING);
}

#[test]
fn the_same_input_gives_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("greeting.txt"), "x").unwrap();
    let bake = format!("{}::/data", folder.path().display());
    let arguments = ["--bake", &bake, "--env", "A=B", "one", "two"];
    assert!(build("read_baked", &arguments) == build("read_baked", &arguments));
    let wasm = fixtures::wat("hello");
    let first = wasmetal::compile_to_unikernel(&wasm).unwrap();
    assert!(first == wasmetal::compile_to_unikernel(&wasm).unwrap());
}

#[test]
fn the_command_line_of_the_loader_replaces_baked_arguments() {
    let file = temporary_file(&build("arguments", &["baked"]));
    let image = file.path().to_str().unwrap();
    let outcome = boot(&[
        "-machine",
        "pc",
        "-m",
        "64",
        "-kernel",
        image,
        "-append",
        "env.A=1 -- given",
    ]);
    assert_eq!(outcome.stdout.replace('\r', ""), "arguments.wat\0given\0A=1\0");
}

#[test]
fn inspect_shows_what_is_in_an_image() {
    let file = temporary_file(&build("hello", &["--env", "A=B", "first", "two words"]));
    let mut command = wasmetal();
    command.arg("inspect").arg(file.path());
    let outcome = Outcome::of(&mut command).expect_code(0);
    for expected in [
        &format!("ABI version    {}\n", abi::ABI_VERSION),
        "boots through  PVH, multiboot2\n",
        "arguments      hello.wat first \"two words\"\n",
        "environment    A=B\n",
        ".text         hello.wat\n",
        "  wasi_snapshot_preview1.fd_write\n",
    ] {
        assert!(
            outcome.stdout.contains(expected),
            "`{expected}` is missing in:\n{}",
            outcome.stdout
        );
    }
}

#[test]
fn a_link_map_names_every_piece() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("map");
    build("hello", &["--link-map", map.to_str().unwrap()]);
    let map = fs::read_to_string(map).unwrap();
    assert!(
        map.contains(".text") && map.contains("hello.wat") && map.contains("wasmetal.configuration"),
        "{map}"
    );
}
