//! How a trap is told from a bug of the kernel, and its report.
//!
//! ```text
//! error: wasm trap: integer divide by zero
//! wasm backtrace:
//!     0: 0x4d - divide (function 3)
//!     1: 0x61 - _start (function 4)
//! ```
//!
//! Offsets count from the start of the module's file. The report is written to standard error and ends the program with the
//! status of an abort.

use super::backtrace::Backtrace;
use super::{linear_memory, module};
use crate::arch::SingleCore;
use crate::drivers::console::ErrorOutput;
use crate::exit::{self, ExitStatus};
use crate::memory::Stack;
use abi::trap_code::TrapCode;
use core::fmt::{self, Write};

/// How many frames are printed.
const FRAME_LIMIT: usize = 100;

/// Where the program runs.
static PROGRAM_STACK: SingleCore<Option<Stack>> = SingleCore::new(None);

/// What the CPU says about an exception.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Address of the instruction.
    pub instruction: u64,
    /// `rbp`.
    pub frame_pointer: u64,
    /// `rsp`.
    pub stack_pointer: u64,
    /// The address whose access faulted, for a page fault.
    pub accessed: Option<u64>,
}

/// Notes the stack that the program runs on.
pub(super) fn set_program_stack(stack: Stack) {
    *PROGRAM_STACK.borrow_mut() = Some(stack);
}

/// Reports the trap and ends the program, if the fault is one; returns if it is the kernel's own.
pub fn report_if_trap(fault: &Fault) {
    let Some(stack) = PROGRAM_STACK.try_borrow_mut().and_then(|stack| *stack) else {
        return;
    };
    let is_stack_end = fault
        .accessed
        .is_some_and(|address| (stack.guard_start..stack.start).contains(&address));
    let code = if is_stack_end {
        Some(TrapCode::StackOverflow)
    } else {
        trap_code_at(fault.instruction).or_else(|| undefined_import_at(fault, stack))
    };
    if let Some(code) = code {
        // A failed write has nowhere to be reported.
        let _ = write_report(&mut ErrorOutput, code, fault, stack);
        exit::exit(ExitStatus::TRAP);
    }
}

fn trap_code_at(instruction: u64) -> Option<TrapCode> {
    let offset = module::code_offset(instruction)?;
    module::trap_table().find_function(offset)?.find_site(offset)?.trap
}

fn write_report(output: &mut impl Write, code: TrapCode, fault: &Fault, stack: Stack) -> fmt::Result {
    writeln!(output, "error: wasm trap: {}", code.message())?;
    if code == TrapCode::MemoryOutOfBounds
        && let Some((length_bytes, offset)) = fault.accessed.and_then(linear_memory::find_window)
    {
        writeln!(
            output,
            "memory fault at address {offset:#x} in linear memory of size {length_bytes:#x}"
        )?;
    }
    writeln!(output, "wasm backtrace:")?;
    let mut frame_count = 0;
    for address in core::iter::once(fault.instruction).chain(Backtrace::new(stack, fault)) {
        let Some(offset) = module::code_offset(address) else {
            continue;
        };
        if frame_count < FRAME_LIMIT {
            write_frame(output, frame_count, offset)?;
        }
        frame_count += 1;
    }
    if frame_count > FRAME_LIMIT {
        writeln!(output, "    ... {} more", frame_count - FRAME_LIMIT)?;
    }
    Ok(())
}

fn write_frame(output: &mut impl Write, number: usize, code_offset: u32) -> fmt::Result {
    let Some(function) = module::trap_table().find_function(code_offset) else {
        return writeln!(output, "{number:>5}: <outside any function>");
    };
    let wasm_offset = function
        .find_site(code_offset)
        .map_or(function.wasm_offset, |site| site.wasm_offset);
    let name = if function.name.is_empty() {
        "<unnamed>"
    } else {
        function.name
    };
    writeln!(
        output,
        "{number:>5}: {wasm_offset:#x} - {name} (function {})",
        function.function_index
    )
}

/// Recognizes the function that stands in for an import which nothing defines: the linker makes it of one trapping instruction
/// outside the program's code, so the return address of the program's call lies on top of the stack.
fn undefined_import_at(fault: &Fault, stack: Stack) -> Option<TrapCode> {
    let is_access = fault.accessed.is_some();
    (!is_access && Backtrace::new(stack, fault).is_at_call()).then_some(TrapCode::UndefinedImport)
}
