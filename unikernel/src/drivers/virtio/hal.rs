//! What the crate `virtio-drivers` needs from the kernel: memory that devices reach, and its guest-physical addresses.
//!
//! Devices see guest-physical memory as it is. A buffer in the direct map or the image has an address by arithmetic; any other
//! (a stack, linear memory) is looked up page by page, and goes through a bounce buffer if its frames are not contiguous.

use crate::memory::{self, PhysAddr};
use abi::memory_map::{DIRECT_MAP_BASE, IMAGE_BASE, PAGE_SIZE, WINDOW_ALIAS_BASE};
use core::ptr::{self, NonNull};
use virtio_drivers::{BufferDirection, Hal};

/// The kernel's side of the crate `virtio-drivers`.
#[derive(Debug)]
pub struct KernelHal;

// SAFETY: see each function.
unsafe impl Hal for KernelHal {
    /// Zeroed frames in the direct map: valid, page aligned, nobody else's. Address 0, which tells of failure, is never free.
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (u64, NonNull<u8>) {
        memory::allocate_zeroed_frames(pages).map_or((0, NonNull::dangling()), |(address, pointer)| {
            (address.as_u64(), pointer)
        })
    }

    unsafe fn dma_dealloc(address: u64, _pointer: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller promises that `dma_alloc` returned the address for as many pages, and frees it once.
        unsafe { memory::free_frames(PhysAddr::new(address), pages) };
        0
    }

    /// The registers in the direct map, mapped as device memory.
    unsafe fn mmio_phys_to_virt(address: u64, len_bytes: usize) -> NonNull<u8> {
        memory::map_device(PhysAddr::new(address), len_bytes as u64)
            .expect("a device's registers lie within the direct map, and page tables for them are few")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> u64 {
        if let Some(address) = contiguous_address(buffer) {
            return address.as_u64();
        }
        let frame_count = (buffer.len() as u64).div_ceil(PAGE_SIZE) as usize;
        let Some((address, bounce)) = memory::allocate_frames(frame_count) else {
            panic!("out of memory for a device's buffer");
        };
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: the caller promises a valid buffer; the frames were just taken and have room for it.
            unsafe { ptr::copy_nonoverlapping(buffer.cast::<u8>().as_ptr(), bounce.as_ptr(), buffer.len()) };
        }
        address.as_u64()
    }

    unsafe fn unshare(address: u64, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if contiguous_address(buffer).is_some() {
            return;
        }
        let bounce = PhysAddr::new(address);
        if direction != BufferDirection::DriverToDevice {
            // SAFETY: the caller promises a valid buffer; `share` has taken frames of its length at that address.
            unsafe {
                ptr::copy_nonoverlapping(
                    bounce.to_direct_map().as_ptr(),
                    buffer.cast::<u8>().as_ptr(),
                    buffer.len(),
                );
            };
        }
        // SAFETY: `share` has taken the frames with the same count, and the device is done with them.
        unsafe { memory::free_frames(bounce, (buffer.len() as u64).div_ceil(PAGE_SIZE) as usize) };
    }
}

/// Returns the guest-physical address of a buffer of the kernel heap, whose frames are contiguous.
#[inline(always)]
pub(super) fn device_address(buffer: &[u8]) -> Option<PhysAddr> {
    let start = buffer.as_ptr().addr() as u64;
    (DIRECT_MAP_BASE..WINDOW_ALIAS_BASE)
        .contains(&start)
        .then(|| PhysAddr::new(start - DIRECT_MAP_BASE))
}

/// Returns the guest-physical address of a buffer whose frames are contiguous.
fn contiguous_address(buffer: NonNull<[u8]>) -> Option<PhysAddr> {
    let start = buffer.cast::<u8>().addr().get() as u64;
    if start >= IMAGE_BASE {
        return Some(PhysAddr::new(start - IMAGE_BASE));
    }
    if (DIRECT_MAP_BASE..WINDOW_ALIAS_BASE).contains(&start) {
        return Some(PhysAddr::new(start - DIRECT_MAP_BASE));
    }
    let first = memory::physical_address(start)?;
    let mut page = start / PAGE_SIZE * PAGE_SIZE + PAGE_SIZE;
    while page < start + buffer.len() as u64 {
        if memory::physical_address(page)?.as_u64() != first.as_u64() + (page - start) {
            return None;
        }
        page += PAGE_SIZE;
    }
    Some(first)
}
