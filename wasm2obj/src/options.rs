//! How to compile: [`CompileOptions`] and the types of its fields.

use crate::module::TypeRegistry;
use abi::memory_map;
use std::sync::Arc;
use target_lexicon::Triple;

/// What [`compile`](crate::compile) can be told. The default is what `wasmetal` uses.
#[derive(Clone, Debug)]
pub struct CompileOptions {
    /// Target of the object: x86-64 or aarch64. Default `x86_64-unknown-none-elf`.
    pub target: Triple,
    /// CPU that the code may rely on. Default: x86-64-v2, or the architecture's baseline elsewhere.
    pub cpu: Cpu,
    /// Optimisation. Default [`OptLevel::Speed`].
    pub opt_level: OptLevel,
    /// Address of each linear memory, by memory index, imported ones included. Memories beyond the end of the list lie at
    /// [`abi::memory_map::linear_memory_base`]. Default: empty.
    pub memory_bases: Vec<u64>,
    /// How accesses to linear memory are checked. Default [`BoundsChecks::Mmu`].
    pub bounds_checks: BoundsChecks,
    /// Identities of function types. Modules whose functions meet in one table must share it. Default: a fresh one, which
    /// makes the object a function of the input alone.
    pub type_registry: Arc<TypeRegistry>,
    /// Whether each exported function also gets `wasmetal.trampoline.<name>`: an `extern "C" fn(values: *mut u128)` that takes
    /// its arguments from the array and leaves its results there. Default: no.
    pub call_trampolines: bool,
    /// What to produce. Default [`Emit::Object`].
    pub emit: Emit,
}

impl Default for CompileOptions {
    fn default() -> CompileOptions {
        CompileOptions {
            target: default_target(),
            cpu: Cpu::Default,
            opt_level: OptLevel::Speed,
            memory_bases: Vec::new(),
            bounds_checks: BoundsChecks::Mmu,
            type_registry: Arc::new(TypeRegistry::new()),
            call_trampolines: false,
            emit: Emit::Object,
        }
    }
}

impl CompileOptions {
    /// Returns the address of a linear memory.
    pub fn memory_base(&self, index: u32) -> u64 {
        self.memory_bases
            .get(index as usize)
            .copied()
            .unwrap_or_else(|| memory_map::linear_memory_base(index))
    }
}

fn default_target() -> Triple {
    Triple {
        architecture: target_lexicon::Architecture::X86_64,
        vendor: target_lexicon::Vendor::Unknown,
        operating_system: target_lexicon::OperatingSystem::None_,
        environment: target_lexicon::Environment::Unknown,
        binary_format: target_lexicon::BinaryFormat::Elf,
    }
}

/// The CPU that code may rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cpu {
    /// x86-64-v2 on x86-64; the baseline elsewhere.
    #[default]
    Default,
    /// What every CPU of the architecture has.
    Baseline,
    /// The CPU that runs the compiler.
    Native,
    /// A name that Cranelift knows, such as `x86-64-v3`, `haswell` or `znver4`.
    Named(String),
}

impl Cpu {
    /// Returns the CPU that a word of the command line stands for.
    pub fn from_name(name: &str) -> Cpu {
        match name {
            "default" => Cpu::Default,
            "baseline" => Cpu::Baseline,
            "native" => Cpu::Native,
            name => Cpu::Named(name.to_owned()),
        }
    }

    /// Returns the word of the command line for it.
    pub fn name(&self) -> &str {
        match self {
            Cpu::Default => "default",
            Cpu::Baseline => "baseline",
            Cpu::Native => "native",
            Cpu::Named(name) => name,
        }
    }
}

/// How much to optimise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptLevel {
    /// Compile fast.
    None,
    /// Make the code fast.
    #[default]
    Speed,
    /// Make the code fast and small.
    SpeedAndSize,
}

/// How accesses to linear memory are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundsChecks {
    /// By the MMU: what is not memory faults. Memories that this cannot work for (64-bit addresses, pages of another size) are
    /// checked by comparisons all the same.
    #[default]
    Mmu,
    /// By comparisons before each access.
    Explicit,
}

/// What to produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// The object.
    #[default]
    Object,
    /// The object, and each function's Cranelift IR before optimisation, as text.
    Clif,
    /// The object, and each function's machine code as text.
    Assembly,
}
