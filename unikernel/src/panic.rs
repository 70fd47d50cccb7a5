//! Kernel panics: a bug of the kernel, reported on standard error; the machine ends with its own exit status.
//!
//! The report of a panic is its place in the source. The message there says no more to who has the source, and as nothing reads
//! messages, the compiler leaves their making, and with it the formatting of all types in them, out of the kernel: a tenth of a
//! small image.

use crate::drivers::console::ErrorOutput;
use crate::exit::{self, ExitStatus};
use core::fmt::Write;
use core::panic::Location;
use core::sync::atomic::{AtomicBool, Ordering};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report_place(info.location())
}

/// Reports where a panic was. Apart from the handler, so that the compiler puts that in place of its calls and sees what it ignores.
#[cfg_attr(test, expect(dead_code, reason = "tests have the panic handler of std"))]
#[inline(never)]
fn report_place(place: Option<&Location<'_>>) -> ! {
    match place {
        Some(place) => report(format_args!("{}:{}", place.file(), place.line())),
        None => report(format_args!("somewhere")),
    }
}

/// Reports a failure and ends.
pub fn report(message: core::fmt::Arguments<'_>) -> ! {
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
