//! The list of commands that are known to fail, each with its reason (`spec_expectations.toml`).
//!
//! ```toml
//! [[failure]]
//! files = ["threads/*"]   # names, with or without `proposals/`; `*` is for anything
//! lines = [12, 30]        # absent: whatever fails in the file
//! bounds_checks = "mmu"   # absent: with either
//! reason = "why"
//! ```
//!
//! A listed failure counts as skipped. One that passes is a failure itself, so that the list cannot outlive its reasons.

use super::child::bounds_checks_word;
use super::{Failure, FileResult};
use serde::Deserialize;
use wasm2obj::BoundsChecks;

const LIST: &str = include_str!("../../spec_expectations.toml");

/// The list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    #[serde(default)]
    failure: Vec<Expectation>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    files: Vec<String>,
    lines: Option<Vec<usize>>,
    bounds_checks: Option<String>,
    reason: String,
}

impl Expectations {
    /// Returns the list that this crate comes with.
    ///
    /// # Panics
    /// If it is not well formed, which a test rules out.
    pub fn built_in() -> Expectations {
        Expectations::parse(LIST).expect("the list is well formed")
    }

    /// Reads a list.
    ///
    /// # Errors
    /// If it is not well formed.
    pub fn parse(text: &str) -> Result<Expectations, toml::de::Error> {
        toml::from_str(text)
    }

    /// Takes listed failures out of a result, and adds one for each that did not happen.
    pub fn apply(&self, bounds_checks: BoundsChecks, result: &mut FileResult) {
        let word = bounds_checks_word(bounds_checks);
        let relevant = |expectation: &&Expectation| {
            expectation.files.iter().any(|pattern| matches(pattern, &result.name))
                && expectation.bounds_checks.as_deref().is_none_or(|wanted| wanted == word)
        };
        let mut unexpected = Vec::new();
        for expectation in self.failure.iter().filter(relevant) {
            let is_listed = |failure: &Failure| {
                expectation
                    .lines
                    .as_ref()
                    .is_none_or(|lines| lines.contains(&failure.line))
            };
            let mut failed_lines = Vec::new();
            result.failures.retain(|failure| {
                if is_listed(failure) {
                    failed_lines.push(failure.line);
                }
                !is_listed(failure)
            });
            result.skipped += failed_lines.len();
            let passed = |line| Failure {
                line,
                message: format!("passes, but is listed: {}", expectation.reason),
            };
            match &expectation.lines {
                Some(lines) => {
                    unexpected.extend(
                        lines
                            .iter()
                            .filter(|line| !failed_lines.contains(line))
                            .map(|&line| passed(line)),
                    );
                }
                None if failed_lines.is_empty() => unexpected.push(passed(0)),
                None => {}
            }
        }
        result.failures.extend(unexpected);
    }
}

/// Tells whether a name is what the pattern says; `proposals/` before it may be left out.
fn matches(pattern: &str, name: &str) -> bool {
    matches_whole(pattern, name)
        || name
            .strip_prefix("proposals/")
            .is_some_and(|name| matches_whole(pattern, name))
}

fn matches_whole(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(position, _)| position)
                .chain([rest.len()])
                .any(|position| matches_whole(after, &rest[position..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_at(lines: &[usize]) -> FileResult {
        let failures = lines
            .iter()
            .map(|&line| Failure {
                line,
                message: String::new(),
            })
            .collect();
        FileResult {
            name: "proposals/x/a.wast".to_owned(),
            failures,
            ..FileResult::default()
        }
    }

    #[test]
    fn the_list_is_well_formed() {
        Expectations::parse(LIST).unwrap();
    }

    #[test]
    fn listed_failures_are_skipped_and_others_remain() {
        let list = "[[failure]]\nfiles = [\"x/*.wast\"]\nlines = [1]\nreason = \"r\"";
        let mut result = failed_at(&[1, 2]);
        Expectations::parse(list).unwrap().apply(BoundsChecks::Mmu, &mut result);
        assert_eq!(
            (result.skipped, result.failures.len(), result.failures[0].line),
            (1, 1, 2)
        );
    }

    #[test]
    fn a_listed_failure_that_passes_is_a_failure() {
        let list = "[[failure]]\nfiles = [\"x/a.wast\"]\nreason = \"r\"";
        let mut result = failed_at(&[]);
        Expectations::parse(list).unwrap().apply(BoundsChecks::Mmu, &mut result);
        assert_eq!(result.failures.len(), 1);
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("gc/a*y.wast", "proposals/gc/array.wast"));
        assert!(matches("proposals/gc/*", "proposals/gc/array.wast"));
        assert!(!matches("array.wast", "proposals/gc/array.wast"));
        assert!(!matches("a*.was", "array.wast"));
    }
}
