//! A network namespace with a TAP device, for the thread that makes it.

use crate::guest::{Card, Guest, Image};
use crate::process::missing;
use crate::system::{self, TAP};
use crate::wire::{Faults, Wire};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
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
        enter_namespace(&[(HOST_V4, 24), (HOST_V6, 64)])
    }

    /// Moves this thread into a new namespace with the guest's address, as a Linux in the guest's place, which sends with that
    /// congestion control.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn enter_as_guest(congestion_control: &str) -> Result<Lab> {
        let lab = enter_namespace(&[(GUEST_V4, 24)])?;
        run(&format!(
            "ip route replace 10.0.0.0/24 dev {TAP} src {GUEST_V4} congctl {congestion_control}"
        ))?;
        Ok(lab)
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
        let (ours, theirs) = UnixDatagram::pair().context("cannot make a pair of sockets")?;
        let wire = Wire::start(self.open_tap()?, OwnedFd::from(ours).into(), faults)?;
        Ok((Guest::start(image, words, Card::Socket(theirs.into()))?, wire))
    }

    /// Opens the TAP device: a read takes a frame that this namespace sends, a write is one that it receives.
    ///
    /// # Errors
    /// If it is open already.
    pub fn open_tap(&self) -> Result<File> {
        system::open_tap(TAP).context("cannot open the TAP device")
    }
}

fn enter_namespace(addresses: &[(&str, u8)]) -> Result<Lab> {
    system::enter_new_network_namespace().context("cannot make a network namespace; this needs root")?;
    // An address is used at once, instead of after seconds in which nobody else claims it.
    for scope in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad");
        fs::write(&path, "0").context(path)?;
    }
    run("ip link set lo up")?;
    run(&format!("ip tuntap add dev {TAP} mode tap"))?;
    for (address, prefix_len) in addresses {
        run(&format!("ip addr add {address}/{prefix_len} dev {TAP}"))?;
    }
    run(&format!("ip link set {TAP} up"))?;
    Ok(Lab(()))
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
