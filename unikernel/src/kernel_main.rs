//! The kernel's entry: what is done between the boot code and the program, in order.

use crate::arch::{self, InterruptStacks, SingleCore, cpu};
use crate::command_line::Options;
use crate::memory::{self, OutOfMemory};
use crate::runtime::{module, start};
use crate::{exit, log};
use abi::boot_info::BootInfo;

const EXCEPTION_STACK_LEN_BYTES: u64 = 32 * 1024;
const FATAL_STACK_LEN_BYTES: u64 = 16 * 1024;
const INTERRUPT_STACK_LEN_BYTES: u64 = 4 * 1024;

static START_TSC: SingleCore<u64> = SingleCore::new(0);

#[unsafe(export_name = "wasmetal.kernel_main")]
extern "C" fn kernel_main(boot_info: &'static BootInfo) -> ! {
    *START_TSC.borrow_mut() = boot_info.start_tsc;
    let options = Options::parse(module::configuration(), boot_info.command_line);
    log::set_level(options.log_level);
    if initialize_memory(boot_info).is_err() {
        log::error!("the machine has too little memory for the kernel");
        exit::exit(exit::ExitStatus::CANNOT_START);
    }
    start::prepare_cpu();
    start::run(run_program)
}

fn initialize_memory(boot_info: &BootInfo) -> Result<(), OutOfMemory> {
    memory::initialize(boot_info)?;
    arch::initialize_descriptor_tables(InterruptStacks {
        exception: memory::map_stack(EXCEPTION_STACK_LEN_BYTES)?.top,
        fatal: memory::map_stack(FATAL_STACK_LEN_BYTES)?.top,
        interrupt: memory::map_stack(INTERRUPT_STACK_LEN_BYTES)?.top,
    });
    Ok(())
}

extern "C" fn run_program() -> ! {
    log::debug!(
        "{} ticks from the first instruction to the program",
        cpu::time_stamp() - *START_TSC.borrow_mut()
    );
    start::call_entry()
}
