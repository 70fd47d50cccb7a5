//! The table of proposals in the crate's documentation: the tests that it names exist.

use std::path::Path;

/// Returns the cells of each row of the table.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let table = text.lines().filter_map(|line| line.strip_prefix("//! |"));
    let rows = table.map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect());
    // The heading and the line below it.
    rows.skip(2).collect()
}

#[test]
fn every_proposal_names_a_test_that_exists() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(package.join("src/lib.rs")).expect("the crate has a root");
    let rows = rows(&text);
    assert!(rows.len() > 20, "the table has only {} rows", rows.len());
    for row in rows {
        let [proposal, _phase, state, test] = row[..] else {
            panic!("not four cells: {row:?}");
        };
        let path = package
            .parent()
            .expect("inside the workspace")
            .join(test.trim_matches('`'));
        assert!(path.is_file(), "{proposal} ({state}): there is no {test}");
    }
}
