//! The list of commands that are known to fail, each with its reason (`spec_expectations.toml`).
//!
//! ```toml
//! [[failure]]
//! files = ["threads/*"]      # names, with or without `proposals/`; `*` is for anything
//! refusal = "shared memory"  # failures whose message has these words in it: the module was refused for them
//! reason = "why"
//!
//! [[failure]]
//! files = ["names.wast"]
//! lines = [12, 30]           # instead of `refusal`: commands, each of which fails
//! bounds_checks = "mmu"      # absent: with either
//! reason = "why"
//! ```
//!
//! A listed failure counts as skipped. A listed line that passes is a failure itself, and so is a file in which nothing was
//! refused, so that the list cannot outlive its reasons. In a file of refused modules whatever fails otherwise still fails.

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
    #[serde(flatten)]
    commands: Commands,
    bounds_checks: Option<String>,
    reason: String,
}

/// Which commands of the files fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Commands {
    /// Those at these lines.
    Lines(Vec<usize>),
    /// Those whose message has these words in it.
    Refusal(String),
}

impl Expectation {
    fn is_about(&self, name: &str, bounds_checks: BoundsChecks) -> bool {
        let word = bounds_checks_word(bounds_checks);
        self.files.iter().any(|pattern| matches(pattern, name))
            && self.bounds_checks.as_deref().is_none_or(|wanted| wanted == word)
    }

    fn lists(&self, failure: &Failure) -> bool {
        match &self.commands {
            Commands::Lines(lines) => lines.contains(&failure.line),
            Commands::Refusal(words) => failure.message.contains(words),
        }
    }

    /// Returns a failure for each command that should have failed.
    fn unfulfilled(&self, failed_lines: &[usize]) -> Vec<Failure> {
        let listed: &[usize] = match &self.commands {
            Commands::Lines(lines) => lines,
            Commands::Refusal(_) if failed_lines.is_empty() => &[0],
            Commands::Refusal(_) => &[],
        };
        let passed = listed.iter().filter(|line| !failed_lines.contains(line));
        let failure = |&line: &usize| Failure {
            line,
            message: format!("passes, but is listed: {}", self.reason),
        };
        passed.map(failure).collect()
    }
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

    /// Returns why a failure in a file is known, if it is.
    pub fn reason(&self, name: &str, failure: &Failure, bounds_checks: BoundsChecks) -> Option<&str> {
        let mut relevant = self
            .failure
            .iter()
            .filter(|listed| listed.is_about(name, bounds_checks));
        let listed = relevant.find(|expectation| expectation.lists(failure))?;
        Some(&listed.reason)
    }

    /// Takes listed failures out of a result, and adds one for each that did not happen.
    pub fn apply(&self, bounds_checks: BoundsChecks, result: &mut FileResult) {
        let mut unfulfilled = Vec::new();
        let relevant = |expectation: &&Expectation| expectation.is_about(&result.name, bounds_checks);
        for expectation in self.failure.iter().filter(relevant).collect::<Vec<_>>() {
            let (listed, others): (Vec<_>, Vec<_>) = std::mem::take(&mut result.failures)
                .into_iter()
                .partition(|failure| expectation.lists(failure));
            result.failures = others;
            result.skipped += listed.len();
            let failed_lines: Vec<_> = listed.iter().map(|failure| failure.line).collect();
            unfulfilled.extend(expectation.unfulfilled(&failed_lines));
        }
        result.failures.extend(unfulfilled);
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
    fn a_listed_line_that_passes_is_a_failure() {
        let list = "[[failure]]\nfiles = [\"x/a.wast\"]\nlines = [1, 2]\nreason = \"r\"";
        let mut result = failed_at(&[2]);
        Expectations::parse(list).unwrap().apply(BoundsChecks::Mmu, &mut result);
        assert_eq!((result.failures.len(), result.failures[0].line), (1, 1));
    }

    #[test]
    fn a_refusal_excuses_only_failures_in_its_words() {
        let list = "[[failure]]\nfiles = [\"x/a.wast\"]\nrefusal = \"shared memory\"\nreason = \"r\"";
        let list = Expectations::parse(list).unwrap();
        let mut result = failed_at(&[1, 2]);
        result.failures[0].message = "unsupported feature: shared memory".to_owned();
        list.apply(BoundsChecks::Mmu, &mut result);
        assert_eq!((result.skipped, result.failures[0].line), (1, 2));
        let mut nothing_refused = failed_at(&[]);
        list.apply(BoundsChecks::Mmu, &mut nothing_refused);
        assert_eq!(nothing_refused.failures.len(), 1);
    }

    #[test]
    fn patterns_match_whole_names() {
        assert!(matches("gc/a*y.wast", "proposals/gc/array.wast"));
        assert!(matches("proposals/gc/*", "proposals/gc/array.wast"));
        assert!(!matches("array.wast", "proposals/gc/array.wast"));
        assert!(!matches("a*.was", "array.wast"));
    }
}
