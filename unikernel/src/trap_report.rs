//! What a user reads when a program traps: the same words from the kernel and from a Linux process.
//!
//! ```text
//! error: wasm trap: out of bounds memory access
//! memory fault at address 0x20000 in linear memory of size 0x10000
//! wasm backtrace:
//!     0: 0x4d - load (function 3)
//!     1: 0x61 - _start (function 4)
//! ```
//!
//! Offsets count from the start of the module's file. Read first: [`write_trap_report`].

use abi::trap_code::TrapCode;
use abi::trap_table::{Function, NO_FUNCTION, TrapTable};
use core::fmt::{self, Write};

/// How many frames are printed.
pub const FRAME_LIMIT: usize = 100;

/// An access outside linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryFault {
    /// Offset of the access from the start of the memory.
    pub offset: u64,
    /// Length of the memory in bytes.
    pub length_bytes: u64,
}

/// A frame of a backtrace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Offset of the instruction, or where that is not known of the function's body, in the module's file.
    pub wasm_offset: u32,
    /// Name of the function; empty if the module gives none.
    pub name: &'a str,
    /// Index of the function in its module.
    pub function_index: u32,
}

impl<'a> Frame<'a> {
    /// Looks up a code offset from the start of a module's code: of the trapping instruction for the innermost frames, else of
    /// the instruction behind a call. Takes the frames, innermost first: there are several where calls were inlined, and none in
    /// code that the compiler made, for no function of the module.
    pub fn find(table: &TrapTable<'a>, code_offset: u32, is_innermost: bool, take: &mut dyn FnMut(Frame<'a>)) {
        let Some(function) = table.find_function(code_offset) else {
            return;
        };
        if function.function_index == NO_FUNCTION {
            return;
        }
        let trap = if is_innermost {
            function.find_trap(code_offset)
        } else {
            None
        };
        let mut take_in = |function: Option<Function<'a>>, wasm_offset| {
            if let Some(function) = function {
                take(Frame {
                    wasm_offset,
                    name: function.name,
                    function_index: function.function_index,
                });
            }
        };
        match trap.or_else(|| function.find_call(code_offset)) {
            None => take_in(Some(function), function.wasm_offset),
            Some(site) => {
                for wasm_offset in site.wasm_offsets() {
                    take_in(table.find_function_at(wasm_offset), wasm_offset);
                }
            }
        }
    }
}

/// Writes the report. `walk` is given what takes the frames, innermost first.
///
/// # Errors
/// Those of `output`.
pub fn write_trap_report<'a>(
    output: &mut dyn Write,
    code: TrapCode,
    fault: Option<MemoryFault>,
    walk: impl FnOnce(&mut dyn FnMut(Frame<'a>)),
) -> fmt::Result {
    writeln!(output, "error: wasm trap: {}", code.message())?;
    if let Some(MemoryFault { offset, length_bytes }) = fault.filter(|_| code == TrapCode::MemoryOutOfBounds) {
        writeln!(
            output,
            "memory fault at address {offset:#x} in linear memory of size {length_bytes:#x}"
        )?;
    }
    writeln!(output, "wasm backtrace:")?;
    let mut frame_count = 0;
    let mut result = Ok(());
    walk(&mut |frame| {
        if frame_count < FRAME_LIMIT && result.is_ok() {
            result = write_frame(output, frame_count, frame);
        }
        frame_count += 1;
    });
    result?;
    if frame_count > FRAME_LIMIT {
        writeln!(output, "    ... {} more", frame_count - FRAME_LIMIT)?;
    }
    Ok(())
}

fn write_frame(output: &mut dyn Write, number: usize, frame: Frame<'_>) -> fmt::Result {
    let Frame {
        wasm_offset,
        name,
        function_index,
    } = frame;
    let name = if name.is_empty() { "<unnamed>" } else { name };
    writeln!(
        output,
        "{number:>5}: {wasm_offset:#x} - {name} (function {function_index})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn report(code: TrapCode, frame_count: usize) -> String {
        let frame = Frame {
            wasm_offset: 0x4d,
            name: "",
            function_index: 3,
        };
        let fault = MemoryFault {
            offset: 0x20000,
            length_bytes: 0x10000,
        };
        let mut text = String::new();
        write_trap_report(&mut text, code, Some(fault), |take| {
            (0..frame_count).for_each(|_| take(frame))
        })
        .unwrap();
        text
    }

    #[test]
    fn the_faulting_address_is_named_for_memory_only() {
        assert_eq!(
            report(TrapCode::MemoryOutOfBounds, 1),
            "error: wasm trap: out of bounds memory access\n\
             memory fault at address 0x20000 in linear memory of size 0x10000\n\
             wasm backtrace:\n    0: 0x4d - <unnamed> (function 3)\n"
        );
        assert_eq!(report(TrapCode::Unreachable, 0).lines().count(), 2);
    }

    #[test]
    fn deep_backtraces_end_with_the_number_of_frames_left_out() {
        assert!(report(TrapCode::StackOverflow, FRAME_LIMIT + 5).ends_with("    ... 5 more\n"));
    }
}
