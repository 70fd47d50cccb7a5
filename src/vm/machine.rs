//! The types of machine that QEMU emulates for a guest, and what their devices are called.

/// The machine type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Machine {
    /// No PCI, no ACPI tables, VirtIO over MMIO. Starts fastest, and is therefore the default.
    #[default]
    Microvm,
    /// A PC of 2009 with PCI Express.
    Q35,
    /// A PC of 1996 with PCI.
    Pc,
}

impl Machine {
    /// Returns the value of `-machine`.
    pub(super) fn description(self) -> &'static str {
        match self {
            Machine::Microvm => "microvm,acpi=off,x-option-roms=off,auto-kernel-cmdline=on,rtc=on",
            Machine::Q35 => "q35,usb=off,vmport=off,smbus=off,sata=off",
            Machine::Pc => "pc,usb=off,vmport=off,smbus=off",
        }
    }

    /// Returns the name of the VirtIO device of that kind: `net`, `blk`, `9p`, `serial`.
    pub(super) fn virtio_device(self, kind: &str) -> String {
        match self {
            Machine::Microvm => format!("virtio-{kind}-device"),
            Machine::Q35 | Machine::Pc => format!("virtio-{kind}-pci-non-transitional"),
        }
    }
}
