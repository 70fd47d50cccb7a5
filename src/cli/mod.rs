//! The command line: `flags` says what can be written, one file per command does it.
//!
//! `flags` (raw values, as typed) -> `image` (their meaning for the builder) -> `run`, `build`, `inspect`. Files are read and
//! written in `files`, what the user sees besides a program's own output comes from `messages`.

mod build;
mod files;
mod flags;
mod image;
mod inspect;
mod messages;
mod mounts;
mod ready_image;
mod run;
mod size;
mod volume;

use crate::interrupt;
use crate::vm::VmError;
use clap::Parser;
use flags::{Cli, Command};
use std::io;
use std::process::ExitCode;

/// The exit code for wrong usage or input.
const USAGE_EXIT_CODE: u8 = 2;
/// The exit code when nobody reads our output: 128 + SIGPIPE, as shells have it.
const BROKEN_PIPE_EXIT_CODE: u8 = 141;

/// Runs the command.
///
/// # Errors
/// Whatever keeps the command from doing its work; [`report_failure`] prints it.
pub fn main() -> anyhow::Result<ExitCode> {
    interrupt::install()?;
    match Cli::parse().command {
        Command::Run(flags) => run::run(&flags),
        Command::Build(flags) => build::build(&flags),
        Command::Inspect(flags) => inspect::inspect(&flags),
        Command::Volume(command) => volume::volume(&command),
    }
}

/// Prints a failure and returns the exit code for it.
pub fn report_failure(error: &anyhow::Error) -> ExitCode {
    if let Some(VmError::Interrupted) = error.downcast_ref() {
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    let io_error = match error.downcast_ref() {
        Some(VmError::OutputClosed(error)) => Some(error),
        _ => error.downcast_ref::<io::Error>(),
    };
    if io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::from(BROKEN_PIPE_EXIT_CODE);
    }
    messages::error(error);
    ExitCode::from(USAGE_EXIT_CODE)
}
