//! The kernel's own messages: to standard error, one line each, as many as the option `log` asks for.

use crate::command_line::LogLevel;
use crate::drivers::console::ErrorOutput;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Error as u8);

/// Sets which messages are written.
pub fn set_level(level: LogLevel) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Writes a message of that level. Use the macros.
pub fn write(level: LogLevel, message: fmt::Arguments<'_>) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        // A failed write has nowhere to be reported.
        let _ = writeln!(ErrorOutput, "wasmetal: {message}");
    }
}

/// Says that something failed.
macro_rules! error {
    ($($argument:tt)*) => {
        $crate::log::write($crate::command_line::LogLevel::Error, format_args!($($argument)*))
    };
}

/// Says what the kernel does.
macro_rules! debug {
    ($($argument:tt)*) => {
        $crate::log::write($crate::command_line::LogLevel::Debug, format_args!($($argument)*))
    };
}

pub(crate) use {debug, error};
