//! The command `wasmetal`: runs, builds and inspects unikernels.
//!
//! This file only turns the outcome into an exit code: the program's own for `run`, 2 for wrong usage or input, 130 for an
//! interrupt, 141 when the reader of the output goes away, 101 for a bug of ours. Read next: `cli`, then `vm`.

mod cache_folder;
mod cli;
mod interrupt;
mod iso;
mod vm;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_bug));
    match cli::main() {
        Ok(code) => code,
        Err(error) => cli::report_failure(&error),
    }
}

/// One message for what should not happen, instead of a backtrace.
fn report_bug(information: &panic::PanicHookInfo<'_>) {
    let payload = information.payload_as_str().unwrap_or("no message");
    let place = information
        .location()
        .map_or_else(String::new, |place| format!(" ({place})"));
    eprintln!(
        "error: internal error: {payload}{place}\nThis is a bug in wasmetal {}. Please report it with the command and its input.",
        env!("CARGO_PKG_VERSION")
    );
}
