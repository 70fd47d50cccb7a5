//! Random modules under `cargo fuzz`, which looks for modules that reach new code of the compiler: what wasmetal and Wasmtime do must be
//! the same.
//!
//! The first byte chooses how the module is generated and compiled, the others are what wasm-smith makes it of. Read first:
//! [`fuzz::module`], [`fuzz::compare`]. CONTRIBUTING.md has the command.

#![no_main]

use fuzz::module::{Conditions, from_entropy};
use fuzz::{compare, theirs};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;
use wasmtime::Engine;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| theirs::engine().expect("the settings are valid"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((&number, entropy)) = bytes.split_first() else {
        return Corpus::Reject;
    };
    let number = u64::from(number);
    let Some(wasm) = from_entropy(number, entropy).expect("the module can be given fuel") else {
        return Corpus::Reject;
    };
    compare::compare(&ENGINE, &wasm, Conditions::of(number)).expect("both sides agree");
    Corpus::Keep
});
