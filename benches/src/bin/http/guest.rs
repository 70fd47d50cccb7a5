//! The guests: nginx in Linux and our images, each in a VM of the same kind and a namespace of its own.

use crate::network::{Namespace, TAP, run};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of the large file.
pub const LARGE_FILE_LEN_BYTES: usize = 100 * 1024;
/// Bytes of the small file.
const SMALL_FILE_LEN_BYTES: usize = 1024;
/// Bytes of a bulk transfer.
pub const BULK_LEN_BYTES: u64 = 64 << 20;
/// Bytes that Linux reads and writes at a time, and counts together.
pub const BULK_PIECE_LEN_BYTES: u64 = 65536;

/// A system that boots in a VM.
pub struct System {
    /// Name in the tables.
    pub name: &'static str,
    /// What QEMU needs to boot it.
    arguments: Vec<OsString>,
}

/// Files that all measurements need, in one folder.
pub struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    /// Makes the files that the guests serve, and the peer's initial file system with them.
    pub fn new(folder: PathBuf) -> Result<Workshop> {
        let www = folder.join("www");
        fs::create_dir_all(&www)?;
        fs::write(www.join("index.html"), vec![b'x'; SMALL_FILE_LEN_BYTES])?;
        fs::write(www.join("large.bin"), vec![b'y'; LARGE_FILE_LEN_BYTES])?;
        Ok(Workshop { folder })
    }

    /// Returns a path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes nginx in Linux, which also sends and counts bytes as `fixtures/network/bulk_server.c` does.
    pub fn linux(&self) -> Result<System> {
        let recipe = fixtures::shared("peer-linux-vm").context("the test vectors lack peer-linux-vm")?;
        let extra = self.path("extra");
        let www = extra.join("www");
        fs::create_dir_all(&www)?;
        fs::copy(self.path("www/large.bin"), www.join("large.bin"))?;
        let count = BULK_LEN_BYTES / BULK_PIECE_LEN_BYTES;
        for (name, script) in [
            ("source", format!("exec /bin/busybox dd if=/dev/zero bs=65536 count={count} 2>/dev/null\n")),
            ("sink", "exec /bin/busybox dd of=/dev/null bs=65536 iflag=fullblock 2>&1\n".to_owned()),
            (
                "app",
                "/bin/busybox nc -ll -p 1236 -e /source &\n/bin/busybox nc -ll -p 1237 -e /sink &\nexec /usr/sbin/nginx\n".to_owned(),
            ),
        ] {
            let path = extra.join(name);
            fs::write(&path, format!("#!/bin/busybox sh\n{script}"))?;
            run(Command::new("chmod").arg("755").arg(path))?;
        }
        let peer = self.path("peer");
        run(Command::new("bash")
            .arg(recipe.join("mkinitramfs.sh"))
            .arg(&peer)
            .env("EXTRA_DIR", &extra))?;
        let mut arguments = words("-device virtio-net-pci,netdev=n,romfile= -append");
        arguments.push("console=ttyS0 quiet".into());
        arguments.extend([OsString::from("-kernel"), peer.join("vmlinuz").into()]);
        arguments.extend([OsString::from("-initrd"), peer.join("initramfs.gz").into()]);
        Ok(System {
            name: "nginx in Linux",
            arguments,
        })
    }

    /// Makes an image of a program; `www` says whether it serves the files.
    pub fn unikernel(&self, name: &'static str, program: &Path, arguments: &[&str], www: bool) -> Result<System> {
        let wasm = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        let mut builder = wasmetal::UnikernelBuilder::new().argument(name);
        for argument in arguments {
            builder = builder.argument(*argument);
        }
        if www {
            let mut tree = wasmetal::TreeBuilder::new();
            wasmetal::bake_folder(&mut tree, &self.path("www"), b"/www")?;
            builder = builder.baked_tree(tree);
        }
        let image = self.path(&format!("{name}.elf"));
        fs::write(&image, builder.build(&wasm)?.image)?;
        let mut arguments = words(
            "-machine microvm,acpi=off,x-option-roms=off,auto-kernel-cmdline=on,rtc=on -device virtio-net-device,netdev=n \
             -append ip=10.0.0.2/24 -kernel",
        );
        arguments.push(image.into());
        Ok(System { name, arguments })
    }

    /// Compiles the plugin that counts instructions.
    pub fn counter(&self) -> Result<Counter> {
        let plugin = self.path("count.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/http/count.c");
        run(Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&plugin)
            .arg(source))?;
        let file = self.path("count");
        fs::write(&file, [0; 8])?;
        Ok(Counter { plugin, file })
    }
}

/// Counts a guest's instructions.
pub struct Counter {
    plugin: PathBuf,
    file: PathBuf,
}

impl Counter {
    /// Returns the number so far.
    pub fn read(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        File::open(&self.file)?.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A VM that runs. It is stopped when the value is dropped, before its namespace goes.
pub struct Guest {
    process: Child,
    /// The network that it is attached to.
    pub namespace: Namespace,
    /// From QEMU's start to the last byte of the first answer; for guests that do not serve HTTP, to the first connection.
    pub first_response: Duration,
}

impl Guest {
    /// Boots a system and waits until it does what `first` asks, the arguments of a [`Client`](crate::client::Client).
    pub fn start(system: &System, first: &[&str], counter: Option<&Counter>) -> Result<Guest> {
        let namespace = Namespace::new()?;
        let mut command = namespace.command("qemu-system-x86_64");
        command.args(words(
            "-nodefaults -no-user-config -no-reboot -display none -accel tcg -cpu max -m 256 -serial null",
        ));
        command
            .arg("-netdev")
            .arg(format!("tap,id=n,ifname={TAP},script=no,downscript=no"));
        if let Some(Counter { plugin, file }) = counter {
            let (plugin, file) = (plugin.display(), file.display());
            command.arg("-plugin").arg(format!("{plugin},count={file}"));
        }
        command
            .args(&system.arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let began = Instant::now();
        let process = command.spawn().context("cannot start QEMU")?;
        let mut guest = Guest {
            process,
            namespace,
            first_response: Duration::ZERO,
        };
        let status = guest.client(first)?.stdout(Stdio::null()).status()?;
        ensure!(status.success(), "{} does not come up", system.name);
        guest.first_response = began.elapsed();
        Ok(guest)
    }

    /// Returns a command that runs this program as a client of the guest.
    pub fn client(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.namespace.command(std::env::current_exe()?);
        command.args(arguments);
        Ok(command)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Either fails only if the process is gone, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}
