//! The global descriptor table and the task state segment, which names the stacks that exceptions and interrupts run on.
//!
//! Each of them enters on a stack of its own: the interrupted code may use the 128 bytes below its stack pointer (the psABI's
//! red zone), and its stack may be what overflowed. Reference: Intel SDM volume 3, chapters 3.4 and 8.7.

use super::SingleCore;
use core::arch::asm;
use core::mem::size_of;

/// Selector of the kernel's code segment, the same as in the boot code's table.
pub(super) const CODE_SELECTOR: u16 = 8;
const TASK_SELECTOR: u16 = 16;

/// Index in the task state segment's interrupt stack table.
#[derive(Clone, Copy, Debug)]
pub(super) enum StackIndex {
    Exception = 1,
    Fatal = 2,
    Interrupt = 3,
}

/// Tops of the stacks that exceptions and interrupts run on.
#[derive(Clone, Copy, Debug)]
pub struct InterruptStacks {
    /// For exceptions of the program and the kernel, which are reported from here.
    pub exception: u64,
    /// For double faults, machine checks and non-maskable interrupts.
    pub fatal: u64,
    /// For device interrupts.
    pub interrupt: u64,
}

#[repr(C, packed(4))]
struct TaskState {
    reserved_0: u32,
    privilege_stacks: [u64; 3],
    reserved_1: u64,
    interrupt_stacks: [u64; 7],
    reserved_2: u64,
    reserved_3: u16,
    io_map_base: u16,
}

const TASK_STATE_LEN_BYTES: usize = size_of::<TaskState>();

struct Tables {
    descriptors: [u64; 4],
    task_state: TaskState,
}

static TABLES: SingleCore<Tables> = SingleCore::new(Tables {
    descriptors: [0, 0x00af_9b00_0000_ffff, 0, 0],
    task_state: TaskState {
        reserved_0: 0,
        privilege_stacks: [0; 3],
        reserved_1: 0,
        interrupt_stacks: [0; 7],
        reserved_2: 0,
        reserved_3: 0,
        io_map_base: TASK_STATE_LEN_BYTES as u16,
    },
});

/// What `lgdt` and `lidt` read.
#[repr(C, packed)]
pub(super) struct TablePointer {
    pub(super) limit: u16,
    pub(super) base: u64,
}

/// Fills the tables and makes the CPU use them.
pub(super) fn load(stacks: InterruptStacks) {
    let mut tables = TABLES.borrow_mut();
    let mut interrupt_stacks = [0; 7];
    interrupt_stacks[StackIndex::Exception as usize - 1] = stacks.exception;
    interrupt_stacks[StackIndex::Fatal as usize - 1] = stacks.fatal;
    interrupt_stacks[StackIndex::Interrupt as usize - 1] = stacks.interrupt;
    tables.task_state.interrupt_stacks = interrupt_stacks;
    let task_address = (&raw const tables.task_state) as u64;
    let [low, high] = task_descriptor(task_address);
    tables.descriptors[2] = low;
    tables.descriptors[3] = high;
    let pointer = TablePointer {
        limit: (size_of::<[u64; 4]>() - 1) as u16,
        base: (&raw const tables.descriptors) as u64,
    };
    // SAFETY: 1. The tables are static and nothing changes them after this. 2. The code selector means the same as before, so
    // the code goes on. 3. The task descriptor is valid and not busy.
    unsafe {
        asm!("lgdt [{}]", in(reg) &pointer, options(nostack, preserves_flags));
        asm!("ltr {:x}", in(reg) TASK_SELECTOR, options(nostack, preserves_flags));
    }
}

/// Encodes the descriptor of an available 64-bit task state segment.
fn task_descriptor(address: u64) -> [u64; 2] {
    const PRESENT_AVAILABLE_TASK: u64 = 0x89 << 40;
    let low = (TASK_STATE_LEN_BYTES as u64 - 1)
        | (address & 0xff_ffff) << 16
        | PRESENT_AVAILABLE_TASK
        | (address >> 24 & 0xff) << 56;
    [low, address >> 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_spreads_the_address_over_its_fields() {
        let [low, high] = task_descriptor(0xffff_ffff_8123_4560);
        assert_eq!(high, 0xffff_ffff);
        assert_eq!(low, 0x8100_8923_4560_0067);
    }
}
