//! A network namespace with a TAP device at 10.0.0.1, which a guest at 10.0.0.2 is attached to; it goes when the value is dropped.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The guest's address.
pub const GUEST: &str = "10.0.0.2";
/// The name of the device in the namespace.
pub const TAP: &str = "tap0";
/// The hardware address that QEMU gives the first card unless told otherwise.
const GUEST_HARDWARE_ADDRESS: &str = "52:54:00:12:34:56";

/// A network namespace.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace. The guest's hardware address is entered beforehand, so that nobody waits for an answer to ARP while it boots.
    pub fn new() -> Result<Namespace> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("wasmetal-http-{}-{number}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Namespace { name };
        for arguments in [
            &["link", "set", "lo", "up"][..],
            &["tuntap", "add", "dev", TAP, "mode", "tap"],
            &["addr", "add", "10.0.0.1/24", "dev", TAP],
            &["link", "set", TAP, "up"],
            &[
                "neigh",
                "add",
                GUEST,
                "lladdr",
                GUEST_HARDWARE_ADDRESS,
                "dev",
                TAP,
                "nud",
                "permanent",
            ],
        ] {
            run(namespace.command("ip").args(arguments))?;
        }
        Ok(namespace)
    }

    /// Returns a command that runs a program in the namespace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("ip").args(["netns", "del", &self.name])) {
            eprintln!("warning: the namespace {} stays: {error:#}", self.name);
        }
    }
}

/// Runs a command and returns its output; a failure is an error with what the command said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
