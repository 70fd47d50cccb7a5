//! The assembly of the entry and the first Rust function.
//!
//! A module of its own, because it exists only where the machine does: a test program of this crate has no use for 32-bit code.

use crate::read_loader_info;
use abi::boot_info::BootInfo;
use abi::memory_map::IMAGE_BASE;
use core::arch::{asm, global_asm};

global_asm!(include_str!("long_mode.s"), IMAGE_BASE = const IMAGE_BASE, options(att_syntax));
global_asm!(include_str!("multiboot2/header.s"), IMAGE_BASE = const IMAGE_BASE, options(att_syntax));
global_asm!(include_str!("pvh/note.s"), IMAGE_BASE = const IMAGE_BASE, options(att_syntax));

#[expect(improper_ctypes, reason = "both sides are Rust, compiled in one build")]
unsafe extern "C" {
    #[link_name = "wasmetal.kernel_main"]
    fn kernel_main(boot_info: &'static BootInfo) -> !;
}

/// Turns what the loader passed into a [`BootInfo`] and enters the kernel. `long_mode.s` calls it once.
#[unsafe(export_name = "wasmetal.boot_main")]
extern "C" fn boot_main(magic: u32, info_address: u32, start_tsc: u64) -> ! {
    // SAFETY: `long_mode.s` hands on the loader's registers and has mapped the first GiB of memory; nothing has been written
    // outside the image, which the loader keeps apart from its structures.
    let Some(info) = (unsafe { read_loader_info(magic, info_address) }) else {
        halt();
    };
    let boot_info = info.into_boot_info(start_tsc);
    // SAFETY: 1. The kernel defines the symbol with this signature. 2. `boot_info` lives on the boot stack, whose frame is never
    // left: `kernel_main` does not return, and the kernel keeps the image's data mapped.
    unsafe { kernel_main(&*core::ptr::from_ref(&boot_info)) }
}

/// Stops: whoever loaded us speaks no protocol that we know, so there is nothing to run and nobody to tell.
fn halt() -> ! {
    loop {
        // SAFETY: halting with interrupts off touches nothing.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
