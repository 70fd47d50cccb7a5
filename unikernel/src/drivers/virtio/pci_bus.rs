//! Virtio devices on PCI bus 0, found and set up through the configuration ports.
//!
//! Limits: bus 0 only, which is where every VM puts its paravirtual devices by default; interrupts by INTx, whose I/O APIC input
//! the firmware leaves in the interrupt line register. Reference: PCI Local Bus 3.0, 3.2.2.3.2 and 6.1; VirtIO 1.2, 4.1.

use super::hal::KernelHal;
use super::interrupt::Acknowledge;
use super::{Device, DeviceType};
use crate::arch::port_io::Port;
use crate::memory::{self, PhysAddr};
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_VENDOR_ID, virtio_device_type};

const CAPABILITY_VENDOR: u8 = 9;
const INTERRUPT_LINE: u8 = 0x3c;
/// Inputs that an interrupt line register may name; 0 and 255 mean none.
const PLAUSIBLE_INPUTS: core::ops::Range<u32> = 1..24;
const ENABLE: u32 = 1 << 31;

/// Configuration space behind the address and data ports.
struct ConfigurationPorts;

impl ConfigurationAccess for ConfigurationPorts {
    fn read_word(&self, function: DeviceFunction, register: u8) -> u32 {
        select(function, register);
        Port::PCI_DATA.read_u32()
    }

    fn write_word(&mut self, function: DeviceFunction, register: u8, data: u32) {
        select(function, register);
        Port::PCI_DATA.write_u32(data);
    }

    // SAFETY: the ports have no state that two values could disagree about.
    unsafe fn unsafe_clone(&self) -> Self {
        ConfigurationPorts
    }
}

fn select(function: DeviceFunction, register: u8) {
    let DeviceFunction { bus, device, function } = function;
    let address = u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8 | u32::from(register);
    Port::PCI_ADDRESS.write_u32(ENABLE | address);
}

/// Tells whether the machine has the configuration ports.
pub(super) fn is_present() -> bool {
    Port::PCI_ADDRESS.write_u32(ENABLE);
    Port::PCI_ADDRESS.read_u32() == ENABLE
}

/// Calls `visit` with each virtio device on the bus.
pub(super) fn for_each_device(mut visit: impl FnMut(DeviceFunction, DeviceType)) {
    let root = PciRoot::new(ConfigurationPorts);
    for (function, info) in root.enumerate_bus(0) {
        if info.vendor_id == VIRTIO_VENDOR_ID
            && let Some(kind) = virtio_device_type(&info)
        {
            visit(function, kind);
        }
    }
}

/// Sets a device up; `None` if its configuration makes no sense.
pub(super) fn open(function: DeviceFunction) -> Option<Device> {
    let mut root = PciRoot::new(ConfigurationPorts);
    root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);
    let transport = PciTransport::new::<KernelHal, _>(&mut root, function).ok()?;
    let interrupt = ConfigurationPorts.read_word(function, INTERRUPT_LINE) & 0xff;
    let acknowledge = interrupt_status(&mut root, function);
    Some(Device::new(
        SomeTransport::Pci(transport),
        PLAUSIBLE_INPUTS
            .contains(&interrupt)
            .then_some(interrupt)
            .zip(acknowledge),
    ))
}

/// Finds the register whose reading lowers the device's interrupt line.
fn interrupt_status(root: &mut PciRoot<ConfigurationPorts>, function: DeviceFunction) -> Option<Acknowledge> {
    let capability = root.capabilities(function).find(|capability| {
        let kind = (capability.private_header >> 8) as u8;
        capability.id == CAPABILITY_VENDOR && kind == VIRTIO_PCI_CAP_ISR_CFG
    })?;
    let bar = ConfigurationPorts.read_word(function, capability.offset + 4) as u8;
    let offset = ConfigurationPorts.read_word(function, capability.offset + 8);
    let (bar_address, _) = root.bar_info(function, bar).ok()??.memory_address_size()?;
    let register = memory::map_device(PhysAddr::new(bar_address + u64::from(offset)), 1)?;
    Some(Acknowledge::Pci(register))
}
