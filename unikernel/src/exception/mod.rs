//! Exceptions, as both the kernel and `host` have them: [the heap](Exceptions) they live in, and the stack walk of a throw.
//!
//! Compiled code keeps frame pointers: at the frame pointer lies the caller's, above it the return address. From the call of
//! `wasmetal.throw` outwards, each return address is looked up in the [handler table](abi::handler_table) of its module; the
//! first handler that takes the tag is where to continue. A return address of no module ends the walk: there, code of the
//! surroundings called into the program, and the exception is not caught.
//!
//! A runtime defines the entry with [`throw_entry!`](crate::throw_entry), naming a function that calls [`find_landing`].
//! Limits: x86-64.

mod heap;

pub use heap::Exceptions;

use abi::handler_table::HandlerTable;

/// Where and how an exception continues. `throw_entry!` knows this layout.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// Address of the landing.
    pub instruction: u64,
    /// Stack pointer there.
    pub stack_pointer: u64,
    /// Frame pointer there.
    pub frame_pointer: u64,
}

/// Finds where an exception with that tag continues that is thrown by the call returning to `return_address`.
///
/// `module_of` returns the start of the code and the handler table of the module that an address lies in.
///
/// # Safety
/// `frame_pointer` is that of the frame which contains the call, and all frames up to the first whose code `module_of` does not
/// know are whole.
pub unsafe fn find_landing<'a>(
    mut frame_pointer: u64,
    mut return_address: u64,
    tag: u64,
    module_of: impl Fn(u64) -> Option<(u64, HandlerTable<'a>)>,
) -> Option<Resumption> {
    loop {
        let (text_start, table) = module_of(return_address)?;
        let return_offset = u32::try_from(return_address.checked_sub(text_start)?).ok()?;
        if let Some(landing) = table.find(return_offset, tag) {
            return Some(Resumption {
                instruction: text_start + u64::from(landing.code_offset),
                stack_pointer: frame_pointer - u64::from(landing.frame_len_bytes),
                frame_pointer,
            });
        }
        let frame = frame_pointer as *const u64;
        // SAFETY: the caller promises whole frames: two aligned words at the frame pointer.
        (frame_pointer, return_address) = unsafe { (frame.read(), frame.add(1).read()) };
    }
}

/// Defines `wasmetal.throw`, which continues where `$find` says.
///
/// `$find` is an `extern "C" fn(exception: u64, frame_pointer: u64, return_address: u64, out: *mut Resumption) -> bool`.
#[macro_export]
macro_rules! throw_entry {
    ($find:path) => {
        core::arch::global_asm!(
            ".pushsection .text.wasmetal.throw, \"ax\", @progbits",
            ".globl \"wasmetal.throw\"",
            "\"wasmetal.throw\":",
            // The caller's frame, and where the call returns to.
            "mov rsi, rbp",
            "mov rdx, [rsp]",
            // Room for a `Resumption` and the exception; the stack is aligned for the call.
            "sub rsp, 40",
            "mov rcx, rsp",
            "mov [rsp + 24], rdi",
            "call {find}",
            "test al, al",
            "jz 2f",
            "mov rax, [rsp + 24]",
            "mov rcx, [rsp]",
            "mov rbp, [rsp + 16]",
            "mov rsp, [rsp + 8]",
            "jmp rcx",
            "2:",
            "add rsp, 40",
            "ret",
            ".popsection",
            find = sym $find,
        );
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::handler_table::encode_sites;

    #[test]
    fn the_walk_stops_at_the_innermost_handler_and_at_foreign_code() {
        let mut bytes = encode_sites(&[[0x20, 64, 0, 1]], 1);
        bytes.extend_from_slice(&5u64.to_le_bytes());
        bytes.extend_from_slice(&[0x30, 0, 0, 0, 0, 0, 0, 0]);
        let module_of = |address| {
            (0x1000..0x2000)
                .contains(&address)
                .then(|| (0x1000, HandlerTable::new(&bytes)))
        };
        // The outer frame's caller is foreign; the inner frame returns into the outer one at 0x1020.
        let outer = [0u64, 0x9000];
        let inner = [outer.as_ptr() as u64, 0x1020];
        let walk = |tag| {
            // SAFETY: two frames as described, the outer one returning to foreign code.
            unsafe { find_landing(inner.as_ptr() as u64, 0x1010, tag, module_of) }
        };
        let resumption = walk(5).unwrap();
        assert_eq!(resumption.instruction, 0x1030);
        assert_eq!(resumption.frame_pointer, outer.as_ptr() as u64);
        assert_eq!(resumption.stack_pointer, outer.as_ptr() as u64 - 64);
        assert_eq!(walk(6), None);
    }
}
