//! Every function that the kernel gives to programs, called with arbitrary arguments in a Linux process: what touches a byte that it
//! should not is likely to end it.
//!
//! With `WASMETAL_POINTER_ROUNDS=20000` it makes about ten million calls; `-- --nocapture` shows the figures.

use std::process::{Command, Stdio};

#[test]
fn arbitrary_pointers_end_in_an_errno_and_touch_nothing_else() {
    fixtures::wild_calls::check(|program, bake| {
        let file = tempfile::Builder::new().suffix(".wat").tempfile().unwrap();
        std::fs::write(file.path(), program).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.args(["run", "--bake", bake]).arg(file.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
}
