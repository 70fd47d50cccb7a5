//! Runs the programs of a script and judges how they ended.
//!
//! Read first: [`run`].

use crate::image::{ImageError, TestImage};
use crate::machine::{self, Ended};
use crate::{Failure, FileResult, Summary};
use abi::trap_code::TrapCode;
use fixtures::self_check::{self, Command, Ending, SelfCheck, command_number};
use host::spec::expectations::Expectations;
use host::spec::messages;
use host::spec::suites::ScriptFile;
use rayon::prelude::*;
use std::collections::HashMap;
use wasmetal::BoundsChecks;

/// Status of a program that trapped.
const TRAP_STATUS: u32 = 134;

/// How long the words of a failure may be, in bytes.
const SHOWN_OUTPUT_BYTES: usize = 400;

/// Runs scripts, as many at once as there are CPUs. Scripts of one text run once. `on_result` sees each result as it comes.
pub fn run(scripts: &[ScriptFile], bounds_checks: BoundsChecks, on_result: &(dyn Fn(&FileResult) + Sync)) -> Summary {
    let mut by_text = HashMap::<&str, Vec<&ScriptFile>>::new();
    for script in scripts {
        by_text.entry(&script.source).or_default().push(script);
    }
    let expectations = Expectations::built_in();
    let texts: Vec<_> = by_text.into_iter().collect();
    let run_text = |(text, scripts): &(&str, Vec<&ScriptFile>)| {
        let verdicts = run_script(text, bounds_checks);
        let judge = |script: &&ScriptFile| {
            let result = result(&script.name, &verdicts, &expectations, bounds_checks);
            on_result(&result);
            result
        };
        scripts.iter().map(judge).collect::<Vec<_>>()
    };
    let mut files: Vec<_> = texts.par_iter().with_max_len(1).flat_map(run_text).collect();
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Summary::of(files)
}

/// What became of a command.
#[derive(Clone, Debug)]
enum Verdict {
    Passed,
    Skipped(String),
    Failed(String),
}

fn result(
    name: &str,
    verdicts: &[(usize, Verdict)],
    expectations: &Expectations,
    bounds_checks: BoundsChecks,
) -> FileResult {
    let mut result = FileResult {
        name: name.to_owned(),
        ..FileResult::default()
    };
    for (line, verdict) in verdicts {
        let reason = match verdict {
            Verdict::Passed => {
                result.run += 1;
                result.passed += 1;
                continue;
            }
            Verdict::Skipped(reason) => reason.clone(),
            Verdict::Failed(message) => {
                let failure = Failure {
                    line: *line,
                    message: message.clone(),
                };
                let Some(reason) = expectations.reason(name, &failure, bounds_checks) else {
                    result.run += 1;
                    result.failures.push(failure);
                    continue;
                };
                reason.to_owned()
            }
        };
        *result.skipped.entry(reason).or_default() += 1;
    }
    result
}

fn run_script(text: &str, bounds_checks: BoundsChecks) -> Vec<(usize, Verdict)> {
    let checks = match self_check::self_checks(text) {
        Ok(checks) => checks,
        Err(error) => return vec![(0, Verdict::Failed(error.to_string()))],
    };
    let left_out = checks.left_out.into_iter();
    let mut verdicts: Vec<_> = left_out
        .map(|command| (command.line, Verdict::Skipped(command.reason)))
        .collect();
    let run = |program: &SelfCheck| run_program(program, bounds_checks);
    verdicts.extend(
        checks
            .programs
            .par_iter()
            .with_max_len(1)
            .flat_map(run)
            .collect::<Vec<_>>(),
    );
    verdicts.sort_by_key(|(line, _)| *line);
    verdicts
}

fn run_program(program: &SelfCheck, bounds_checks: BoundsChecks) -> Vec<(usize, Verdict)> {
    let all = |verdict: Verdict| {
        let verdicts = program.commands.iter().map(|command| (command.line, verdict.clone()));
        verdicts.collect::<Vec<_>>()
    };
    let image = match TestImage::new(program, bounds_checks) {
        Ok(image) => image,
        Err(error @ ImageError::Unsupported(_)) => return all(Verdict::Skipped(error.to_string())),
        Err(error) => return all(Verdict::Failed(error.to_string())),
    };
    let boot = |bytes: &[u8]| {
        machine::boot(bytes, image.memory_bytes).unwrap_or_else(|error| Ended {
            code: None,
            output: error.to_string(),
        })
    };
    let returns = program.commands.iter().any(|command| command.ending == Ending::Return);
    let failure = returns
        .then(|| boot(&image.bytes))
        .and_then(|ended| find_failure(&ended));
    let judge = |(number, command): (usize, &Command)| {
        let verdict = match (&command.ending, &failure) {
            (_, Some((failed, message))) if number >= *failed => Verdict::Failed(if number == *failed {
                message.clone()
            } else {
                format!("not reached, since line {} fails", program.commands[*failed].line)
            }),
            (Ending::Return, _) => Verdict::Passed,
            (ending, _) => match judge_end(number, ending, &boot(&image.with_selection(number))) {
                Ok(()) => Verdict::Passed,
                Err(message) => Verdict::Failed(message),
            },
        };
        (command.line, verdict)
    };
    program.commands.par_iter().enumerate().map(judge).collect()
}

/// Returns the number of the command that failed, and how, in a run in which all should return.
fn find_failure(ended: &Ended) -> Option<(usize, String)> {
    if ended.code == Some(0) {
        return None;
    }
    let report = Report::read(&ended.output);
    Some((report.commands().next().unwrap_or(0), ended_words(ended)))
}

/// Tells whether the program ended as the selected command must.
fn judge_end(number: usize, ending: &Ending, ended: &Ended) -> Result<(), String> {
    let report = Report::read(&ended.output);
    let (Some(TRAP_STATUS), Some(code)) = (ended.code, report.code) else {
        return Err(format!("did not trap: {}", ended_words(ended)));
    };
    // The function of the command itself executes `unreachable` after a call that returns.
    let is_own = report.frames.first().and_then(|name| command_number(name)) == Some(number);
    if is_own && code == TrapCode::Unreachable {
        return Err("returned, though it must not".to_owned());
    }
    if let Some(other) = report.commands().next().filter(|&other| other != number) {
        return Err(format!("command {other} before it fails: {}", ended_words(ended)));
    }
    let is_expected = match ending {
        Ending::Return => false,
        Ending::Trap(message) => messages::is_expected(code, message),
        Ending::Exhaustion => code == TrapCode::StackOverflow,
        Ending::Exception => code == TrapCode::UncaughtException,
    };
    if is_expected {
        Ok(())
    } else {
        Err(format!("trapped: {}, not as expected: {ending:?}", code.message()))
    }
}

/// What the kernel says about a trap.
struct Report<'o> {
    code: Option<TrapCode>,
    /// Names of the functions, innermost first.
    frames: Vec<&'o str>,
}

impl<'o> Report<'o> {
    fn read(output: &'o str) -> Report<'o> {
        let words = output.lines().find_map(|line| line.strip_prefix("error: wasm trap: "));
        let code = words.and_then(|words| {
            let mut codes = TrapCode::ALL.iter().copied();
            codes.find(|code| words.starts_with(code.message()))
        });
        let frames = output.lines().skip_while(|line| *line != "wasm backtrace:").skip(1);
        Report {
            code,
            frames: frames.filter_map(function_name).collect(),
        }
    }

    fn commands(&self) -> impl Iterator<Item = usize> {
        self.frames.iter().filter_map(|name| command_number(name))
    }
}

/// Returns the name in `N: 0xOFFSET - NAME (function INDEX)`.
fn function_name(line: &str) -> Option<&str> {
    let (_, function) = line.split_once(" - ")?;
    Some(function.split_once(" (function ")?.0)
}

fn ended_words(ended: &Ended) -> String {
    let output = ended.output.trim();
    let shown = output
        .char_indices()
        .take_while(|(position, _)| *position < SHOWN_OUTPUT_BYTES);
    let shown: String = shown.map(|(_, character)| character).collect();
    match ended.code {
        Some(code) => format!("status {code}: {shown}"),
        None => format!("no exit code: {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "error: wasm trap: integer divide by zero\nwasm backtrace:\n    0: 0x3c - div (function 1)\n    \
                          1: 0x43 - command 3 at line 12 (function 5)\n    2: 0x48 - _start (function 9)\n";

    fn ended(code: Option<u32>, output: &str) -> Ended {
        Ended {
            code,
            output: output.to_owned(),
        }
    }

    #[test]
    fn the_trap_of_the_selected_command_is_compared_with_the_suites_words() {
        let end = ended(Some(134), REPORT);
        let trap = |message: &str| Ending::Trap(message.to_owned());
        assert_eq!(judge_end(3, &trap("integer divide by zero"), &end), Ok(()));
        assert!(judge_end(3, &trap("integer overflow"), &end).is_err());
        assert!(judge_end(3, &Ending::Exhaustion, &end).is_err());
    }

    #[test]
    fn a_trap_before_the_selected_command_is_a_failure() {
        let trap = Ending::Trap("integer divide by zero".to_owned());
        assert!(judge_end(4, &trap, &ended(Some(134), REPORT)).is_err());
    }

    #[test]
    fn a_command_that_returns_where_it_must_trap_is_a_failure() {
        let output = REPORT.replace("    0: 0x3c - div (function 1)\n", "");
        let output = output.replace("integer divide by zero", TrapCode::Unreachable.message());
        let trap = Ending::Trap("unreachable".to_owned());
        assert!(judge_end(3, &trap, &ended(Some(134), &output)).is_err());
        assert!(judge_end(3, &trap, &ended(Some(0), "")).is_err());
    }

    #[test]
    fn a_wrong_result_names_its_command() {
        assert_eq!(find_failure(&ended(Some(0), "")), None);
        assert_eq!(
            find_failure(&ended(Some(134), REPORT)).map(|(number, _)| number),
            Some(3)
        );
    }
}
