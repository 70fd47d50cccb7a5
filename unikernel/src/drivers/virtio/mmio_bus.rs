//! Memory-mapped virtio devices: those the command line tells of, or those in the window of QEMU's microvm.
//!
//! A microvm with ACPI names its devices only in AML code, but they always stand in the same place, so a machine without PCI and
//! without devices on the command line is searched there. Reference: VirtIO 1.2, 4.2; QEMU, `hw/i386/microvm.c`.

use super::interrupt::Acknowledge;
use super::{Device, DeviceType};
use crate::command_line::MmioDevice;
use crate::memory::{self, PhysAddr};
use core::ptr::NonNull;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{SomeTransport, Transport};

const MICROVM_ADDRESS: u64 = 0xfeb0_0000;
const MICROVM_DEVICE_LEN_BYTES: u64 = 512;
const MICROVM_DEVICE_COUNT: u32 = 24;
/// With ACPI a microvm has a second I/O APIC, whose inputs its devices take.
const MICROVM_FIRST_INTERRUPT: u32 = 24;

/// Returns the places where a microvm's devices can stand.
pub(super) fn microvm_devices() -> impl Iterator<Item = MmioDevice> {
    (0..MICROVM_DEVICE_COUNT).map(|index| MmioDevice {
        address: MICROVM_ADDRESS + u64::from(index) * MICROVM_DEVICE_LEN_BYTES,
        len_bytes: MICROVM_DEVICE_LEN_BYTES,
        interrupt: MICROVM_FIRST_INTERRUPT + index,
    })
}

/// Returns what kind of device stands in a place, if any does.
pub(super) fn kind_of(place: MmioDevice) -> Option<DeviceType> {
    open_transport(place).map(|(transport, _)| {
        let kind = transport.device_type();
        // Dropping the transport would reset a device that is in use, which this one is not; but it need not be done either.
        core::mem::forget(transport);
        kind
    })
}

/// Sets a device up; `None` if none is there.
pub(super) fn open(place: MmioDevice) -> Option<Device> {
    let (transport, registers) = open_transport(place)?;
    let interrupt = Some((place.interrupt, Acknowledge::Mmio(registers)));
    Some(Device::new(SomeTransport::Mmio(transport), interrupt))
}

fn open_transport(place: MmioDevice) -> Option<(MmioTransport<'static>, NonNull<u8>)> {
    let registers = memory::map_device(PhysAddr::new(place.address), place.len_bytes)?;
    if !registers.cast::<u32>().is_aligned() {
        return None;
    }
    // SAFETY: the machine says that registers of that length stand here, and `map_device` has mapped them for good. The header is
    // checked by its magic number before anything else.
    let transport = unsafe { MmioTransport::new(registers.cast(), place.len_bytes as usize) }.ok()?;
    Some((transport, registers))
}
