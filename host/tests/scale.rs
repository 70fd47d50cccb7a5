//! Modules with something in great number compute what they should: each checks itself (see [`fixtures::scale`]).

use fixtures::scale::{Kind, module};
use host::program::Program;

/// Sizes at which the compiler does other than usual: registers in one pass for a long body and for many values alive at once.
const SIZES: [(Kind, u32); 5] = [
    (Kind::Body, 250_000),
    (Kind::Locals, 1_300),
    (Kind::BranchTable, 6_000),
    (Kind::Functions, 5_000),
    (Kind::Table, 20_000),
];

#[test]
fn modules_of_great_size_compute_what_they_should() {
    for (kind, size) in SIZES {
        let ended = Program::default().run(&module(kind, size));
        assert!(matches!(ended.result, Ok(0)), "{}: {:?}", kind.name(), ended.result);
    }
}
