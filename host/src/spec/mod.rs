//! The runner of the specification's test suite: `.wast` scripts against compiled code in this process.
//!
//! Each file runs in a child process ([`child`]), since a bug in compiled code may take the process with it, and so that linear
//! memories start at address 0 again; a [`pool`] of them keeps the CPUs busy. In the child, [`script`] carries out the commands,
//! with [`values`] for arguments and expected results and [`messages`] for the suite's words. What is known to fail stands in a
//! list with its reason ([`expectations`]); a listed failure that passes is a failure.
//!
//! Read first: [`script::Script`], [`Summary`].

pub mod child;
pub mod expectations;
pub mod messages;
pub mod pool;
pub mod script;
pub mod suites;
pub mod values;

use serde::Serialize;

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Line of the command in its file, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// Returns the line that a user reads, given the file's name.
    pub fn in_file(&self, name: &str) -> String {
        format!("{name}:{}: {}", self.line, self.message)
    }
}

/// What became of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileResult {
    /// Name of the file within its suite.
    pub name: String,
    /// Number of commands that were carried out.
    pub run: usize,
    /// Those with the expected outcome.
    pub passed: usize,
    /// Those whose failure is listed.
    pub skipped: usize,
    /// The rest.
    pub failures: Vec<Failure>,
}

/// What became of a suite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Number of commands that were carried out.
    pub run: usize,
    /// Those with the expected outcome.
    pub passed: usize,
    /// Those whose failure is listed.
    pub skipped: usize,
    /// The rest.
    pub failed: usize,
    /// The files, in the order given.
    pub files: Vec<FileResult>,
}

impl Summary {
    /// Adds up files.
    pub fn of(files: Vec<FileResult>) -> Summary {
        let count = |number: fn(&FileResult) -> usize| files.iter().map(number).sum();
        Summary {
            run: count(|file| file.run),
            passed: count(|file| file.passed),
            skipped: count(|file| file.skipped),
            failed: count(|file| file.failures.len()),
            files,
        }
    }
}
