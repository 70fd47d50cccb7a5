//! x86-64: CPU state, descriptor tables, exceptions, interrupts, clocks.
//!
//! No Rust code runs inside an interrupt: [`interrupts`] notes that it happened, and whoever halted looks. Exceptions enter
//! Rust in [`exceptions`] and never return, for each of them ends the program. So there is one flow of control at any time,
//! which is what [`SingleCore`] rests on.

pub mod apic;
pub mod cpu;
pub mod exceptions;
mod gdt;
pub mod host_clock;
mod idt;
pub mod interrupts;
mod kvm_clock;
mod memory_functions;
pub mod pit;
pub mod port_io;
pub mod real_time_clock;
mod single_core;
pub mod stack;
pub mod tsc;

pub use single_core::SingleCore;

/// Sets up the descriptor tables, so that exceptions arrive. `exception_stacks` are the tops of the stacks they run on.
pub fn initialize_descriptor_tables(exception_stacks: gdt::InterruptStacks) {
    gdt::load(exception_stacks);
    idt::load();
}

pub use gdt::InterruptStacks;
