//! Runs a WASI program in this process, as the guest would.
//!
//! Read first: [`Program`], [`Program::run`]. Limits: one program at a time, since the WASI layers hold one context.

use crate::error::Error;
use crate::instance::{Extern, Store, StoreOptions};
use crate::platform::LinuxPlatform;
use abi::baked_tree::BakedTree;
use std::collections::HashMap;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use unikernel::wasi::{self, Context, ContextOptions, Errno, GuestMemory};

/// Memory that a program's new and changed files may use, in bytes.
const FILE_MEMORY_LIMIT_BYTES: u64 = 1 << 30;

/// Size of the Wasm stack of a program in bytes.
const STACK_SIZE_BYTES: u64 = 8 << 20;

/// What a program is given.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Arguments; the first is the program's name.
    pub arguments: Vec<Vec<u8>>,
    /// Environment variables, `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
    /// The encoded tree of its files ([`abi::baked_tree`]); empty for none.
    pub baked_tree: Vec<u8>,
    /// How to compile. The stack size here does not matter.
    pub store: StoreOptions,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code, or why it did not end by itself.
    pub result: Result<u32, Error>,
    /// CPU time between its calls of `bench.start` and `bench.end`, if it made any.
    pub benchmark: Option<Duration>,
}

/// The context that WASI calls act on is one for the process.
static ONE_PROGRAM: Mutex<()> = Mutex::new(());

impl Program {
    /// Compiles a program and runs its `_start`.
    pub fn run(self, wasm: &[u8]) -> Ended {
        // What a panic of another holder leaves behind is only an address that the next line but one overwrites.
        let _one = ONE_PROGRAM.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        BENCHMARK_NS.store(NO_BENCHMARK, Ordering::Relaxed);
        let result = match self.try_run(wasm) {
            Ok(()) => Ok(0),
            Err(Error::Exit(code)) => Ok(code),
            Err(error) => Err(error),
        };
        let benchmark_ns = BENCHMARK_NS.load(Ordering::Relaxed);
        let benchmark = (benchmark_ns != NO_BENCHMARK).then(|| Duration::from_nanos(benchmark_ns));
        Ended { result, benchmark }
    }

    fn try_run(self, wasm: &[u8]) -> Result<(), Error> {
        let stack_size_bytes = STACK_SIZE_BYTES;
        let mut store = Store::new(StoreOptions {
            stack_size_bytes,
            ..self.store.clone()
        })?;
        let functions = host_functions();
        // The context must be there before the start function runs, but a module has no memory before it is instantiated;
        // start functions of programs do not call WASI.
        let instance = store.instantiate(wasm, &|_, import| {
            functions.get(&import.symbol).copied().map(Extern::HostFunction)
        })?;
        let memory = match store.first_memory(instance) {
            // SAFETY: the store outlives the context; its memory never shrinks, the alias stays mapped, and Wasm code does not
            // run during a call.
            Some((memory, first_byte)) => unsafe { GuestMemory::new(memory, first_byte) },
            None => GuestMemory::none(),
        };
        let mut context = self
            .into_context(memory)
            .map_err(|errno| Error::Context(errno as u32))?;
        // SAFETY: the lock makes this the only program; the context lives until the second `install`, and only calls use it.
        unsafe { wasi::install(&raw mut context) };
        let result = store.start(instance);
        // SAFETY: no call runs any more.
        unsafe { wasi::install(null_mut()) };
        result
    }

    fn into_context(self, memory: GuestMemory) -> Result<Context, Errno> {
        // The context keeps parts of the tree for as long as the process, as in the guest, where it is part of the image.
        let tree: &'static [u8] = self.baked_tree.leak();
        Context::new(ContextOptions {
            mounts: Vec::new(),
            platform: Box::new(LinuxPlatform::new()),
            memory,
            arguments: self.arguments,
            environment: self.environment,
            baked_tree: BakedTree::new(tree).unwrap_or(BakedTree::EMPTY),
            network_words: Vec::new(),
            file_memory_limit_bytes: FILE_MEMORY_LIMIT_BYTES,
        })
    }
}

/// Symbol and address of each function that a program may import.
fn host_functions() -> HashMap<String, u64> {
    let wasi = wasi::functions().map(|(symbol, address)| (symbol.to_owned(), address as u64));
    let benchmark = [
        ("bench.start", bench_start as *const ()),
        ("bench.end", bench_end as *const ()),
    ];
    wasi.chain(benchmark.map(|(symbol, function)| (symbol.to_owned(), function as u64)))
        .collect()
}

const NO_BENCHMARK: u64 = u64::MAX;

/// Nanoseconds of the last span between `bench.start` and `bench.end`.
static BENCHMARK_NS: AtomicU64 = AtomicU64::new(NO_BENCHMARK);
/// The thread's CPU time at the last `bench.start`, in nanoseconds.
static BENCHMARK_START_NS: AtomicU64 = AtomicU64::new(0);

/// Returns the CPU time that this thread has used: what a program takes, whatever else the machine is doing.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is this function's own; the clock exists since Linux 2.6.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn now_ns() -> u64 {
    thread_cpu_time().as_nanos() as u64
}

extern "C" fn bench_start() {
    BENCHMARK_START_NS.store(now_ns(), Ordering::Relaxed);
}

extern "C" fn bench_end() {
    let elapsed_ns = now_ns() - BENCHMARK_START_NS.load(Ordering::Relaxed);
    BENCHMARK_NS.store(elapsed_ns, Ordering::Relaxed);
}
