//! Runs many scripts, as many at once as there are CPUs.

use super::child;
use super::expectations::Expectations;
use super::suites::ScriptFile;
use super::{Failure, FileResult, Summary};
use crate::instance::StoreOptions;
use rayon::prelude::*;
use std::path::Path;

/// Runs scripts in child processes of `program`, and judges them by the list. `on_result` sees each result as it comes.
pub fn run(
    program: &Path,
    scripts: &[ScriptFile],
    options: &StoreOptions,
    expectations: &Expectations,
    on_result: &(dyn Fn(&FileResult) + Sync),
) -> Summary {
    let run_one = |script: &ScriptFile| {
        let mut result = child::spawn(program, &script.name, &script.source, options).unwrap_or_else(|error| {
            let failure = Failure {
                line: 0,
                message: format!("no process for it: {error}"),
            };
            FileResult {
                name: script.name.clone(),
                run: 1,
                failures: vec![failure],
                ..FileResult::default()
            }
        });
        expectations.apply(options.bounds_checks, &mut result);
        on_result(&result);
        result
    };
    Summary::of(scripts.par_iter().with_max_len(1).map(run_one).collect())
}
