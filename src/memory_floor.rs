//! The least RAM in which an image starts, and who takes it.
//!
//! What the kernel takes is measured, not added up: tests start programs in a machine of exactly the stated size
//! (`tests/memory_floor.rs`). A program that opens files or sockets, or grows its memory, needs more than this later.

use crate::error::{Error, ErrorKind};
use abi::configuration;
use abi::memory_map::KERNEL_RESERVE_LEN_BYTES;

/// What the kernel takes of any machine before the program starts: the first MiB, which belongs to firmware and loader, and page
/// tables, stacks for interrupts, buffers of devices and its heap.
const KERNEL_BYTES: u64 = 3 << 19;

/// Page tables take a 512th of what they map in pages of 4 KiB.
const PAGE_TABLE_SHARE: u64 = 512;

/// Machines have RAM in whole MiB.
const MIB: u64 = 1 << 20;

/// The least RAM in which an image starts, in bytes, by who takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryFloor {
    /// The loaded image: code, data and what is baked in.
    pub image_bytes: u64,
    /// The program's stack.
    pub stack_bytes: u64,
    /// The minimum sizes of all linear memories.
    pub linear_memory_bytes: u64,
    /// The kernel, besides its code and data in the image.
    pub kernel_bytes: u64,
}

impl MemoryFloor {
    pub(crate) fn new(image_bytes: u64, stack_bytes: Option<u64>, linear_memory_bytes: u64) -> Self {
        let stack_bytes = stack_bytes.unwrap_or(configuration::DEFAULT_STACK_SIZE_BYTES);
        let mapped_bytes = stack_bytes.saturating_add(linear_memory_bytes);
        // A sixteenth of the sum of both.
        let reserve_bytes = KERNEL_RESERVE_LEN_BYTES.min(linear_memory_bytes / 15);
        MemoryFloor {
            image_bytes,
            stack_bytes,
            linear_memory_bytes,
            kernel_bytes: KERNEL_BYTES + mapped_bytes / PAGE_TABLE_SHARE + reserve_bytes,
        }
    }

    /// Tells whether a machine is large enough.
    ///
    /// # Errors
    /// [`ErrorKind::MemoryTooSmall`] if it is not.
    pub fn check(&self, memory_bytes: u64) -> Result<(), Error> {
        let needed_bytes = self.machine_bytes();
        if memory_bytes >= needed_bytes {
            return Ok(());
        }
        Err(ErrorKind::MemoryTooSmall {
            needed_bytes,
            memory_bytes,
        }
        .into())
    }

    /// Returns the RAM that the machine must have, in bytes: whole MiB.
    pub fn machine_bytes(&self) -> u64 {
        let parts = [
            self.image_bytes,
            self.stack_bytes,
            self.linear_memory_bytes,
            self.kernel_bytes,
        ];
        let sum = parts.into_iter().fold(0, u64::saturating_add);
        sum.div_ceil(MIB).saturating_mul(MIB)
    }
}
