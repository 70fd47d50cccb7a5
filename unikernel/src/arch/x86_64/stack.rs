//! Leaving one stack for another.

use core::arch::asm;

/// Calls `function` on the stack that ends at `stack_top`, and forgets the current one. The frame chain ends here: `rbp` is 0.
///
/// # Safety
/// `stack_top` is 16-byte aligned and the end of writable memory that nothing else uses, large enough for `function`.
pub unsafe fn switch_to(stack_top: u64, function: extern "C" fn() -> !) -> ! {
    // SAFETY: the caller's promise; the call leaves the stack aligned as the psABI wants it at a function's entry.
    unsafe {
        asm!(
            "mov rsp, {stack_top}",
            "xor ebp, ebp",
            "call {function}",
            "ud2",
            stack_top = in(reg) stack_top,
            function = in(reg) function,
            options(noreturn)
        )
    }
}
