//! What an exception of the CPU means: a trap of the Wasm program, or a bug of the kernel.
//!
//! ```text
//! exception ─▶ vectors.s ─▶ handle_exception ─┬─ in the program's code, at a trap site ─▶ runtime::trap
//!                                             ├─ in a guard region of its stack ────────▶ runtime::trap
//!                                             └─ anything else ─────────────────────────▶ kernel panic
//! ```
//!
//! Neither returns. Reference: Intel SDM volume 3, chapter 6.15.

use super::{cpu, single_core};
use crate::runtime::trap::{self, Fault};
use core::sync::atomic::{AtomicBool, Ordering};

const PAGE_FAULT: u64 = 14;
const DOUBLE_FAULT: u64 = 8;

/// The registers at an exception, as `vectors.s` and the CPU push them.
#[repr(C)]
pub struct ExceptionFrame {
    rax: u64,
    rbx: u64,
    rcx: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rbp: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Whether an exception is being reported: a second one means that the report itself fails.
static REPORTING: AtomicBool = AtomicBool::new(false);

#[unsafe(export_name = "wasmetal.handle_exception")]
extern "C" fn handle_exception(frame: &ExceptionFrame) -> ! {
    if REPORTING.swap(true, Ordering::Relaxed) {
        crate::panic::abort_report();
    }
    // SAFETY: this function never returns to what was interrupted.
    unsafe { single_core::abandon_borrows() };
    let fault_address = (frame.vector == PAGE_FAULT).then(cpu::fault_address);
    // A push at the stack's very end raises a page fault whose delivery works, since it has a stack of its own; a double fault
    // has no cause in the program.
    if frame.vector != DOUBLE_FAULT {
        trap::report_if_trap(&Fault {
            instruction: frame.rip,
            frame_pointer: frame.rbp,
            stack_pointer: frame.rsp,
            accessed: fault_address,
        });
    }
    crate::panic::report(format_args!(
        "exception {} (error code {:#x}) at {:#x}, address {:#x}, stack {:#x}, frame {:#x}",
        frame.vector,
        frame.error_code,
        frame.rip,
        fault_address.unwrap_or(0),
        frame.rsp,
        frame.rbp
    ))
}
