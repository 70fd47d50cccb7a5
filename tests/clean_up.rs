//! No virtual machine outlives the command, whatever ends it.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use support::{KillOnDrop, Outcome, children, send, wasmetal, wasmetal_directly, wat};

/// Starts a program that never ends, and waits for its first line.
fn start_spinning() -> (KillOnDrop, BufReader<std::process::ChildStdout>) {
    let mut command = wasmetal_directly();
    command
        .args(["run", "--accel", "tcg"])
        .arg(wat("spin"))
        .stdout(Stdio::piped());
    let mut child = KillOnDrop(command.spawn().unwrap());
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "spinning\n");
    (child, stdout)
}

fn is_running(id: u32) -> bool {
    // A zombie has ended; only its parent has not asked yet.
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn an_interrupt_ends_the_machine_and_the_command() {
    for signal in ["INT", "TERM", "HUP"] {
        let (mut child, _stdout) = start_spinning();
        let machines = children(&child.0);
        assert_eq!(machines.len(), 1, "one QEMU");
        send(signal, child.0.id());
        assert_eq!(child.0.wait().unwrap().code(), Some(130), "{signal}");
        assert!(!is_running(machines[0]), "{signal}");
    }
}

#[test]
fn the_death_of_the_command_ends_the_machine() {
    let (mut child, mut stdout) = start_spinning();
    let machines = children(&child.0);
    send("KILL", child.0.id());
    child.0.wait().unwrap();
    // The pipe's end is the event: QEMU does not hold it, so what is waited for is the kernel's signal to QEMU.
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    let mut wait = Command::new("timeout");
    wait.args(["30", "tail", &format!("--pid={}", machines[0]), "-f", "/dev/null"]);
    Outcome::of(&mut wait).expect_code(0);
}

#[test]
fn a_reader_that_goes_away_ends_the_machine() {
    let mut command = wasmetal();
    command
        .args(["run", "--accel", "tcg"])
        .arg(wat("flood"))
        .stdout(Stdio::piped());
    let mut child = KillOnDrop(command.spawn().unwrap());
    let mut first = [0; 10];
    child.0.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(141));
}
