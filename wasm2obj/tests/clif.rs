//! Golden tests of the generated code: each `clif/*.wat` says in its first line how to compile it, and below the module, as
//! comments, what comes out.
//!
//! ```text
//! ;; wasm2obj --emit clif
//! (module …)
//! ;; function u0:0(i32) -> i32 …
//! ```
//!
//! With `WASMETAL_BLESS=1` the comments below the module are written anew; the difference is then for a human to read.

mod golden;

use std::fs;
use std::path::Path;
use std::process::Command;

const COMMAND: &str = ";; wasm2obj ";
const COMMENT: &str = ";;";

#[test]
fn generated_code_is_as_recorded() {
    golden::assert_all_same(golden::files("clif", "wat").iter().map(|path| check(path)).collect());
}

fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let first = text.lines().next().unwrap_or_default();
    let Some(flags) = first.strip_prefix(COMMAND) else {
        return Err(format!(
            "{}: the first line must begin with `{COMMAND}`",
            path.display()
        ));
    };
    let output = Command::new(env!("CARGO_BIN_EXE_wasm2obj"))
        .args(flags.split_whitespace())
        .args(["-o", "-"])
        .arg(path)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    golden::check(path, &with_code(&text, &String::from_utf8_lossy(&output.stdout)))
}

/// Returns the file's text with these lines in place of the comments at its end.
fn with_code(text: &str, code: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_code = |line: &&str| line.is_empty() || line.starts_with(COMMENT);
    let end = lines.iter().rposition(|line| !is_code(line)).map_or(0, |last| last + 1);
    let mut result = lines[..end].join("\n");
    result.push_str("\n\n");
    for line in code.lines() {
        result.push_str(format!("{COMMENT} {line}").trim_end());
        result.push('\n');
    }
    result
}
