//! The command line: flags first, then the run.

pub(crate) mod flags;
pub(crate) mod run;
