//! A memory map under construction.

use abi::boot_info::{MAX_MEMORY_REGIONS, MemoryRegion};

/// Usable RAM as a loader lists it, up to [`MAX_MEMORY_REGIONS`] regions; further ones are dropped.
pub(crate) struct MemoryRegions {
    regions: [MemoryRegion; MAX_MEMORY_REGIONS],
    count: usize,
}

impl MemoryRegions {
    pub(crate) const fn new() -> Self {
        MemoryRegions {
            regions: [MemoryRegion { start: 0, end: 0 }; MAX_MEMORY_REGIONS],
            count: 0,
        }
    }

    /// Adds `len_bytes` from `start`. An empty region, or one that wraps around, says nothing.
    pub(crate) fn push(&mut self, start: u64, len_bytes: u64) {
        let Some(end) = start.checked_add(len_bytes).filter(|&end| end > start) else {
            return;
        };
        if let Some(slot) = self.regions.get_mut(self.count) {
            *slot = MemoryRegion { start, end };
            self.count += 1;
        }
    }

    /// Returns the regions and how many are set.
    pub(crate) fn into_parts(self) -> ([MemoryRegion; MAX_MEMORY_REGIONS], usize) {
        (self.regions, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_and_surplus_regions_are_dropped() {
        let mut regions = MemoryRegions::new();
        regions.push(0x1000, 0);
        regions.push(u64::MAX - 1, 16);
        for index in 0..100 {
            regions.push(index * 0x2000, 0x1000);
        }
        let (regions, count) = regions.into_parts();
        assert_eq!(count, MAX_MEMORY_REGIONS);
        assert_eq!(
            regions[1],
            MemoryRegion {
                start: 0x2000,
                end: 0x3000
            }
        );
    }
}
