//! What a small program costs: the bytes of its image, the instructions before it runs, the memory that it needs.

mod support;

use support::{boot, build, temporary_file};

const IMAGE_LIMIT_BYTES: usize = 64 << 10;
const BOOT_LIMIT_INSTRUCTIONS: u64 = 300_000;

#[test]
fn the_image_of_a_small_program_is_small() {
    let len_bytes = build("hello", &[]).len();
    assert!(len_bytes <= IMAGE_LIMIT_BYTES, "{len_bytes} bytes");
}

#[test]
fn a_small_program_runs_with_4_mib_of_memory() {
    let file = temporary_file(&build("hello", &[]));
    let image = file.path().to_str().unwrap();
    let outcome = boot(&["-machine", "microvm", "-m", "4", "-kernel", image]);
    assert_eq!(
        outcome.stdout.trim_end(),
        "Hello from a WebAssembly kernel",
        "{outcome:?}"
    );
}

#[test]
fn a_program_starts_after_few_instructions() {
    let file = temporary_file(&build("hello", &[]));
    let image = file.path().to_str().unwrap();
    // With this option QEMU's time stamp counter counts instructions.
    let counting = ["-machine", "microvm", "-m", "64", "-icount", "shift=0"];
    let outcome = boot(&[&counting[..], &["-kernel", image, "-append", "log=debug"]].concat());
    let line = outcome
        .stdout
        .lines()
        .find(|line| line.contains("ticks from the first instruction"));
    let line = line.unwrap_or_else(|| panic!("no line about ticks in {outcome:?}"));
    let ticks = line
        .split_whitespace()
        .rev()
        .nth(3)
        .and_then(|word| word.parse::<u64>().ok());
    let ticks = ticks.unwrap_or_else(|| panic!("no number of ticks in {line}"));
    assert!(
        (10_000..BOOT_LIMIT_INSTRUCTIONS).contains(&ticks),
        "{ticks} instructions"
    );
}
