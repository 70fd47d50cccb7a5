//! Port input and output.
//!
//! The ports that the kernel uses are listed here and cannot be made elsewhere. None of the devices behind them reads or writes
//! memory because of a port access, so the functions are safe to call.

use core::arch::asm;

/// A port, or the first of a device's ports.
#[derive(Clone, Copy, Debug)]
pub struct Port(u16);

impl Port {
    /// Command port of the first 8259 interrupt controller.
    pub const PIC_1: Port = Port(0x20);
    /// Command port of the second 8259 interrupt controller.
    pub const PIC_2: Port = Port(0xa0);
    /// Counters and command of the 8254 interval timer.
    pub const INTERVAL_TIMER: Port = Port(0x40);
    /// Gate and output of the interval timer's channel 2.
    pub const TIMER_GATE: Port = Port(0x61);
    /// Command port of the keyboard controller.
    pub const KEYBOARD_COMMAND: Port = Port(0x64);
    /// Index and data of the real-time clock.
    pub const REAL_TIME_CLOCK: Port = Port(0x70);
    /// The first serial port.
    pub const SERIAL_1: Port = Port(0x3f8);
    /// The second serial port.
    pub const SERIAL_2: Port = Port(0x2f8);
    /// QEMU's `isa-debug-exit`, where Solo5, Mewz and urunc have it too.
    pub const DEBUG_EXIT: Port = Port(0x501);
    /// QEMU's `isa-debugcon`, which takes the exit status.
    pub const EXIT_STATUS: Port = Port(0x505);
    /// Power management control of QEMU's chipsets.
    pub const ACPI_CONTROL: Port = Port(0x604);
    /// Address of PCI configuration space.
    pub const PCI_ADDRESS: Port = Port(0xcf8);
    /// Reset control of the chipset.
    pub const RESET_CONTROL: Port = Port(0xcf9);
    /// Data of PCI configuration space.
    pub const PCI_DATA: Port = Port(0xcfc);

    /// Returns the device's port that is `index` after this one. No device listed has more than eight.
    pub const fn offset(self, index: u16) -> Port {
        assert!(index < 8);
        Port(self.0 + index)
    }
}

macro_rules! port_functions {
    ($width:ty, $read:ident, $write:ident, $register:tt, $name:literal) => {
        impl Port {
            /// Reads the port.
            pub fn $read(self) -> $width {
                let value: $width;
                // SAFETY: the port is one of those above; see the module's header.
                unsafe {
                    asm!(concat!("in ", $name, ", dx"), in("dx") self.0, out($register) value, options(nomem, nostack, preserves_flags));
                }
                value
            }

            /// Writes the port.
            pub fn $write(self, value: $width) {
                // SAFETY: the port is one of those above; see the module's header.
                unsafe {
                    asm!(concat!("out dx, ", $name), in("dx") self.0, in($register) value, options(nomem, nostack, preserves_flags));
                }
            }
        }
    };
}

port_functions!(u8, read_u8, write_u8, "al", "al");

impl Port {
    /// Writes the port.
    pub fn write_u16(self, value: u16) {
        // SAFETY: as above.
        unsafe { asm!("out dx, ax", in("dx") self.0, in("ax") value, options(nomem, nostack, preserves_flags)) };
    }
}
port_functions!(u32, read_u32, write_u32, "eax", "eax");
