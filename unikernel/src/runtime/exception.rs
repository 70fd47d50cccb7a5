//! Exceptions of the program: the functions of [`abi::builtins`] over [`crate::exception`].

use super::{module, table, trap};
use crate::arch::SingleCore;
use crate::exception::{self, Exceptions, Resumption};
use crate::memory;
use abi::handler_table::{ExceptionHeader, HandlerTable};

crate::throw_entry!(find_landing);

static EXCEPTIONS: SingleCore<Exceptions> = SingleCore::new(Exceptions::new());

#[unsafe(export_name = "wasmetal.exception_new")]
extern "C" fn exception_new(tag: u64, value_count: u64) -> u64 {
    let roots = |stack_start| {
        let stack_top = trap::program_stack().map_or(stack_start, |stack| stack.top);
        [stack_start..stack_top, memory::image_data()]
            .into_iter()
            .chain(table::areas_on_heap())
    };
    // SAFETY: 1. The ranges are mapped, and they are all places where compiled code writes references: its stack, globals and
    // tables. 2. Compiled code calls this function on its stack.
    unsafe { EXCEPTIONS.borrow_mut().make(tag, value_count, roots) }
}

#[unsafe(export_name = "wasmetal.exception_drop")]
extern "C" fn exception_drop(exception: u64) {
    // SAFETY: compiled code drops an exception that it has just caught, once.
    unsafe { EXCEPTIONS.borrow_mut().release(exception) };
}

extern "C" fn find_landing(thrown: u64, frame_pointer: u64, return_address: u64, out: *mut Resumption) -> bool {
    let module_of = |address| {
        module::code_offset(address)?;
        Some((
            module::descriptor().text_start,
            HandlerTable::new(module::handler_table()),
        ))
    };
    // SAFETY: compiled code throws exceptions made by `exception_new`.
    let tag = unsafe { (*(thrown as *const ExceptionHeader)).tag };
    // SAFETY: `throw_entry!` passes the frame of the compiled code that throws, whose callers keep frame pointers too, up to the
    // kernel's own code, which is outside of the module.
    let landing = unsafe { exception::find_landing(frame_pointer, return_address, tag, module_of) };
    if let Some(resumption) = landing {
        // SAFETY: `out` is room for this on the stack of `throw_entry!`.
        unsafe { out.write(resumption) };
    }
    landing.is_some()
}
