//! The kernel's entry: what is done between the boot code and the program, in order.

use crate::arch::{self, InterruptStacks, SingleCore, cpu, host_clock};
use crate::command_line::Options;
use crate::drivers::{console, virtio};
use crate::machine::Machine;
use crate::memory::{self, OutOfMemory};
use crate::runtime::{module, start, trap};
use crate::wasi::{self, Context, ContextOptions, GuestMemory};
use crate::{exit, headroom, log};
use abi::baked_tree::BakedTree;
use abi::boot_info::BootInfo;
use abi::memory_map::WINDOW_ALIAS_BASE;
use alloc::boxed::Box;

const EXCEPTION_STACK_LEN_BYTES: u64 = 32 * 1024;
const FATAL_STACK_LEN_BYTES: u64 = 16 * 1024;
const INTERRUPT_STACK_LEN_BYTES: u64 = 4 * 1024;

/// New and changed files may take this part of the memory that is free when the program starts.
const FILE_MEMORY_SHARE: u64 = 2;

static OPTIONS: SingleCore<Option<Options>> = SingleCore::new(None);
static START_TSC: SingleCore<u64> = SingleCore::new(0);

#[unsafe(export_name = "wasmetal.kernel_main")]
extern "C" fn kernel_main(boot_info: &'static BootInfo) -> ! {
    *START_TSC.borrow_mut() = boot_info.start_tsc;
    if initialize_memory(boot_info).is_err() {
        log::error!("the machine has too little memory for the kernel");
        exit::exit(exit::ExitStatus::CANNOT_START);
    }
    let lines = [memory::boot_module(boot_info), boot_info.command_line];
    let mut options = Options::parse(module::configuration(), &lines);
    virtio::announce_mmio_devices(core::mem::take(&mut options.mmio_devices));
    console::set_terminals(options.terminals);
    if options.has_host_clock {
        host_clock::announce();
    }
    log::set_level(options.log_level);
    *OPTIONS.borrow_mut() = Some(options);
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
    let started = cpu::time_stamp() - *START_TSC.borrow_mut();
    headroom::establish();
    install_wasi();
    trap::set_farewell(finish_files);
    let ready = cpu::time_stamp() - *START_TSC.borrow_mut();
    log::debug!("{started} ticks from the first instruction to the program's stack, {ready} to the program");
    start::call_entry();
    // SAFETY: the context was installed for good, and the program, which made the calls, has ended.
    unsafe { wasi::exports::finish() };
    exit::exit(exit::ExitStatus::SUCCESS)
}

/// Makes durable what a program has written that trapped.
fn finish_files() {
    // SAFETY: the context was installed for good, and the program, which made the calls, has ended outside of one.
    unsafe { wasi::exports::finish_files() };
}

/// Makes the context that WASI calls act on.
fn install_wasi() {
    let options = OPTIONS.borrow_mut().take().unwrap_or_default();
    let context = Context::new(ContextOptions {
        platform: Machine,
        memory: guest_memory(),
        arguments: options.arguments,
        environment: options.environment,
        network_words: options.network,
        mounts: options.mounts,
        baked_tree: BakedTree::new(module::baked_tree()).unwrap_or(BakedTree::EMPTY),
        file_memory_limit_bytes: memory::available_bytes() / FILE_MEMORY_SHARE,
    });
    let Ok(context) = context else {
        log::error!("the machine has too little memory for the program's files");
        exit::exit(exit::ExitStatus::CANNOT_START);
    };
    // SAFETY: the context is never freed and known to nobody else; the one program that makes calls is not running yet.
    unsafe { wasi::install(Box::leak(Box::new(context))) };
}

/// Returns the view of linear memory 0, which is what WASI calls refer to.
fn guest_memory() -> GuestMemory {
    let Some(&instance) = module::memories().first() else {
        return GuestMemory::none();
    };
    // SAFETY: 1. Memory instances are data of the image and memories never shrink. 2. The alias shows all bytes up to the length.
    // 3. There is one flow of control: compiled code does not run, and nothing grows memory, during a call.
    unsafe { GuestMemory::new(instance, (WINDOW_ALIAS_BASE + (*instance).base) as *mut u8) }
}
