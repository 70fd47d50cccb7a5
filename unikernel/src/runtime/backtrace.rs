//! The Wasm functions on the stack of a program that has died.
//!
//! Compiled code keeps frame pointers, so its frames are a chain: at `rbp` the caller's `rbp`, above it the return address. The
//! kernel's own code keeps none; where it is on top, the stack is searched for the first return address that the trap table
//! lists as one of a call. Every read is checked to lie within the stack, and the chain must go upwards, so a damaged stack ends
//! the walk and harms nothing.

use super::module;
use super::trap::Fault;
use crate::memory::Stack;

const WORD: u64 = 8;

/// Iterates over return addresses, innermost first, after the faulting instruction itself.
pub(super) struct Backtrace {
    stack: Stack,
    frame_pointer: u64,
    /// Where to search for a return address, while the frame pointer is not one of compiled code.
    search_from: Option<u64>,
}

impl Backtrace {
    /// Begins at a fault on `stack`.
    pub(super) fn new(stack: Stack, fault: &Fault) -> Self {
        let in_program = module::code_offset(fault.instruction);
        let at_function_start = in_program.is_some_and(|offset| {
            module::trap_table()
                .find_function(offset)
                .is_some_and(|function| function.code_offset == offset)
        });
        // At a function's first instruction `rbp` is the caller's, and the return address lies on top of the stack.
        let is_search = in_program.is_none() || at_function_start;
        Backtrace {
            stack,
            frame_pointer: fault.frame_pointer,
            search_from: is_search.then_some(fault.stack_pointer),
        }
    }

    /// Tells whether the fault is at the first instruction of something outside the program that the program has called.
    pub(super) fn is_at_call(&self) -> bool {
        self.search_from
            .and_then(|stack_pointer| self.read(stack_pointer))
            .is_some_and(is_return_address)
    }

    fn read(&self, address: u64) -> Option<u64> {
        let is_inside = address >= self.stack.start && address.checked_add(WORD)? <= self.stack.top;
        if !is_inside || !address.is_multiple_of(WORD) {
            return None;
        }
        // SAFETY: the word lies within the mapped stack and is aligned; nothing writes it while the report is made.
        Some(unsafe { (address as *const u64).read_volatile() })
    }

    /// Searches upwards for the return address of a call in compiled code, and sets the frame pointer for the next step.
    fn search(&mut self, from: u64) -> Option<u64> {
        let mut address = from.max(self.stack.start).next_multiple_of(WORD);
        loop {
            let word = self.read(address)?;
            if is_return_address(word) {
                // A callee that keeps frame pointers has pushed the caller's just below; otherwise `rbp` is still the caller's.
                let pushed = self
                    .read(address - WORD)
                    .filter(|&pushed| self.is_frame(pushed, address));
                self.frame_pointer = pushed.unwrap_or(self.frame_pointer);
                if !self.is_frame(self.frame_pointer, address) {
                    self.search_from = Some(address + WORD);
                }
                return Some(word);
            }
            address += WORD;
        }
    }

    /// Tells whether `frame_pointer` can be a frame of compiled code above `address`.
    fn is_frame(&self, frame_pointer: u64, address: u64) -> bool {
        frame_pointer > address && self.read(frame_pointer + WORD).is_some()
    }
}

impl Iterator for Backtrace {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if let Some(from) = self.search_from.take() {
            return self.search(from);
        }
        let return_address = self.read(self.frame_pointer.checked_add(WORD)?)?;
        let next = self.read(self.frame_pointer)?;
        // The outermost frame's pointer is 0, which ends the walk at the next step.
        self.frame_pointer = if next > self.frame_pointer { next } else { 0 };
        Some(return_address)
    }
}

fn is_return_address(word: u64) -> bool {
    module::code_offset(word).is_some_and(|offset| {
        let function = module::trap_table().find_function(offset);
        function.and_then(|function| function.find_call(offset)).is_some()
    })
}
