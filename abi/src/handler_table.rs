//! The handler table: where a thrown exception continues.
//!
//! The compiler writes one entry for each call inside a `try_table` (or an older `try`); the runtime, asked to throw, walks the
//! frame pointers and looks each return address up. Code that does not throw never touches it.
//!
//! ```text
//! u32 site count, u32 handler count
//! sites, sorted by return offset: { u32 return offset, u32 frame bytes, u32 first handler, u32 number of handlers }
//! handlers, innermost first:      { u64 address of the tag, or 0 for any; u32 landing offset, u32 reserved }
//! ```
//!
//! Offsets are relative to [`ModuleDescriptor::text_start`](crate::instance::ModuleDescriptor::text_start). To land, the runtime
//! sets the frame pointer to the frame's, the stack pointer to `frame bytes` below it and the first register of exception
//! payloads (`rax` on x86-64, `x0` on aarch64) to the exception's address, and jumps to the landing offset: code there expects
//! no other register to hold anything.
//!
//! An exception is a cell of [`ExceptionHeader`] and one 16-byte value for each parameter of the tag's type.

use alloc::vec::Vec;

/// What an exception begins with. Its values follow, 16 bytes each.
#[repr(C)]
#[derive(Debug)]
pub struct ExceptionHeader {
    /// Address of the tag, which is its identity.
    pub tag: u64,
    /// Not 0 once the program holds a reference to the exception, which then must outlive its being caught.
    pub is_referenced: u32,
    /// Number of values that follow.
    pub value_count: u32,
}

impl ExceptionHeader {
    /// Offset of `tag`.
    pub const TAG: i32 = 0;
    /// Offset of `is_referenced`.
    pub const IS_REFERENCED: i32 = 8;
    /// Size in bytes.
    pub const SIZE: usize = 16;
    /// Bytes from one value to the next.
    pub const VALUE_STRIDE: usize = 16;
}

/// Length of the table's head in bytes.
pub const HEADER_LEN_BYTES: usize = 8;
/// Length of a site in bytes.
pub const SITE_LEN_BYTES: usize = 16;
/// Length of a handler in bytes.
pub const HANDLER_LEN_BYTES: usize = 16;

/// Where and how to land.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landing {
    /// Code offset from the start of the text.
    pub code_offset: u32,
    /// Distance from the frame pointer down to the stack pointer.
    pub frame_len_bytes: u32,
}

/// A view of a table.
#[derive(Clone, Copy, Debug)]
pub struct HandlerTable<'a> {
    bytes: &'a [u8],
}

impl<'a> HandlerTable<'a> {
    /// Wraps the bytes of a table. Damaged bytes have no handlers.
    pub fn new(bytes: &'a [u8]) -> HandlerTable<'a> {
        HandlerTable { bytes }
    }

    /// Finds the handler for an exception with that tag, thrown below the call that returns to `return_offset`.
    pub fn find(&self, return_offset: u32, tag: u64) -> Option<Landing> {
        let site_count = self.word(0)? as usize;
        let site = self.find_site(site_count, return_offset)?;
        let frame_len_bytes = self.word(site + 4)?;
        let first_handler = self.word(site + 8)? as usize;
        let handlers = site_count.checked_mul(SITE_LEN_BYTES)?.checked_add(HEADER_LEN_BYTES)?;
        for index in first_handler..first_handler.checked_add(self.word(site + 12)? as usize)? {
            let handler = index.checked_mul(HANDLER_LEN_BYTES)?.checked_add(handlers)?;
            let wanted = u64::from(self.word(handler)?) | u64::from(self.word(handler + 4)?) << 32;
            if wanted == 0 || wanted == tag {
                return Some(Landing {
                    code_offset: self.word(handler + 8)?,
                    frame_len_bytes,
                });
            }
        }
        None
    }

    /// Returns the byte offset of the site with that return offset.
    fn find_site(&self, site_count: usize, return_offset: u32) -> Option<usize> {
        let (mut low, mut high) = (0, site_count);
        while low < high {
            let middle = low + (high - low) / 2;
            let site = middle.checked_mul(SITE_LEN_BYTES)?.checked_add(HEADER_LEN_BYTES)?;
            let found = self.word(site)?;
            if found == return_offset {
                return Some(site);
            }
            if found < return_offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        None
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let word = self.bytes.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    }
}

/// Encodes sites (return offset, frame length, first handler, number of handlers), sorted by return offset, with their head.
/// The handlers are to follow.
pub fn encode_sites(sites: &[[u32; 4]], handler_count: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN_BYTES + sites.len() * SITE_LEN_BYTES);
    bytes.extend_from_slice(&(sites.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&handler_count.to_le_bytes());
    for word in sites.iter().flatten() {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Vec<u8> {
        let mut bytes = encode_sites(&[[10, 32, 0, 2], [20, 48, 1, 1]], 2);
        for (tag, landing) in [(7u64, 100u32), (0, 200)] {
            bytes.extend_from_slice(&tag.to_le_bytes());
            bytes.extend_from_slice(&landing.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes
    }

    #[test]
    fn the_first_handler_that_fits_is_taken() {
        let bytes = table();
        let table = HandlerTable::new(&bytes);
        let landing = |code_offset, frame_len_bytes| {
            Some(Landing {
                code_offset,
                frame_len_bytes,
            })
        };
        assert_eq!(table.find(10, 7), landing(100, 32));
        assert_eq!(table.find(10, 8), landing(200, 32));
        assert_eq!(table.find(20, 7), landing(200, 48));
        assert_eq!(table.find(15, 7), None);
    }

    proptest! {
        #[test]
        fn damaged_tables_do_not_panic(bytes: Vec<u8>, return_offset: u32, tag: u64) {
            let _ = HandlerTable::new(&bytes).find(return_offset, tag);
        }
    }
}
