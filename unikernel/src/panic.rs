//! Kernel panics: a bug of the kernel, reported on standard error; the machine ends with its own exit status.

use crate::drivers::console::ErrorOutput;
use crate::exit::{self, ExitStatus};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report(format_args!("{info}"))
}

#[cfg_attr(test, expect(dead_code, reason = "tests have the panic handler of std"))]
fn report(message: core::fmt::Arguments<'_>) -> ! {
    if PANICKING.swap(true, Ordering::Relaxed) {
        abort_report();
    }
    // A failed write has nowhere to be reported.
    let _ = writeln!(ErrorOutput, "wasmetal: kernel panic: {message}");
    exit::exit(ExitStatus::PANIC)
}

/// Gives up: reporting one failure has led to another. Touches nothing that could fail again.
pub fn abort_report() -> ! {
    crate::drivers::serial_port::write_raw(b"wasmetal: a failure while another was being reported\n");
    exit::exit_at_once(ExitStatus::PANIC)
}

/// Stands for the unwinder, which the precompiled standard libraries refer to. Kernel panics do not unwind, so nothing calls it.
#[cfg(not(test))]
#[allow(unsafe_code, reason = "the libraries refer to the unwinder by this name")]
#[unsafe(export_name = "_Unwind_Resume")]
extern "C" fn resume_unwinding() -> ! {
    report(format_args!("something tried to unwind"))
}
