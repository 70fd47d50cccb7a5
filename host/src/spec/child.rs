//! The child process that runs one file, seen from both sides.
//!
//! The child reads the script from standard input and writes one JSON value a line to standard output, at once, so that the
//! runner knows which command a dying child was at: a number when the command at that line begins, then `null` for success or
//! the words of a failure; `true` at the script's end.

use super::script::{self, Event};
use super::{Failure, FileResult};
use crate::instance::StoreOptions;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use wasm2obj::BoundsChecks;

/// The first argument of a child process.
pub const CHILD_ARGUMENT: &str = "--child";

/// How long a file may take, in seconds.
const TIME_LIMIT_SECONDS: u32 = 60;

/// Runs the script on standard input: the child's whole life.
///
/// # Errors
/// The kernel's, on standard input and output.
pub fn run(options: StoreOptions) -> io::Result<()> {
    // SAFETY: has no effect but the signal, which ends this process if the file takes too long.
    unsafe { libc::alarm(TIME_LIMIT_SECONDS) };
    let mut source = String::new();
    io::stdin().read_to_string(&mut source)?;
    let mut stdout = io::stdout();
    let mut written = Ok(());
    let mut write = |value: Value| {
        if written.is_ok() {
            written = writeln!(stdout, "{value}").and_then(|()| stdout.flush());
        }
    };
    let outcome = script::run(&source, options, |event| match event {
        Event::Start(line) => write(line.into()),
        Event::End(Ok(())) => write(Value::Null),
        Event::End(Err(message)) => write(message.into()),
    });
    if let Err(message) = outcome {
        write(0.into());
        write(message.into());
    }
    write(true.into());
    written
}

/// Runs a script in a child process of the program at `program`.
///
/// # Errors
/// The kernel's, where the process cannot be made.
pub fn spawn(program: &Path, name: &str, source: &str, options: &StoreOptions) -> io::Result<FileResult> {
    let mut child = Command::new(program)
        .arg(CHILD_ARGUMENT)
        .args(["--bounds-checks", bounds_checks_word(options.bounds_checks)])
        .args(["--cpu", options.cpu.name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died early leaves a broken pipe; its status tells.
        let _ = stdin.write_all(source.as_bytes());
    }
    let output = child.wait_with_output()?;
    let mut result = FileResult {
        name: name.to_owned(),
        ..FileResult::default()
    };
    if let Some(line) = read_events(&String::from_utf8_lossy(&output.stdout), &mut result) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let message = format!(
            "the process died ({}) {}",
            status_words(output.status),
            last_line(&stderr)
        );
        result.run += 1;
        result.failures.push(Failure { line, message });
    }
    Ok(result)
}

/// Returns the word for the command line.
pub fn bounds_checks_word(bounds_checks: BoundsChecks) -> &'static str {
    match bounds_checks {
        BoundsChecks::Mmu => "mmu",
        BoundsChecks::Explicit => "explicit",
    }
}

/// Takes in what the child wrote. Returns the line of the command that it died at, if it did.
fn read_events(text: &str, result: &mut FileResult) -> Option<usize> {
    let mut line = 0;
    for event in text
        .lines()
        .map_while(|event| serde_json::from_str::<Value>(event).ok())
    {
        match event {
            Value::Number(number) => line = number.as_u64().unwrap_or(0) as usize,
            Value::Null => {
                result.run += 1;
                result.passed += 1;
            }
            Value::String(message) => {
                result.run += 1;
                result.failures.push(Failure { line, message });
            }
            _ => return None,
        }
    }
    Some(line)
}

fn status_words(status: ExitStatus) -> String {
    match status.signal() {
        Some(libc::SIGALRM) => format!("after {TIME_LIMIT_SECONDS} s"),
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rfind(|line| !line.starts_with("note:"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dying_child_fails_the_command_it_was_at() {
        let mut result = FileResult::default();
        assert_eq!(read_events("3\nnull\n5\n\"no\"\n7\n", &mut result), Some(7));
        assert_eq!((result.run, result.passed), (2, 1));
        assert_eq!(
            result.failures,
            [Failure {
                line: 5,
                message: "no".to_owned()
            }]
        );
    }

    #[test]
    fn a_child_that_reaches_the_end_has_not_died() {
        assert_eq!(read_events("3\nnull\ntrue\n", &mut FileResult::default()), None);
    }
}
