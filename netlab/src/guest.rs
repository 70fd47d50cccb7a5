//! A guest in QEMU: what it says, what its machine takes of the host, and its end.

use crate::process::{Process, missing};
use crate::system::TAP;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir, TempPath};
use wasmetal::{UnikernelBuilder, bake_folder};

/// The card's hardware address.
pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// The IPv6 address that follows from [`MAC`] and the lab's prefix.
pub const SLAAC_ADDRESS: &str = "fd00:1::5054:ff:fe12:3456";
/// Longer than a guest takes to say anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A bootable image in a temporary file, and the RAM that its machine gets.
#[derive(Debug)]
pub struct Image {
    file: Arc<TempPath>,
    /// RAM, in MiB.
    pub memory_mib: u32,
}

impl Image {
    /// Builds an image from a module, with arguments and perhaps a folder that the program finds at `/www`.
    ///
    /// # Errors
    /// If the module cannot be compiled or the folder not be read.
    pub fn build(wasm: &[u8], arguments: &[&str], www: Option<&TempDir>) -> Result<Image> {
        let mut builder = UnikernelBuilder::new();
        for argument in ["guest"].iter().chain(arguments) {
            builder = builder.argument(*argument);
        }
        if let Some(folder) = www {
            let mut tree = wasmetal::TreeBuilder::default();
            bake_folder(&mut tree, folder.path(), b"/www")?;
            builder = builder.baked_tree(tree);
        }
        let mut file = NamedTempFile::new()?;
        file.write_all(&builder.build(wasm)?.image)?;
        Ok(Image {
            file: Arc::new(file.into_temp_path()),
            memory_mib: 256,
        })
    }

    /// Builds an image from a program of `examples/`.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn of_example(name: &str, arguments: &[&str], www: Option<&TempDir>) -> Result<Image> {
        let path = fixtures::root().join("examples").join(name).with_extension("wasm");
        let wasm = fs::read(&path).with_context(|| path.display().to_string())?;
        Image::build(&wasm, arguments, www)
    }
}

/// What the guest's card is connected to.
#[derive(Debug)]
pub enum Card {
    /// The TAP device.
    Tap,
    /// One end of a pair of datagram sockets: a frame is a datagram.
    Socket(OwnedFd),
}

/// A running guest; its machine ends when this is dropped, or this process dies.
#[derive(Debug)]
pub struct Guest {
    qemu: Process,
    folder: TempDir,
    /// QEMU opens it at some time after its start.
    _image: Arc<TempPath>,
}

impl Guest {
    pub(crate) fn start(image: &Image, words: &str, card: Card) -> Result<Guest> {
        let folder = tempfile::tempdir()?;
        let (backend, stdin) = match card {
            Card::Tap => (format!("tap,id=n,ifname={TAP},script=no,downscript=no"), Stdio::null()),
            Card::Socket(socket) => ("dgram,id=n,local.type=fd,local.str=0".to_owned(), socket.into()),
        };
        let mac = MAC.map(|byte| format!("{byte:02x}")).join(":");
        let monitor = folder.path().join("monitor");
        // The guest dies with this process, by whatever signal.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
        command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args([
            "-machine",
            "microvm,acpi=off,x-option-roms=off,auto-kernel-cmdline=on,rtc=on",
        ]);
        command.args(["-accel", "tcg", "-cpu", "max", "-m", &format!("{}M", image.memory_mib)]);
        command.args([
            "-chardev",
            "file,id=console,path=/dev/fd/1",
            "-serial",
            "chardev:console",
        ]);
        command.args(["-monitor", &format!("unix:{},server=on,wait=off", monitor.display())]);
        command.args([
            "-netdev",
            &backend,
            "-device",
            &format!("virtio-net-device,netdev=n,mac={mac}"),
        ]);
        command.args(["-append", words, "-kernel"]).arg(image.file.as_os_str());
        command.stdin(stdin).stdout(Stdio::piped());
        let mut qemu = command.spawn().map_err(|error| missing("qemu-system-x86_64", error))?;
        let stdout = qemu.stdout.take().context("standard output is piped")?;
        Ok(Guest {
            qemu: Process::new("the guest", qemu, stdout),
            folder,
            _image: Arc::clone(&image.file),
        })
    }

    /// Waits for a line with `words` in it and returns it.
    ///
    /// # Errors
    /// If the guest ends or says nothing of the kind for a minute.
    pub fn wait_for(&self, words: &str) -> Result<String> {
        self.wait_long_for(words, PATIENCE)
    }

    /// The same, with a limit of one's own.
    ///
    /// # Errors
    /// If the guest ends or says nothing of the kind in time.
    pub fn wait_long_for(&self, words: &str, limit: Duration) -> Result<String> {
        self.qemu.wait_for(words, limit)
    }

    /// Gives QEMU's monitor a command.
    ///
    /// # Errors
    /// If the monitor does not answer.
    pub fn monitor(&self, command: &str) -> Result<()> {
        let mut stream = UnixStream::connect(self.folder.path().join("monitor")).context("QEMU's monitor")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}")?;
        // The prompt comes once before the command and once after it.
        let mut said = Vec::new();
        while String::from_utf8_lossy(&said).matches("(qemu) ").count() < 2 {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes)?;
            ensure!(count > 0, "QEMU's monitor has closed the connection");
            said.extend_from_slice(&bytes[..count]);
        }
        Ok(())
    }

    /// Returns the memory that the machine takes of the host, in KiB: what the guest has ever touched, and QEMU itself.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line
            .and_then(|line| line.split_whitespace().next())
            .context("no VmRSS")?;
        Ok(number.parse()?)
    }

    /// Returns the time that the machine has had of the host's processors.
    ///
    /// # Errors
    /// If the machine has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        const TICKS_PER_SECOND: u64 = 100;
        let stat = self.proc("stat")?;
        // The program's name, in parentheses, may hold anything; user and system time are the 12th and 13th word after it.
        let words: Vec<&str> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
        let ticks = words.get(11).context("no user time")?.parse::<u64>()?
            + words.get(12).context("no system time")?.parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    fn proc(&self, file: &str) -> Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.qemu.id())).context("the machine has ended")
    }
}
