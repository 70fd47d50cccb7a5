//! From a mapped image to a running program: instantiation, then the program's entry.

use super::{linear_memory, module, trap};
use crate::arch::{cpu, stack};
use crate::exit::{self, ExitStatus};
use crate::memory;
use abi::configuration::{self, Tag};
use abi::instance::cpu_features;
use core::mem::transmute;

/// Checks that the CPU has what the program was compiled for, and enables the state that takes.
pub fn prepare_cpu() {
    let needed = module::descriptor().cpu_features;
    if needed != 0 {
        let missing = needed & !cpu::features();
        if missing != 0 {
            let names = (0..)
                .zip(cpu_features::NAMES)
                .filter(|(bit, _)| missing >> bit & 1 != 0)
                .map(|(_, name)| name);
            for name in names {
                crate::log::error!("the program was compiled for a CPU with {name}, which this one lacks");
            }
            exit::exit(ExitStatus::CANNOT_START);
        }
        cpu::enable_vector_state(needed);
    }
}

/// Instantiates the module, then runs it on a stack of its own: `prepare` first, then its entry. Ends the machine.
pub fn run(prepare: extern "C" fn() -> !) -> ! {
    let stack_len_bytes = configuration::records(module::configuration())
        .filter(|(tag, _)| *tag == Tag::StackSize)
        .find_map(|(_, value)| Some(u64::from_le_bytes(value.try_into().ok()?)))
        .unwrap_or(configuration::DEFAULT_STACK_SIZE_BYTES);
    let Ok(program_stack) = memory::map_stack(stack_len_bytes) else {
        refuse("its stack")
    };
    trap::set_program_stack(program_stack);
    if linear_memory::map_all().is_err() {
        refuse("its linear memory");
    }
    linear_memory::copy_active_segments();
    // SAFETY: the stack was just mapped, and its end is a multiple of the page size.
    unsafe { stack::switch_to(program_stack.top, prepare) }
}

/// Calls the module's functions in their order: the rest of instantiation, then what the program exports as its start.
pub fn call_entry() {
    let module = module::descriptor();
    for address in [module.initialize, module.reactor_initialize, module.command_start] {
        if address != 0 {
            // SAFETY: the descriptor says that a function of this type stands there.
            let entry = unsafe { transmute::<usize, extern "C" fn()>(address as usize) };
            entry();
        }
    }
}

fn refuse(what: &str) -> ! {
    let free_kib = memory::available_bytes() / 1024;
    crate::log::error!(
        "the machine has too little memory for the program: {free_kib} KiB are left, not enough for {what}"
    );
    exit::exit(ExitStatus::CANNOT_START)
}
