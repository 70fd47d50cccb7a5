//! Devices: the serial port, virtio over PCI and MMIO, the power switch, and the console made of the first two.
//!
//! Nothing is looked for before it is needed: a program that prints one line to the serial port pays for no bus.

pub mod console;
pub mod entropy;
pub mod mounts;
pub mod network;
pub mod power;
pub mod serial_port;
#[allow(unsafe_code, reason = "devices share memory with the kernel by address")]
pub mod virtio;
