//! Virtio devices: finding them, and the drivers that are not in the crate `virtio-drivers`.
//!
//! The buses are searched once, when the first device is asked for. A driver asks for its kind of device ([`take`]) and owns
//! what it gets. Reference: VirtIO 1.2.

pub mod block;
pub mod console;
mod hal;
mod interrupt;
mod mmio_bus;
pub mod net;
pub mod ninep;
mod packet_queue;
mod pci_bus;
mod transmit_queue;

pub use hal::KernelHal;
pub use interrupt::{enable_new, halt};
pub use virtio_drivers::transport::DeviceType;

use crate::arch::SingleCore;
use crate::command_line::MmioDevice;
use alloc::vec::Vec;
use interrupt::Acknowledge;
use virtio_drivers::PAGE_SIZE;
use virtio_drivers::transport::pci::bus::DeviceFunction;
use virtio_drivers::transport::{DeviceStatus, SomeTransport, Transport};

/// A device that a driver may take.
pub struct Device {
    /// The way to its registers.
    pub transport: SomeTransport<'static>,
    /// Whether its interrupts end halts; otherwise it must be polled.
    pub has_interrupt: bool,
}

impl Device {
    fn new(transport: SomeTransport<'static>, interrupt: Option<(u32, Acknowledge)>) -> Self {
        if let Some((global_interrupt, acknowledge)) = interrupt {
            interrupt::register(global_interrupt, acknowledge);
        }
        Device {
            transport,
            has_interrupt: interrupt.is_some(),
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Pci(DeviceFunction),
    Mmio(MmioDevice),
}

struct Found {
    kind: DeviceType,
    place: Place,
}

struct Registry {
    mmio_devices: Vec<MmioDevice>,
    found: Option<Vec<Found>>,
}

static REGISTRY: SingleCore<Registry> = SingleCore::new(Registry {
    mmio_devices: Vec::new(),
    found: None,
});

/// Tells of devices that only the command line names.
pub fn announce_mmio_devices(devices: Vec<MmioDevice>) {
    REGISTRY.borrow_mut().mmio_devices = devices;
}

/// Takes the first device of a kind that nobody has taken, if the machine has one.
pub fn take(kind: DeviceType) -> Option<Device> {
    let place = {
        let mut registry = REGISTRY.borrow_mut();
        let Registry { mmio_devices, found } = &mut *registry;
        let found = found.get_or_insert_with(|| search(mmio_devices));
        let index = found.iter().position(|device| device.kind == kind)?;
        found.remove(index).place
    };
    match place {
        Place::Pci(function) => pci_bus::open(function),
        Place::Mmio(place) => mmio_bus::open(place),
    }
}

/// Begins to initialize a device: of the features that it offers, agrees to those in `wanted` and returns them. The driver then
/// sets up its queues and calls [`Transport::finish_init`].
pub fn negotiate(transport: &mut SomeTransport<'static>, wanted: u64) -> u64 {
    transport.set_status(DeviceStatus::empty());
    transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
    let features = transport.read_device_features() & wanted;
    transport.write_driver_features(features);
    transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
    transport.set_guest_page_size(PAGE_SIZE as u32);
    features
}

fn search(mmio_devices: &[MmioDevice]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add_mmio = |place| {
        if let Some(kind) = mmio_bus::kind_of(place) {
            found.push(Found {
                kind,
                place: Place::Mmio(place),
            });
        }
    };
    let has_pci = pci_bus::is_present();
    if mmio_devices.is_empty() && !has_pci {
        mmio_bus::microvm_devices().for_each(&mut add_mmio);
    }
    mmio_devices.iter().copied().for_each(&mut add_mmio);
    if has_pci {
        pci_bus::for_each_device(|function, kind| {
            found.push(Found {
                kind,
                place: Place::Pci(function),
            })
        });
    }
    found
}
