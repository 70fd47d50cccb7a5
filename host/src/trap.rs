//! How a fault in compiled code becomes a Wasm trap, and how Wasm code is entered and left.
//!
//! [`run`] switches to a stack of its own and calls compiled code. If that faults, the signal handler finds the instruction in
//! the trap table of its module, notes the trap and the backtrace, and lets the thread go on at the end of [`enter`], with
//! the stack and the callee-saved registers from before: no unwinding, no frame of compiled code has anything to clean up. A fault at
//! the stack's guard is "call stack exhausted", whatever code hit it. Any other fault goes to the handler that was there before.
//!
//! Host functions that Wasm code calls run on the same stack and are left behind in the same way, by a trap as by [`leave`]:
//! they must keep no lock and no half-done change across a call that may end so.
//!
//! Read first: [`run`], [`Outcome`]. Limits: x86-64 Linux; one activation per thread at a time.

use crate::reservation::{PAGE_BYTES, Protection, Reservation};
use crate::runtime::Runtime;
use abi::trap_code::TrapCode;
use std::arch::{asm, naked_asm};
use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::OnceLock;

/// The most frames that a backtrace has.
pub const MAX_FRAMES: usize = 64;

/// Bytes below a stack that fault: more than any frame that is not probed.
const GUARD_BYTES: u64 = 1 << 20;

const ALTERNATE_STACK_BYTES: usize = 64 * 1024;

/// How a call of compiled code ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a signal handler writes it, so it cannot be allocated"
)]
pub enum Outcome {
    /// It returned.
    Returned,
    /// It trapped.
    Trapped(RawTrap),
    /// The program asked to end with this code.
    Exited(u32),
}

/// A trap, as the signal handler leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawTrap {
    /// Why.
    pub code: TrapCode,
    /// The address whose access faulted, where that is the reason.
    pub fault_address: Option<u64>,
    addresses: [u64; MAX_FRAMES],
    frame_count: usize,
}

impl RawTrap {
    fn new(code: TrapCode, fault_address: Option<u64>) -> RawTrap {
        RawTrap {
            code,
            fault_address,
            addresses: [0; MAX_FRAMES],
            frame_count: 0,
        }
    }

    fn push(&mut self, address: u64) {
        if let Some(slot) = self.addresses.get_mut(self.frame_count) {
            *slot = address;
            self.frame_count += 1;
        }
    }

    /// Returns the code addresses, innermost first: the trapping instruction, then return addresses.
    pub fn addresses(&self) -> &[u64] {
        &self.addresses[..self.frame_count]
    }
}

/// A stack for Wasm code, with a guard below.
#[derive(Debug)]
pub struct WasmStack {
    reservation: Reservation,
}

impl WasmStack {
    /// Makes a stack of that many bytes, rounded up to a page.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(len_bytes: u64) -> io::Result<WasmStack> {
        let len_bytes = len_bytes.next_multiple_of(PAGE_BYTES);
        let mut reservation = Reservation::anywhere(GUARD_BYTES + len_bytes)?;
        reservation.map_private(GUARD_BYTES, len_bytes, Protection::ReadWrite)?;
        Ok(WasmStack { reservation })
    }

    fn top(&self) -> u64 {
        self.reservation.start() + self.reservation.len_bytes()
    }

    fn guard_contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.reservation.start()) < GUARD_BYTES
    }

    /// Reads the saved frame pointer and the return address at `frame_pointer`, if both lie on this stack.
    fn frame(&self, frame_pointer: u64) -> Option<(u64, u64)> {
        let bottom = self.reservation.start() + GUARD_BYTES;
        if frame_pointer < bottom || frame_pointer > self.top() - 16 || !frame_pointer.is_multiple_of(8) {
            return None;
        }
        let frame = frame_pointer as *const u64;
        // SAFETY: both words lie on the stack, which is mapped, and are aligned; they are read as plain numbers.
        Some(unsafe { (frame.read(), frame.add(1).read()) })
    }
}

/// Where [`enter`] was when it switched stacks.
#[repr(C)]
#[derive(Debug)]
struct EntryPoint {
    stack_pointer: u64,
    resume_address: u64,
}

struct Activation<'a> {
    entry_point: EntryPoint,
    stack: &'a WasmStack,
    runtime: *mut Runtime,
    outcome: Outcome,
}

thread_local! {
    /// The activation of this thread, or null. It has no destructor, so a signal handler may read it.
    static CURRENT: Cell<*mut Activation<'static>> = const { Cell::new(null_mut()) };
    static ALTERNATE_STACK: AlternateStack = AlternateStack::install();
}

/// Calls `function(values)` on `stack` and returns how that ended.
///
/// # Errors
/// The kernel's, where the signal handlers cannot be installed.
///
/// # Panics
/// If this thread is running Wasm code already.
///
/// # Safety
/// 1. `function` is the address of compiled code, of the type `extern "C" fn(*mut u128)`, whose memories, tables and imports
///    are mapped, and `values` is what it expects there;
/// 2. `runtime` is valid and nothing else uses it until the call ends.
pub unsafe fn run(stack: &WasmStack, runtime: *mut Runtime, function: u64, values: *mut u128) -> io::Result<Outcome> {
    install_handlers()?;
    ALTERNATE_STACK.with(|_| ());
    assert!(CURRENT.get().is_null(), "Wasm code does not call back into the crate");
    let mut activation = Activation {
        entry_point: EntryPoint {
            stack_pointer: 0,
            resume_address: 0,
        },
        stack,
        runtime,
        outcome: Outcome::Returned,
    };
    let pointer = &raw mut activation;
    CURRENT.set(pointer.cast());
    // SAFETY: the caller's duty 1; the stack is mapped and nobody else's, since this is the thread's only activation and
    // `stack` is borrowed; `entry_point` outlives the call.
    unsafe { enter(function, values, stack.top(), &raw mut (*pointer).entry_point) };
    CURRENT.set(null_mut());
    // SAFETY: `pointer` is to a local; the handler or `leave` may have written through it, hence the read through it.
    Ok(unsafe { (*pointer).outcome })
}

/// Returns the runtime of the Wasm code that is calling.
///
/// # Panics
/// If this thread is not running Wasm code.
pub fn current_runtime() -> *mut Runtime {
    let activation = CURRENT.get();
    assert!(!activation.is_null(), "only Wasm code calls this");
    // SAFETY: a pointer that is not null is to the activation in a frame of `run` below us.
    unsafe { (*activation).runtime }
}

/// Returns the first address after the stack of the Wasm code that is calling.
///
/// # Panics
/// If this thread is not running Wasm code.
pub fn current_stack_top() -> u64 {
    let activation = CURRENT.get();
    assert!(!activation.is_null(), "only Wasm code calls this");
    // SAFETY: as in `current_runtime`.
    unsafe { (*activation).stack.top() }
}

/// Ends the running Wasm code from within a host function it called: `run` returns `outcome`.
///
/// # Panics
/// If this thread is not running Wasm code.
pub fn leave(outcome: Outcome) -> ! {
    let activation = CURRENT.get();
    assert!(!activation.is_null(), "only Wasm code can be left");
    // SAFETY: the activation is alive as in `current_runtime`; its entry point holds where `enter` waits for its call to end.
    // Frames in between belong to compiled code or to host functions, which bear being left (see the head of this file).
    unsafe {
        (*activation).outcome = outcome;
        asm!(
            "mov rsp, {stack_pointer}",
            "jmp {resume_address}",
            stack_pointer = in(reg) (*activation).entry_point.stack_pointer,
            resume_address = in(reg) (*activation).entry_point.resume_address,
            options(noreturn),
        )
    }
}

/// Saves the callee-saved state, notes in `entry_point` how to come back, and calls `function(values)` on another stack.
#[unsafe(naked)]
unsafe extern "C" fn enter(function: u64, values: *mut u128, stack_top: u64, entry_point: *mut EntryPoint) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rcx], rsp",
        "lea rax, [rip + 2f]",
        "mov [rcx + 8], rax",
        "mov rbx, rsp",
        "mov rsp, rdx",
        "xor ebp, ebp", // ends the chain of frame pointers
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "mov rsp, rbx",
        "2:",
        "cld",
        "fldcw [rsp + 4]",
        "ldmxcsr [rsp]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

const FAULTS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

/// The handlers that were there before ours, in the order of `FAULTS`.
static PREVIOUS_HANDLERS: OnceLock<[libc::sigaction; 4]> = OnceLock::new();

fn install_handlers() -> io::Result<()> {
    PREVIOUS_HANDLERS.get_or_init(|| {
        FAULTS.map(|signal| {
            // SAFETY: all-zero is a valid `sigaction`, and the kernel fills it in.
            unsafe {
                let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
                libc::sigaction(signal, std::ptr::null(), previous.as_mut_ptr());
                previous.assume_init()
            }
        })
    });
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| FAULTS.into_iter().try_for_each(install_handler))
        .map_err(io::Error::from_raw_os_error)
}

fn install_handler(signal: libc::c_int) -> Result<(), i32> {
    // SAFETY: the handler is async-signal-safe: it reads memory that `run` prepared, and calls nothing but `sigaction`.
    let result = unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigaction(signal, &action, null_mut())
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t` and `ucontext_t`, which are ours until we return.
    let (address, registers) = unsafe {
        let context = context.cast::<libc::ucontext_t>();
        ((*info).si_addr() as u64, &mut (*context).uc_mcontext.gregs)
    };
    let activation = CURRENT.get();
    if !activation.is_null() {
        // SAFETY: the activation is in a frame of `run` below us; that thread is in this handler, so nothing else uses it.
        let activation = unsafe { &mut *activation };
        let memory_fault = signal == libc::SIGSEGV || signal == libc::SIGBUS;
        let (pc, frame_pointer) = (
            registers[libc::REG_RIP as usize] as u64,
            registers[libc::REG_RBP as usize] as u64,
        );
        if let Some(trap) = find_trap(activation, memory_fault.then_some(address), pc, frame_pointer) {
            activation.outcome = Outcome::Trapped(trap);
            registers[libc::REG_RSP as usize] = activation.entry_point.stack_pointer as i64;
            registers[libc::REG_RIP as usize] = activation.entry_point.resume_address as i64;
            return;
        }
    }
    pass_on(signal, info, context);
}

fn find_trap(activation: &Activation<'_>, fault_address: Option<u64>, pc: u64, frame_pointer: u64) -> Option<RawTrap> {
    // SAFETY: valid as `run` demands; a fault of Rust code while it changes the runtime is no trap that leads here but for
    // the stack's guard, and then only the list of modules is read, which host functions do not change.
    let code_map = unsafe { &(*activation.runtime).code_map };
    let mut trap = if fault_address.is_some_and(|address| activation.stack.guard_contains(address)) {
        RawTrap::new(TrapCode::StackOverflow, fault_address)
    } else {
        RawTrap::new(code_map.find_trap(pc)?, fault_address)
    };
    if code_map.find(pc).is_some() {
        trap.push(pc);
    }
    let mut frame_pointer = frame_pointer;
    while let Some((caller_frame_pointer, return_address)) = activation.stack.frame(frame_pointer) {
        if code_map.find(return_address).is_some() {
            trap.push(return_address);
        }
        if caller_frame_pointer <= frame_pointer {
            break;
        }
        frame_pointer = caller_frame_pointer;
    }
    Some(trap)
}

/// Does with a fault that is not ours what would have happened without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let position = FAULTS.iter().position(|&fault| fault == signal);
    let previous = PREVIOUS_HANDLERS
        .get()
        .zip(position)
        .map(|(handlers, position)| handlers[position]);
    let handler = previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: restores the default, which ends the process once the faulting instruction is tried again.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    } else if previous.is_some_and(|action| action.sa_flags & libc::SA_SIGINFO != 0) {
        // SAFETY: the kernel had this address as a handler of this type.
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: as above, of the older type.
        let handler: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}

/// The stack that this thread's signal handlers run on: the Wasm stack may be exhausted when they are needed.
struct AlternateStack {
    previous: libc::stack_t,
    _memory: Box<[u8]>,
}

impl AlternateStack {
    fn install() -> AlternateStack {
        let mut memory = vec![0; ALTERNATE_STACK_BYTES].into_boxed_slice();
        let stack = libc::stack_t {
            ss_sp: memory.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: memory.len(),
        };
        let mut previous = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: `memory` lives until `drop` has put back the previous stack; all-zero is a valid `stack_t`.
        let previous = unsafe {
            libc::sigaltstack(&stack, previous.as_mut_ptr());
            previous.assume_init()
        };
        AlternateStack {
            previous,
            _memory: memory,
        }
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // SAFETY: puts back what was there, as the thread ends.
        unsafe { libc::sigaltstack(&self.previous, null_mut()) };
    }
}
