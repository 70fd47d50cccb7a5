//! A network namespace with a TAP device, for the thread that makes it.

use crate::guest::{Card, Guest, Image};
use crate::process::missing;
use crate::system::{self, TAP};
use crate::wire::{Faults, Wire};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::{Command, Stdio};

/// This side's addresses.
pub const HOST_V4: &str = "10.0.0.1";
/// This side's IPv6 address; the prefix is a guest's to learn by router advertisements.
pub const HOST_V6: &str = "fd00:1::1";
/// The guest's address where it is given one.
pub const GUEST_V4: &str = "10.0.0.2";
/// The words that give the guest this address, and this side as its router.
pub const STATIC_ADDRESS: &str = "ip=10.0.0.2/24 gateway=10.0.0.1";

/// The namespace. The thread stays in it; whatever else it does, it does there.
#[derive(Debug)]
pub struct Lab(());

impl Lab {
    /// Tells whether this process may make namespaces and TAP devices.
    pub fn is_possible() -> bool {
        std::thread::spawn(|| {
            system::enter_new_network_namespace().is_ok() && std::fs::exists("/dev/net/tun").unwrap_or(false)
        })
        .join()
        .unwrap_or(false)
    }

    /// Moves this thread into a new namespace and sets the device up there.
    ///
    /// # Errors
    /// If the system refuses, as it does without root.
    pub fn enter() -> Result<Lab> {
        system::enter_new_network_namespace().context("cannot make a network namespace; this needs root")?;
        // An address is used at once, instead of after seconds in which nobody else claims it.
        for scope in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad");
            fs::write(&path, "0").context(path)?;
        }
        for command in [
            "ip link set lo up",
            "ip tuntap add dev tap0 mode tap",
            "ip addr add 10.0.0.1/24 dev tap0",
            "ip addr add fd00:1::1/64 dev tap0",
            "ip link set tap0 up",
        ] {
            run(command)?;
        }
        Ok(Lab(()))
    }

    /// Boots a guest whose card is on the TAP device.
    ///
    /// # Errors
    /// If QEMU cannot be started.
    pub fn boot(&self, image: &Image, words: &str) -> Result<Guest> {
        Guest::start(image, words, Card::Tap)
    }

    /// Boots a guest behind a wire.
    ///
    /// # Errors
    /// If the device cannot be opened or QEMU not be started.
    pub fn boot_behind_wire(&self, image: &Image, words: &str, faults: Faults) -> Result<(Guest, Wire)> {
        let tap = system::open_tap(TAP).context("cannot open the TAP device")?;
        let (wire, socket) = Wire::start(tap, faults)?;
        Ok((Guest::start(image, words, Card::Socket(socket))?, wire))
    }
}

/// Runs a command, words separated by single spaces, in the namespace.
///
/// # Errors
/// If it is not installed or fails, with what it said.
pub fn run(command: &str) -> Result<String> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| missing(program, error))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "`{command}` fails: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}
