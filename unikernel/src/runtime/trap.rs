//! How a trap is told from a bug of the kernel. Its report ([`crate::trap_report`]) is written to standard error and ends the
//! program with the status of an abort.

use super::backtrace::Backtrace;
use super::{linear_memory, module};
use crate::arch::SingleCore;
use crate::drivers::console::ErrorOutput;
use crate::exit::{self, ExitStatus};
use crate::memory::Stack;
use crate::trap_report::{Frame, MemoryFault, write_trap_report};
use abi::trap_code::TrapCode;
use core::fmt::{self, Write};

/// Where the program runs.
static PROGRAM_STACK: SingleCore<Option<Stack>> = SingleCore::new(None);

/// What is due after a trap, before the machine ends.
static FAREWELL: SingleCore<Option<fn()>> = SingleCore::new(None);

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

/// Notes what to do once a trap is reported. It is done unless a call from the program to the kernel was under way.
pub fn set_farewell(farewell: fn()) {
    *FAREWELL.borrow_mut() = Some(farewell);
}

/// Returns the stack that the program runs on.
pub(super) fn program_stack() -> Option<Stack> {
    *PROGRAM_STACK.borrow_mut()
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
        // A call to the kernel that has used up the stack stopped half-way; all other traps are the program's own instructions.
        let is_in_call = is_stack_end && module::code_offset(fault.instruction).is_none();
        let farewell = *FAREWELL.borrow_mut();
        if let Some(farewell) = farewell.filter(|_| !is_in_call) {
            farewell();
        }
        exit::exit(ExitStatus::TRAP);
    }
}

fn trap_code_at(instruction: u64) -> Option<TrapCode> {
    let offset = module::code_offset(instruction)?;
    module::trap_table().find_function(offset)?.find_trap(offset)?.trap
}

fn write_report(output: &mut dyn Write, code: TrapCode, fault: &Fault, stack: Stack) -> fmt::Result {
    let memory_fault = fault.accessed.and_then(linear_memory::find_window);
    let memory_fault = memory_fault.map(|(length_bytes, offset)| MemoryFault { offset, length_bytes });
    let table = module::trap_table();
    write_trap_report(output, code, memory_fault, |take| {
        if let Some(offset) = module::code_offset(fault.instruction) {
            Frame::find(&table, offset, true, take);
        }
        for return_address in Backtrace::new(stack, fault) {
            if let Some(offset) = module::code_offset(return_address) {
                Frame::find(&table, offset, false, take);
            }
        }
    })
}

/// Recognizes the function that stands in for an import which nothing defines: the linker makes it of one trapping instruction
/// outside the program's code, so the return address of the program's call lies on top of the stack.
fn undefined_import_at(fault: &Fault, stack: Stack) -> Option<TrapCode> {
    let is_access = fault.accessed.is_some();
    (!is_access && Backtrace::new(stack, fault).is_at_call()).then_some(TrapCode::UndefinedImport)
}
