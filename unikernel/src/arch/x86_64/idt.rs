//! The interrupt descriptor table: one gate for each exception and each interrupt that is used.
//!
//! The stubs in `vectors.s` are 16 bytes apart, so a gate's address follows from its number.

use super::SingleCore;
use super::gdt::{CODE_SELECTOR, StackIndex, TablePointer};
use core::arch::{asm, global_asm};
use core::mem::size_of_val;

/// The first vector that is not an exception of the CPU.
pub(super) const FIRST_INTERRUPT_VECTOR: u8 = 32;
/// How many interrupt vectors are used.
pub(super) const INTERRUPT_VECTOR_COUNT: u8 = 32;

const GATE_COUNT: usize = (FIRST_INTERRUPT_VECTOR + INTERRUPT_VECTOR_COUNT) as usize;
const STUB_LEN_BYTES: u64 = 16;
const DOUBLE_FAULT: usize = 8;
const NON_MASKABLE: usize = 2;
const MACHINE_CHECK: usize = 18;

global_asm!(include_str!("vectors.s"), options(att_syntax));

unsafe extern "C" {
    #[link_name = "wasmetal.exception_stubs"]
    static EXCEPTION_STUBS: u8;
    #[link_name = "wasmetal.interrupt_stubs"]
    static INTERRUPT_STUBS: u8;
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Gate([u64; 2]);

static TABLE: SingleCore<[Gate; GATE_COUNT]> = SingleCore::new([Gate([0; 2]); GATE_COUNT]);

/// Fills the table and makes the CPU use it.
pub(super) fn load() {
    let mut table = TABLE.borrow_mut();
    let exceptions = (&raw const EXCEPTION_STUBS) as u64;
    let interrupts = (&raw const INTERRUPT_STUBS) as u64;
    let (exception_gates, interrupt_gates) = table.split_at_mut(FIRST_INTERRUPT_VECTOR as usize);
    for (vector, gate) in exception_gates.iter_mut().enumerate() {
        let stack = match vector {
            DOUBLE_FAULT | NON_MASKABLE | MACHINE_CHECK => StackIndex::Fatal,
            _ => StackIndex::Exception,
        };
        *gate = interrupt_gate(exceptions + vector as u64 * STUB_LEN_BYTES, stack);
    }
    for (index, gate) in interrupt_gates.iter_mut().enumerate() {
        *gate = interrupt_gate(interrupts + index as u64 * STUB_LEN_BYTES, StackIndex::Interrupt);
    }
    let pointer = TablePointer {
        limit: (size_of_val(&*table) - 1) as u16,
        base: table.as_ptr() as u64,
    };
    // SAFETY: the table is static, nothing changes it after this, and each gate leads to a stub.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack, preserves_flags)) };
}

fn interrupt_gate(address: u64, stack: StackIndex) -> Gate {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let low = (address & 0xffff)
        | u64::from(CODE_SELECTOR) << 16
        | (stack as u64) << 32
        | PRESENT_INTERRUPT_GATE
        | (address >> 16 & 0xffff) << 48;
    Gate([low, address >> 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_spreads_the_address_over_its_fields() {
        let Gate(words) = interrupt_gate(0xffff_ffff_8123_4560, StackIndex::Fatal);
        assert_eq!(words, [0x8123_8e02_0008_4560, 0xffff_ffff]);
    }
}
