//! What the boot code tells the kernel, whatever protocol booted it.

/// The most memory regions that are passed on; further ones are left unused.
pub const MAX_MEMORY_REGIONS: usize = 64;

/// Which protocol booted the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootProtocol {
    /// PVH (Xen's `hvm_start_info`), as QEMU's `-kernel`, Firecracker and Cloud Hypervisor use it.
    Pvh,
    /// Multiboot2, as GRUB uses it.
    Multiboot2,
}

/// A range of guest-physical memory that is usable RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRegion {
    /// First byte.
    pub start: u64,
    /// First byte after it.
    pub end: u64,
}

/// The boot information. It lives until the kernel ends.
#[derive(Debug)]
pub struct BootInfo {
    /// Who booted us.
    pub protocol: BootProtocol,
    /// Usable RAM, as the protocol reports it: the image itself and the first MiB are not taken out.
    pub memory_regions: [MemoryRegion; MAX_MEMORY_REGIONS],
    /// How many of `memory_regions` are set.
    pub memory_region_count: usize,
    /// The kernel command line, without its terminating zero. Not necessarily UTF-8.
    pub command_line: &'static [u8],
    /// The first file that the loader put into memory (QEMU's `-initrd`, GRUB's `module2`), or an empty region: further words of the
    /// command line, of any length.
    pub boot_module: MemoryRegion,
    /// Guest-physical address of the ACPI root pointer, or 0.
    pub rsdp_address: u64,
    /// End of guest-physical memory that the boot page tables map at [`DIRECT_MAP_BASE`](crate::memory_map::DIRECT_MAP_BASE).
    pub direct_map_end: u64,
    /// Time stamp counter at the first instruction.
    pub start_tsc: u64,
}

impl BootInfo {
    /// Returns the usable RAM.
    pub fn memory_regions(&self) -> &[MemoryRegion] {
        &self.memory_regions[..self.memory_region_count]
    }
}
