//! Exceptions of Wasm code, over the stack walk that the kernel uses as well ([`unikernel::exception`]).
//!
//! A handler may be in another module than the `throw`: return addresses are looked up in the code of all modules of the store.

use crate::runtime::Runtime;
use crate::trap::{current_runtime, current_stack_top};
use abi::handler_table::{ExceptionHeader, HandlerTable};
use std::iter::once;
use unikernel::exception::{self, Resumption};

unikernel::throw_entry!(find_landing);

unsafe extern "C" {
    #[link_name = "wasmetal.throw"]
    fn throw(exception: u64);
}

/// Returns the address of `wasmetal.throw`.
pub fn throw_address() -> *const () {
    throw as *const ()
}

/// `exception_new` of [`abi::builtins`].
pub extern "C" fn exception_new(tag: u64, value_count: u64) -> u64 {
    // SAFETY: the runtime is valid and unused by others while Wasm code runs.
    let Runtime {
        exceptions,
        code_map,
        table_storage,
        ..
    } = unsafe { &mut *current_runtime() };
    let stack_top = current_stack_top();
    let roots = |stack_start| {
        let tables = table_storage.iter().map(|elements| {
            let elements = elements.as_ptr_range();
            elements.start as u64..elements.end as u64
        });
        once(stack_start..stack_top)
            .chain(code_map.writable_data())
            .chain(tables)
    };
    // SAFETY: 1. The ranges are mapped, and they are all places where compiled code writes references: its stack, globals and
    // tables. 2. Compiled code calls this function on its stack.
    unsafe { exceptions.make(tag, value_count, roots) }
}

/// `exception_drop` of [`abi::builtins`].
pub extern "C" fn exception_drop(exception: u64) {
    // SAFETY: the runtime is valid and unused by others while Wasm code runs; compiled code drops an exception that it has just
    // caught, once.
    unsafe { (*current_runtime()).exceptions.release(exception) };
}

extern "C" fn find_landing(thrown: u64, frame_pointer: u64, return_address: u64, out: *mut Resumption) -> bool {
    // SAFETY: the runtime is valid while Wasm code runs, and nothing changes its list of modules.
    let code_map = unsafe { &(*current_runtime()).code_map };
    let module_of = |address| {
        let code = code_map.find(address)?;
        Some((code.text_start(), HandlerTable::new(code.handler_table())))
    };
    // SAFETY: compiled code throws exceptions made by `exception_new`.
    let tag = unsafe { (*(thrown as *const ExceptionHeader)).tag };
    // SAFETY: `throw_entry!` passes the frame of the compiled code that throws; its callers keep frame pointers too, up to
    // `trap::run`'s, which is in no module.
    let landing = unsafe { exception::find_landing(frame_pointer, return_address, tag, module_of) };
    if let Some(resumption) = landing {
        // SAFETY: `out` is room for this on the stack of `throw_entry!`.
        unsafe { out.write(resumption) };
    }
    landing.is_some()
}
