//! What compiled code calls besides its imports: the functions of [`abi::builtins`], for this process.
//!
//! They find what they work on through [`current_runtime`], for compiled code passes no context. All run on the Wasm stack
//! and may be left in the middle when it is exhausted; hence each change is complete before the field that shows it is written.
//!
//! Read first: [`Runtime`], [`functions`]. Limits: one thread, so waiting for a memory cell ends only by its timeout.

use crate::code_map::CodeMap;
use crate::exception::{exception_drop, exception_new, throw_address};
use crate::linear_memory::LinearMemory;
use crate::trap::current_runtime;
use abi::builtins::Builtin;
use abi::instance::TableInstance;
use std::time::Duration;
use unikernel::exception::Exceptions;
use unikernel::missing_instructions::{ceil, ceilf, floor, floorf, pshufb, rint, rintf, trunc, truncf};
use unikernel::trap_report::MemoryFault;

/// The most elements that a table may grow to.
const TABLE_LIMIT: u64 = 10_000_000;

/// Results of `memory.atomic.wait`.
const WAIT_NOT_EQUAL: u32 = 1;
const WAIT_TIMED_OUT: u32 = 2;

/// What the modules of one store share while they run.
#[derive(Debug, Default)]
pub struct Runtime {
    /// Linear memories.
    pub memories: Vec<LinearMemory>,
    /// Code.
    pub code_map: CodeMap,
    /// Elements of tables that have outgrown the storage in their module's data.
    pub table_storage: Vec<Box<[u64]>>,
    /// Exceptions.
    pub exceptions: Exceptions,
}

impl Runtime {
    /// Returns the memory of the instance at that address.
    pub fn memory(&mut self, instance: u64) -> Option<&mut LinearMemory> {
        self.memories.iter_mut().find(|memory| memory.instance() == instance)
    }

    /// Returns which access outside which memory an address stands for.
    pub fn memory_fault(&self, address: u64) -> Option<MemoryFault> {
        self.memories.iter().find_map(|memory| memory.fault(address))
    }
}

/// Returns symbol and address of each function that compiled code may call besides its imports: the runtime functions, and
/// what stands in for instructions that the CPU need not have.
pub fn functions() -> impl Iterator<Item = (&'static str, u64)> {
    let builtins = Builtin::ALL.map(|builtin| (builtin.symbol(), builtin_address(builtin)));
    let instructions = [
        ("ceil", ceil as *const ()),
        ("ceilf", ceilf as *const ()),
        ("floor", floor as *const ()),
        ("floorf", floorf as *const ()),
        ("trunc", trunc as *const ()),
        ("truncf", truncf as *const ()),
        ("rint", rint as *const ()),
        ("rintf", rintf as *const ()),
        ("__cranelift_x86_pshufb", pshufb as *const ()),
    ];
    let instructions = instructions.map(|(symbol, function)| (symbol, function as u64));
    builtins.into_iter().chain(instructions)
}

fn builtin_address(builtin: Builtin) -> u64 {
    // `memmove` and `memset` have the types that `abi` gives these two, so compiled code calls the C library itself. Rust must
    // not: address 0 is linear memory here, and a null pointer there.
    let function = match builtin {
        Builtin::MemoryCopy => libc::memmove as *const (),
        Builtin::MemoryFill => libc::memset as *const (),
        Builtin::MemoryGrow => memory_grow as *const (),
        Builtin::TableGrow => table_grow as *const (),
        Builtin::TableFill => table_fill as *const (),
        Builtin::MemoryWait32 => memory_wait32 as *const (),
        Builtin::MemoryWait64 => memory_wait64 as *const (),
        Builtin::MemoryNotify => memory_notify as *const (),
        Builtin::ExceptionNew => exception_new as *const (),
        Builtin::ExceptionDrop => exception_drop as *const (),
        Builtin::Throw => throw_address(),
    };
    function as u64
}

extern "C" fn memory_grow(instance: u64, delta_pages: u64) -> u64 {
    // SAFETY: the runtime is valid and unused by others while Wasm code runs (`trap::run`); the instance is the address of
    // a mapped `MemoryInstance`, as compiled code has it from the linker.
    unsafe {
        (*current_runtime())
            .memory(instance)
            .and_then(|memory| memory.grow(delta_pages))
    }
    .unwrap_or(u64::MAX)
}

extern "C" fn table_grow(table: *mut TableInstance, delta: u64, value: u64) -> u64 {
    // SAFETY: compiled code passes the address of a mapped `TableInstance`, and nobody else uses it meanwhile.
    let table = unsafe { &mut *table };
    let old_length = table.length;
    let Some(new_length) = old_length
        .checked_add(delta)
        .filter(|&length| length <= table.maximum.min(TABLE_LIMIT))
    else {
        return u64::MAX;
    };
    if new_length > table.capacity {
        let capacity = new_length.max(2 * old_length).min(TABLE_LIMIT);
        let mut storage = vec![0; capacity as usize].into_boxed_slice();
        // SAFETY: `length` elements lie at `elements` and were all written; the new storage is larger.
        unsafe {
            std::ptr::copy_nonoverlapping(table.elements as *const u64, storage.as_mut_ptr(), old_length as usize);
        }
        table.elements = storage.as_mut_ptr() as u64;
        table.capacity = capacity;
        // SAFETY: as in `memory_grow`. The storage stays until the store ends: its old elements may still be referred to.
        unsafe { (*current_runtime()).table_storage.push(storage) };
    }
    table_fill(table.elements + old_length * 8, value, delta);
    table.length = new_length;
    old_length
}

extern "C" fn table_fill(first_element: u64, value: u64, count: u64) {
    if count != 0 {
        // SAFETY: compiled code has checked that `count` elements from there on lie in a table.
        unsafe { std::slice::from_raw_parts_mut(first_element as *mut u64, count as usize) }.fill(value);
    }
}

/// Reads a word of linear memory, whose address may be 0.
fn read_linear_memory<const LEN_BYTES: usize>(address: u64) -> u64 {
    let value: u64;
    // SAFETY: compiled code has checked that the word lies in linear memory and is aligned.
    unsafe {
        if LEN_BYTES == 4 {
            std::arch::asm!("mov {0:e}, [{1}]", out(reg) value, in(reg) address, options(nostack, readonly, preserves_flags));
        } else {
            std::arch::asm!("mov {0}, [{1}]", out(reg) value, in(reg) address, options(nostack, readonly, preserves_flags));
        }
    }
    value
}

extern "C" fn memory_wait32(address: u64, expected: u32, timeout_ns: i64) -> u32 {
    wait(read_linear_memory::<4>(address) == u64::from(expected), timeout_ns)
}

extern "C" fn memory_wait64(address: u64, expected: u64, timeout_ns: i64) -> u32 {
    wait(read_linear_memory::<8>(address) == expected, timeout_ns)
}

fn wait(is_equal: bool, timeout_ns: i64) -> u32 {
    if !is_equal {
        return WAIT_NOT_EQUAL;
    }
    // A negative timeout waits for ever, and no other thread could end that.
    std::thread::sleep(u64::try_from(timeout_ns).map_or(Duration::MAX, Duration::from_nanos));
    WAIT_TIMED_OUT
}

extern "C" fn memory_notify(_address: u64, _count: u32) -> u32 {
    0
}
