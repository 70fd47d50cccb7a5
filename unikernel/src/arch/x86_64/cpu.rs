//! What the CPU can do, and its model-specific and control registers.
//!
//! References: Intel SDM volume 2 (CPUID), volume 1 chapter 13 (XSAVE state), volume 3 chapter 2 (control registers).

use abi::instance::cpu_features;
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count, _rdtsc, CpuidResult};

const CR4_OSXSAVE: u64 = 1 << 18;
const XCR0_X87_SSE_AVX: u64 = 0b111;
const XCR0_AVX512: u64 = 0b1110_0000;

/// Reads a CPUID leaf, or zeros if the CPU does not have it.
pub fn cpuid(leaf: u32) -> CpuidResult {
    cpuid_subleaf(leaf, 0)
}

fn cpuid_subleaf(leaf: u32, subleaf: u32) -> CpuidResult {
    let range = leaf & 0xffff_0000;
    let last = __cpuid(range).eax;
    if last < leaf || last & 0xffff_0000 != range {
        return CpuidResult {
            eax: 0,
            ebx: 0,
            ecx: 0,
            edx: 0,
        };
    }
    __cpuid_count(leaf, subleaf)
}

/// Returns the set of [`cpu_features`] that the CPU has, whether or not their state is enabled.
pub fn features() -> u64 {
    let basic = cpuid(1);
    let structured = cpuid(7);
    let extended = cpuid(0x8000_0001);
    let bits = [
        (basic.ecx, 0, cpu_features::SSE3),
        (basic.ecx, 9, cpu_features::SSSE3),
        (basic.ecx, 19, cpu_features::SSE41),
        (basic.ecx, 20, cpu_features::SSE42),
        (basic.ecx, 23, cpu_features::POPCNT),
        (basic.ecx, 28, cpu_features::AVX),
        (structured.ebx, 5, cpu_features::AVX2),
        (basic.ecx, 12, cpu_features::FMA),
        (structured.ebx, 3, cpu_features::BMI1),
        (structured.ebx, 8, cpu_features::BMI2),
        (extended.ecx, 5, cpu_features::LZCNT),
        (basic.ecx, 13, cpu_features::CMPXCHG16B),
    ];
    let mut set = bits
        .iter()
        .filter(|(register, bit, _)| register & (1 << bit) != 0)
        .fold(0, |set, (_, _, feature)| set | feature);
    let avx512 = [
        (structured.ebx, 16),
        (structured.ebx, 17),
        (structured.ebx, 31),
        (structured.ecx, 1),
        (structured.ecx, 12),
    ];
    if avx512.iter().all(|(register, bit)| register & (1 << bit) != 0) {
        set |= cpu_features::AVX512;
    }
    set
}

/// Enables the register state that `features` needs beyond SSE. The CPU has those features.
pub fn enable_vector_state(features: u64) {
    let vectors = cpu_features::AVX | cpu_features::AVX2 | cpu_features::FMA | cpu_features::AVX512;
    if features & vectors == 0 {
        return;
    }
    let mut state = XCR0_X87_SSE_AVX;
    if features & cpu_features::AVX512 != 0 {
        state |= XCR0_AVX512;
    }
    // SAFETY: a CPU with AVX has XSAVE, so the bit of CR4 and the register exist; a CPU with AVX-512 has its three state
    // components. Enabling state changes no existing register.
    unsafe {
        let mut cr4: u64;
        asm!("mov {}, cr4", out(reg) cr4, options(nomem, nostack, preserves_flags));
        cr4 |= CR4_OSXSAVE;
        asm!("mov cr4, {}", in(reg) cr4, options(nostack, preserves_flags));
        asm!("xsetbv", in("ecx") 0, in("eax") state as u32, in("edx") (state >> 32) as u32, options(nostack, preserves_flags));
    }
}

/// Reads the time stamp counter.
pub fn time_stamp() -> u64 {
    // SAFETY: every CPU with long mode has the counter, and ring 0 may read it.
    unsafe { _rdtsc() }
}

/// Reads the time stamp counter after a memory access that must go past the cache, whose duration nobody can foretell.
pub fn time_stamp_after_flush() -> u64 {
    let cell = 0u64;
    // SAFETY: `clflush` and the load touch a local variable only.
    unsafe {
        asm!("clflush [{0}]", "mfence", "mov {1}, [{0}]", in(reg) &cell, out(reg) _, options(nostack, preserves_flags, readonly));
    }
    time_stamp()
}

/// Writes a model-specific register.
///
/// # Safety
/// The CPU has the register, and the value's effect leaves everything valid that Rust code relies on.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack, preserves_flags));
    }
}

/// Returns the address whose access faulted last.
pub fn fault_address() -> u64 {
    let address;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Switches to the page tables whose root lies at guest-physical address `root`.
///
/// # Safety
/// They map the running code, its stack and everything that Rust code refers to, where they are now.
pub unsafe fn set_page_table_root(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// Forgets the cached translation of the page at `address`.
pub fn invalidate_page(address: u64) {
    // SAFETY: the next access only walks the page tables again.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Returns a random number from the CPU, if it has such an instruction and that succeeds within a few tries.
pub fn random_u64() -> Option<u64> {
    const HAS_RDRAND: u32 = 1 << 30;
    const HAS_RDSEED: u32 = 1 << 18;
    const TRIES: u32 = 32;
    let has_rdseed = cpuid(7).ebx & HAS_RDSEED != 0;
    if !has_rdseed && cpuid(1).ecx & HAS_RDRAND == 0 {
        return None;
    }
    for _ in 0..TRIES {
        let (value, succeeded): (u64, u8);
        // SAFETY: the CPU has the instruction, as CPUID says; it changes the two registers only.
        unsafe {
            if has_rdseed {
                asm!("rdseed {}", "setc {}", out(reg) value, out(reg_byte) succeeded, options(nomem, nostack));
            } else {
                asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) succeeded, options(nomem, nostack));
            }
        }
        if succeeded != 0 {
            return Some(value);
        }
    }
    None
}

/// Resets the machine by an exception that cannot be delivered, which every machine answers.
pub fn triple_fault() -> ! {
    let no_table = [0u16; 5];
    // SAFETY: the empty table makes the next exception unhandled; nothing runs afterwards.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) &no_table, options(noreturn)) };
}
