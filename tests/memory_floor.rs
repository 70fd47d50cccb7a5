//! The least RAM in which an image starts: what is stated suffices, and less is refused in words before anything is booted.

mod support;

use support::{MACHINES, Outcome, build_file, run_file, temporary_file, wasmetal};
use wasmetal::ImageReport;

/// A program with so many Wasm pages of memory, the last of which it uses.
fn program(pages: u32) -> String {
    format!(
        r#"(module (memory (export "memory") {pages})
             (func (export "_start") (i32.store (i32.const {}) (i32.const 1))))"#,
        pages * 65536 - 4
    )
}

/// Builds a program; returns the file and its least RAM in MiB.
fn build_program(pages: u32, options: &[&str]) -> (tempfile::NamedTempFile, u64) {
    let text = temporary_file(program(pages).as_bytes());
    let image = build_file(text.path(), options);
    let floor = ImageReport::read(&image).unwrap().memory_floor;
    assert_eq!(floor.linear_memory_bytes, u64::from(pages) << 16);
    (temporary_file(&image), floor.machine_bytes() >> 20)
}

#[test]
fn a_program_starts_in_the_memory_that_is_stated_and_is_refused_less() {
    for (pages, stack) in [(1, "64K"), (1, "1M"), (33, "7M"), (1600, "1M"), (4000, "33M")] {
        let (image, floor_mib) = build_program(pages, &["-W", &format!("max-wasm-stack={stack}")]);
        for machine in MACHINES {
            let memory = format!("{floor_mib}M");
            run_file(image.path(), &["--machine", machine, "--memory", &memory]).expect_code(0);
        }
        let less = format!("{}M", floor_mib - 1);
        let outcome = run_file(image.path(), &["--memory", &less]).expect_code(2);
        let message = format!(
            "needs {floor_mib} MiB of RAM to start, but the machine has {} MiB",
            floor_mib - 1
        );
        assert!(outcome.stderr.contains(&message), "{}", outcome.stderr);
    }
}

#[test]
fn a_module_is_refused_as_its_image_would_be() {
    let text = temporary_file(program(1600).as_bytes());
    let outcome = run_file(text.path(), &["--memory", "64M"]).expect_code(2);
    assert!(
        outcome.stderr.contains("needs 104 MiB of RAM to start"),
        "{}",
        outcome.stderr
    );
    run_file(text.path(), &["--memory", "104M"]).expect_code(0);
}

#[test]
fn an_image_gets_the_memory_that_it_needs_unless_told_otherwise() {
    let (image, floor_mib) = build_program(16_000, &[]);
    assert!(floor_mib > 512, "more than others get");
    run_file(image.path(), &[]).expect_code(0);
}

#[test]
fn inspect_says_who_takes_the_least_memory() {
    let (image, _) = build_program(1, &[]);
    let mut command = wasmetal();
    command.arg("inspect").arg(image.path());
    let outcome = Outcome::of(&mut command).expect_code(0);
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.starts_with("least RAM"))
        .unwrap();
    let end = "stack 1.0 MiB, linear memory 64.0 KiB, kernel 1.5 MiB";
    assert!(
        line.starts_with("least RAM      3.0 MiB: image ") && line.ends_with(end),
        "{line}"
    );
}
