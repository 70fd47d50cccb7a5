//! The command line of QEMU.
//!
//! A machine as small as the program needs: no firmware menu, no display, no default devices. Input, output, error and exit code
//! travel over one inherited socket each, so that they stay separate, need no name in any file system, and end when QEMU ends.
//! The image is an inherited file too, opened through `/proc/self/fd`, and so are the words for the kernel: they travel as a boot
//! module, for a PC's firmware stops at a command line of a few thousand bytes.
//!
//! Why a socket for each: QEMU closes a whole socket when one direction of it ends, so the end of standard input would cut off
//! the output if they shared one.
//!
//! Read first: [`VmSettings`], [`arguments`]. Limits: x86-64 guests; QEMU 6 or later.

use super::machine::Machine;
use super::mount::Mount;
use super::network::NetworkSettings;
use super::{disk, share};
use std::os::fd::RawFd;

/// The program to start.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Port of the debug console that carries the exit code; reads back 0xe9.
const EXIT_CODE_PORT: &str = "0x505";
/// Serial port at which the guest asks for the time: the second one, where kernels look for it.
const CLOCK_DEVICE: &str = "isa-serial,iobase=0x2f8,irq=3,chardev=clock";
/// What tells the kernel that its questions are answered there.
const CLOCK_WORD: &[u8] = b"clock=host";
/// Port of `isa-debug-exit`.
const DEBUG_EXIT_PORT: &str = "0x501";

/// What executes the guest's instructions, once chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The host's CPU.
    Kvm,
    /// QEMU's translator.
    Tcg,
}

/// The virtual machine to start.
#[derive(Clone, Debug)]
pub struct VmSettings {
    /// Machine type.
    pub machine: Machine,
    /// What executes instructions.
    pub engine: Engine,
    /// RAM in bytes; whole MiB.
    pub memory_bytes: u64,
    /// Words for the kernel, as `unikernel/src/command_line.rs` has them, not quoted.
    pub words: Vec<Vec<u8>>,
    /// The network card; `None`: the machine has none.
    pub network: Option<NetworkSettings>,
    /// Folders of the host that the program finds.
    pub shared_folders: Vec<Mount>,
    /// Disks that the program finds as directories.
    pub disks: Vec<Mount>,
}

/// Descriptor numbers that QEMU inherits.
#[derive(Clone, Copy, Debug)]
pub struct Descriptors {
    /// The image.
    pub image: RawFd,
    /// The text of the words for the kernel.
    pub words: RawFd,
    /// Standard input of the program.
    pub stdin: RawFd,
    /// Standard output.
    pub stdout: RawFd,
    /// Standard error.
    pub stderr: RawFd,
    /// What the kernel itself says, over the first serial port.
    pub console: RawFd,
    /// The exit code.
    pub exit_code: RawFd,
    /// Questions for the time, and their answers.
    pub clock: RawFd,
}

impl Descriptors {
    /// Returns all of them.
    pub fn all(&self) -> [RawFd; 8] {
        [
            self.image,
            self.words,
            self.stdin,
            self.stdout,
            self.stderr,
            self.console,
            self.exit_code,
            self.clock,
        ]
    }
}

/// Returns the words for the kernel as the text that it reads.
pub fn words_text(settings: &VmSettings) -> Vec<u8> {
    let mut text = CLOCK_WORD.to_vec();
    for word in &settings.words {
        text.extend_from_slice(b" \"");
        for &byte in word {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.push(b'"');
    }
    text
}

/// Returns QEMU's arguments.
pub fn arguments(settings: &VmSettings, descriptors: &Descriptors) -> Vec<String> {
    let (accelerator, cpu) = match settings.engine {
        Engine::Kvm => ("kvm", "host"),
        Engine::Tcg => ("tcg", "max"),
    };
    let mut list = ArgumentList::default();
    list.flag("-nodefaults").flag("-no-user-config").flag("-no-reboot");
    list.option("-display", "none");
    list.option("-machine", settings.machine.description());
    list.option("-accel", accelerator).option("-cpu", cpu);
    list.option("-m", format!("{}M", settings.memory_bytes >> 20));
    list.option("-kernel", format!("/proc/self/fd/{}", descriptors.image));
    list.option("-initrd", format!("/proc/self/fd/{}", descriptors.words));
    list.socket("console", descriptors.console)
        .option("-serial", "chardev:console");
    list.option(
        "-device",
        format!("{},max_ports=4", settings.machine.virtio_device("serial")),
    );
    let ports = [
        ("stdin", descriptors.stdin),
        ("stdout", descriptors.stdout),
        ("stderr", descriptors.stderr),
    ];
    for (number, (name, descriptor)) in ports.into_iter().enumerate() {
        list.socket(name, descriptor);
        // Port 0 is reserved for a console.
        list.option(
            "-device",
            format!("virtserialport,nr={},chardev={name},name=wasmetal.{name}", number + 1),
        );
    }
    let network = settings.network.iter();
    let folders = settings.shared_folders.iter().enumerate();
    let disks = settings.disks.iter().enumerate();
    for (name, value) in network
        .flat_map(|network| network.devices(settings.machine))
        .chain(disks.flat_map(|(number, disk)| disk::devices(disk, number, settings.machine)))
        .chain(folders.flat_map(|(number, folder)| share::devices(folder, number, settings.machine)))
    {
        list.option(name, value);
    }
    list.socket("clock", descriptors.clock).option("-device", CLOCK_DEVICE);
    list.socket("exit", descriptors.exit_code);
    list.option(
        "-device",
        format!("isa-debugcon,iobase={EXIT_CODE_PORT},readback=0xe9,chardev=exit"),
    );
    list.option("-device", format!("isa-debug-exit,iobase={DEBUG_EXIT_PORT},iosize=4"));
    list.0
}

#[derive(Default)]
struct ArgumentList(Vec<String>);

impl ArgumentList {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.to_owned());
        self
    }

    fn option(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.extend([name.to_owned(), value.into()]);
        self
    }

    /// Adds a character device over an inherited, connected socket.
    fn socket(&mut self, id: &str, descriptor: RawFd) -> &mut Self {
        self.option("-chardev", format!("socket,id={id},fd={descriptor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_for(machine: Machine, engine: Engine) -> String {
        let descriptors = Descriptors {
            image: 3,
            words: 4,
            stdin: 5,
            stdout: 6,
            stderr: 7,
            console: 8,
            exit_code: 9,
            clock: 10,
        };
        let settings = VmSettings {
            machine,
            engine,
            memory_bytes: 64 << 20,
            words: Vec::new(),
            network: None,
            shared_folders: Vec::new(),
            disks: Vec::new(),
        };
        arguments(&settings, &descriptors).join(" ")
    }

    #[test]
    fn microvm_uses_mmio_devices_and_the_others_pci() {
        assert!(arguments_for(Machine::Microvm, Engine::Tcg).contains("-device virtio-serial-device,"));
        assert!(arguments_for(Machine::Q35, Engine::Tcg).contains("-device virtio-serial-pci-non-transitional,"));
    }

    #[test]
    fn the_cpu_model_follows_the_accelerator() {
        assert!(arguments_for(Machine::Pc, Engine::Kvm).contains("-accel kvm -cpu host -m 64M"));
        assert!(arguments_for(Machine::Pc, Engine::Tcg).contains("-accel tcg -cpu max -m 64M"));
    }
}
