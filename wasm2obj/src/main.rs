//! The command `wasm2obj`: a thin shell around the library of the same name.
//!
//! [`cli::flags`] says what the command can be told and turns it into meaning; [`cli::run`] reads, compiles and writes. The
//! library does no input or output, so whatever the user sees is in these two files.
//!
//! Exit status: 0, or 2 with one line `error: …` on standard error. A bug of ours ends with 101 and a line that says so.

#![forbid(unsafe_code)]

mod cli;

use clap::Parser;
use std::io;
use std::process::ExitCode;

const EXIT_ERROR: u8 = 2;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_bug));
    match cli::run::run(&cli::flags::Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

/// Whether the reader of our output went away, as `head` does when it has enough.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn report_bug(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic
        .location()
        .map_or_else(String::new, |location| format!(" at {location}"));
    eprintln!("error: internal error{place}: {message}");
    eprintln!("This is a bug in wasm2obj. Please report it, with the module and the command that you ran.");
}
