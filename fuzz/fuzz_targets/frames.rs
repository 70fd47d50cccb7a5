//! Hostile frames under `cargo fuzz`, which looks for scenarios that reach new code of the network stack: a good connection beside the
//! attack must deliver every byte, and nothing may panic.
//!
//! Read first: [`fuzz::packets`]. CONTRIBUTING.md has the command.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::packets::run(bytes).expect("the good connection survives");
});
