//! The local APIC with its timer, and the I/O APICs that bring device interrupts to it.
//!
//! Both are set up at the first wait: a program that never waits pays nothing. The old interrupt controllers are masked. All
//! inputs are edge-triggered, also those of PCI devices: a device's line is low whenever the CPU halts, because whoever notes
//! its interrupt acknowledges it before the next halt, so each new event brings an edge.
//!
//! Limits: the I/O APICs are expected where every known machine has them, the second one where QEMU's microvm has it.
//! Reference: Intel SDM volume 3, chapter 10; 82093AA data sheet.

use super::interrupts::{self, InterruptLine};
use super::port_io::Port;
use super::{SingleCore, cpu, tsc};
use crate::memory::{self, PhysAddr};
use core::sync::atomic::{AtomicU64, Ordering};

const LOCAL_APIC_ADDRESS: u64 = 0xfee0_0000;
const IO_APIC_ADDRESSES: [u64; 2] = [0xfec0_0000, 0xfec1_0000];
const IO_APIC_INPUTS: u32 = 24;
const APIC_LEN_BYTES: u64 = 4096;

const REGISTER_END_OF_INTERRUPT: u64 = 0xb0;
const REGISTER_SPURIOUS: u64 = 0xf0;
const REGISTER_TIMER: u64 = 0x320;
const REGISTER_TIMER_INITIAL_COUNT: u64 = 0x380;
const REGISTER_TIMER_CURRENT_COUNT: u64 = 0x390;
const REGISTER_TIMER_DIVIDER: u64 = 0x3e0;
const APIC_ENABLED: u32 = 1 << 8;
const TIMER_DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_16: u32 = 3;
const MSR_TSC_DEADLINE: u32 = 0x6e0;
const HAS_TSC_DEADLINE: u32 = 1 << 24;

#[unsafe(export_name = "wasmetal.end_of_interrupt_register")]
static END_OF_INTERRUPT_REGISTER: AtomicU64 = AtomicU64::new(0);

/// A page of device registers that are 32 bits wide.
#[derive(Clone, Copy)]
struct Registers(*mut u8);

impl Registers {
    fn map(address: u64) -> Option<Registers> {
        memory::map_device(PhysAddr::new(address), APIC_LEN_BYTES).map(|base| Registers(base.as_ptr()))
    }

    fn read(self, offset: u64) -> u32 {
        // SAFETY: the page is mapped as device memory, and the APICs' registers lie within it; reading one has no effect.
        unsafe { self.0.add(offset as usize).cast::<u32>().read_volatile() }
    }

    fn write(self, offset: u64, value: u32) {
        // SAFETY: as above; writing an APIC's register touches no memory.
        unsafe { self.0.add(offset as usize).cast::<u32>().write_volatile(value) }
    }
}

#[derive(Clone, Copy)]
enum Timer {
    /// The local APIC compares the time stamp counter with a deadline.
    Deadline,
    /// A counter that runs at this many ticks a second.
    Counter(u64),
    /// Not looked at yet.
    Unknown,
}

struct LocalApic {
    registers: Option<Registers>,
    timer: Timer,
}

static LOCAL_APIC: SingleCore<LocalApic> = SingleCore::new(LocalApic {
    registers: None,
    timer: Timer::Unknown,
});

/// Enables the local APIC and masks the old interrupt controllers. Does nothing the second time.
pub fn initialize() {
    let mut apic = LOCAL_APIC.borrow_mut();
    if apic.registers.is_some() {
        return;
    }
    mask_legacy_controllers();
    let Some(registers) = Registers::map(LOCAL_APIC_ADDRESS) else {
        panic!("no memory for the page table of the interrupt controller");
    };
    END_OF_INTERRUPT_REGISTER.store(registers.0 as u64 + REGISTER_END_OF_INTERRUPT, Ordering::Relaxed);
    registers.write(
        REGISTER_SPURIOUS,
        APIC_ENABLED | u32::from(InterruptLine::SPURIOUS.vector()),
    );
    apic.registers = Some(registers);
}

/// Masks both 8259 controllers, after giving them vectors that are no exceptions, for they can still raise spurious ones.
fn mask_legacy_controllers() {
    let spurious = InterruptLine::SPURIOUS.vector() & !7;
    // Initialization in cascade, the first vector, the line of the cascade, 8086 mode, all inputs masked.
    for (controller, cascade) in [(Port::PIC_1, 4), (Port::PIC_2, 2)] {
        controller.write_u8(0x11);
        for value in [spurious, cascade, 1, 0xff] {
            controller.offset(1).write_u8(value);
        }
    }
}

/// Lets an input of the I/O APICs raise its [`InterruptLine`].
pub fn enable_global_interrupt(global_interrupt: u32) {
    initialize();
    let Some(&address) = IO_APIC_ADDRESSES.get((global_interrupt / IO_APIC_INPUTS) as usize) else {
        return;
    };
    let Some(registers) = Registers::map(address) else {
        return;
    };
    let vector = InterruptLine::of_global_interrupt(global_interrupt).vector();
    let entry = 0x10 + 2 * (global_interrupt % IO_APIC_INPUTS);
    for (index, value) in [(entry + 1, 0), (entry, u32::from(vector))] {
        registers.write(0, index);
        registers.write(0x10, value);
    }
}

/// The time for which the timer is set, if it has not come yet.
static TIMER_DEADLINE_NS: SingleCore<Option<u64>> = SingleCore::new(None);

/// Has a halt end at `deadline_ns` of the monotonic clock at the latest; the caller looks at the clock and asks again. The timer is
/// not set if it comes early enough as it is: setting it costs a virtual machine more than an early wake now and then.
pub fn wake_by(deadline_ns: u64) {
    let mut current_ns = TIMER_DEADLINE_NS.borrow_mut();
    // It may have come during any halt: a driver's wait for its device is one, too.
    if interrupts::take(InterruptLine::TIMER) {
        *current_ns = None;
    }
    if current_ns.is_none_or(|current_ns| deadline_ns < current_ns) {
        *current_ns = Some(deadline_ns);
        start_timer(deadline_ns.saturating_sub(tsc::monotonic_ns()));
    }
}

/// Starts the timer: [`InterruptLine::TIMER`] is raised in `delay_ns`, perhaps earlier, for a halt may end early.
fn start_timer(delay_ns: u64) {
    initialize();
    let mut apic = LOCAL_APIC.borrow_mut();
    let Some(registers) = apic.registers else { return };
    if let Timer::Unknown = apic.timer {
        apic.timer = choose_timer(registers);
    }
    let vector = u32::from(InterruptLine::TIMER.vector());
    match apic.timer {
        Timer::Deadline => {
            registers.write(REGISTER_TIMER, vector | TIMER_DEADLINE_MODE);
            let deadline = cpu::time_stamp().saturating_add(tsc::ticks_of_ns(delay_ns));
            // SAFETY: CPUID says that the register exists; it only sets the timer.
            unsafe { cpu::write_msr(MSR_TSC_DEADLINE, deadline) };
        }
        Timer::Counter(frequency_hz) => {
            let ticks = u128::from(delay_ns) * u128::from(frequency_hz) / 1_000_000_000;
            registers.write(REGISTER_TIMER_DIVIDER, DIVIDE_BY_16);
            registers.write(REGISTER_TIMER, vector);
            registers.write(
                REGISTER_TIMER_INITIAL_COUNT,
                ticks.clamp(1, u128::from(u32::MAX)) as u32,
            );
        }
        Timer::Unknown => {}
    }
}

fn choose_timer(registers: Registers) -> Timer {
    if cpu::cpuid(1).ecx & HAS_TSC_DEADLINE != 0 {
        return Timer::Deadline;
    }
    const MEASURE_NS: u64 = 2_000_000;
    registers.write(REGISTER_TIMER_DIVIDER, DIVIDE_BY_16);
    registers.write(REGISTER_TIMER, 1 << 16);
    let wanted = tsc::ticks_of_ns(MEASURE_NS);
    // The time is taken outside the accesses to the counter, which may be slow: a timer that is taken for slower than it is ends
    // a halt early, which does no harm.
    let start = cpu::time_stamp();
    registers.write(REGISTER_TIMER_INITIAL_COUNT, u32::MAX);
    while cpu::time_stamp() - start < wanted {
        core::hint::spin_loop();
    }
    let ticks = u64::from(u32::MAX - registers.read(REGISTER_TIMER_CURRENT_COUNT));
    let elapsed_ns = tsc::ns_of_ticks(cpu::time_stamp() - start).max(1);
    Timer::Counter((ticks * 1_000_000_000 / elapsed_ns).max(1))
}
