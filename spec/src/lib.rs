//! The WebAssembly specification's tests in the unikernel: the production kernel's traps, stack and memory windows under test.
//!
//! `fixtures::self_check` turns the modules of a `.wast` file into programs that check themselves. [`image`] makes an image of each,
//! [`machine`] boots it, [`runner`] judges. All commands that return share one boot; for each that must trap, the same image boots
//! again with the command's number in it.
//!
//! This is a package of its own because it needs two worlds: `wasmetal` makes images and knows nothing of tests, and `host`
//! knows the suites and the suite's words but neither kernel nor QEMU. Both stay as small as they are.
//!
//! Read first: [`runner::run`], [`Summary`].
#![forbid(unsafe_code)]

pub mod image;
pub mod machine;
pub mod runner;

use serde::Serialize;
use std::collections::BTreeMap;

pub use host::spec::Failure;

/// What became of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileResult {
    /// Name of the file within its suite.
    pub name: String,
    /// Number of commands that were carried out in the guest.
    pub run: usize,
    /// Those with the expected outcome.
    pub passed: usize,
    /// Number of commands that were not carried out, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// Commands with another outcome.
    pub failures: Vec<Failure>,
}

/// What became of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Number of commands that were carried out in the guest.
    pub run: usize,
    /// Those with the expected outcome.
    pub passed: usize,
    /// Number of commands that were not carried out, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// Number of commands with another outcome.
    pub failed: usize,
    /// The files, in the order given.
    pub files: Vec<FileResult>,
}

impl Summary {
    /// Adds up files.
    pub fn of(files: Vec<FileResult>) -> Summary {
        let mut summary = Summary::default();
        for file in &files {
            summary.run += file.run;
            summary.passed += file.passed;
            summary.failed += file.failures.len();
            for (reason, count) in &file.skipped {
                *summary.skipped.entry(reason.clone()).or_default() += count;
            }
        }
        Summary { files, ..summary }
    }
}
