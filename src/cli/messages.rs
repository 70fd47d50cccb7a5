//! What the user sees besides a program's own output: errors, notes and, on a terminal, what takes so long.
//!
//! Everything goes to standard error. Colours and progress appear on terminals only, and colours not where `NO_COLOR` is set.

use indicatif::{ProgressBar, ProgressStyle};
use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// Prints an error and its causes on one line.
pub fn error(error: &anyhow::Error) {
    eprintln!("{}: {error:#}", paint("error", "31"));
}

/// Prints a note.
pub fn note(text: &str) {
    eprintln!("{}: {text}", paint("note", "36"));
}

/// Shows that something is being done until the returned value is dropped. Short activities do not flicker, and what is no
/// terminal sees nothing.
pub fn progress(activity: String) -> Progress {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is well-formed");
    bar.set_style(style);
    bar.set_message(activity);
    if io::stderr().is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    Progress(bar)
}

/// A running activity.
pub struct Progress(ProgressBar);

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn paint(text: &str, colour: &str) -> String {
    let wants_colour = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wants_colour && io::stderr().is_terminal() {
        format!("\u{1b}[1;{colour}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}
