//! The target machine: Cranelift's settings, the CPU, and which of its features the code needs.

use super::allocator;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{CompileOptions, Cpu, OptLevel};
use abi::instance::cpu_features;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{self, Builder, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use target_lexicon::{Architecture, BinaryFormat, OperatingSystem, Triple};

/// The x86-64 CPU that code may rely on unless told otherwise.
const DEFAULT_X86_64_CPU: &str = "x86-64-v2";

/// The CPU names that messages suggest; Cranelift knows more.
const SUGGESTED_CPUS: &str =
    "baseline, native, x86-64-v2, x86-64-v3, x86-64-v4, haswell, skylake, icelake-server, znver3, znver4";

/// The code generator, in one form for most functions and one for huge ones.
pub(super) struct Generators {
    usual: OwnedTargetIsa,
    huge: OwnedTargetIsa,
}

impl Generators {
    /// Sets both up.
    pub fn build(options: &CompileOptions) -> Result<Generators> {
        let usual_allocator = match options.opt_level {
            OptLevel::None => SINGLE_PASS,
            OptLevel::Speed | OptLevel::SpeedAndSize => "backtracking",
        };
        Ok(Generators {
            usual: build(options, usual_allocator)?,
            huge: build(options, SINGLE_PASS)?,
        })
    }

    /// Returns the generator for most functions.
    pub fn usual(&self) -> &dyn TargetIsa {
        &*self.usual
    }

    /// Returns the generator for a translated function.
    pub fn for_function(&self, translated: &Function) -> &dyn TargetIsa {
        if allocator::needs_single_pass(translated) {
            &*self.huge
        } else {
            &*self.usual
        }
    }
}

/// The register allocator that takes linear time.
const SINGLE_PASS: &str = "single_pass";

fn build(options: &CompileOptions, allocator: &str) -> Result<OwnedTargetIsa> {
    let target = &options.target;
    check_target(target)?;
    let mut builder = match options.cpu {
        Cpu::Native => native(target)?,
        _ => isa::lookup(elf(target)).map_err(|error| target_error(target, error.to_string()))?,
    };
    let cpu = match &options.cpu {
        Cpu::Default if matches!(target.architecture, Architecture::X86_64) => Some(DEFAULT_X86_64_CPU),
        Cpu::Named(name) => Some(name.as_str()),
        _ => None,
    };
    if let Some(name) = cpu {
        builder.enable(name).map_err(|_| {
            Error::from(ErrorKind::UnknownCpu {
                name: name.to_owned(),
                target: target.to_string(),
                known: SUGGESTED_CPUS.to_owned(),
            })
        })?;
    }
    builder
        .finish(flags(options.opt_level, allocator))
        .map_err(|error| target_error(target, error.to_string()))
}

fn target_error(target: &Triple, problem: String) -> Error {
    ErrorKind::Target {
        target: target.to_string(),
        problem,
    }
    .into()
}

fn check_target(target: &Triple) -> Result<()> {
    match target.architecture {
        Architecture::X86_64 | Architecture::Aarch64(_) => {}
        _ => return Err(target_error(target, "only x86_64 and aarch64 are supported".to_owned())),
    }
    if matches!(
        target.operating_system,
        OperatingSystem::Windows | OperatingSystem::Darwin(_) | OperatingSystem::MacOSX(_)
    ) {
        return Err(target_error(
            target,
            "only targets with ELF objects and the System V convention are supported".to_owned(),
        ));
    }
    Ok(())
}

/// Returns the target with ELF as its format: `x86_64-unknown-none` leaves that open.
fn elf(target: &Triple) -> Triple {
    Triple {
        binary_format: BinaryFormat::Elf,
        ..target.clone()
    }
}

fn native(target: &Triple) -> Result<Builder> {
    let host = Triple::host();
    if host.architecture != target.architecture {
        let problem = format!(
            "the CPU of this machine is {}; name one instead of `native`",
            host.architecture
        );
        return Err(target_error(target, problem));
    }
    let mut builder = isa::lookup(elf(target)).map_err(|error| target_error(target, error.to_string()))?;
    cranelift_native::infer_native_flags(&mut builder).map_err(|error| target_error(target, error.to_owned()))?;
    Ok(builder)
}

fn flags(opt_level: OptLevel, allocator: &str) -> settings::Flags {
    let opt_level = match opt_level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
        OptLevel::SpeedAndSize => "speed_and_size",
    };
    let mut builder = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        ("regalloc_algorithm", allocator),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        // Backtraces follow frame pointers, and exceptions restore the stack from them.
        ("preserve_frame_pointers", "true"),
        // A frame larger than the stack's guard touches each of its pages, so that overflow cannot jump over the guard.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("is_pic", "false"),
        // Where blocks begin, for the placement of functions.
        ("machine_code_cfg_info", "true"),
        ("unwind_info", "false"),
        // One program owns the machine: there is nobody whose secrets speculation could reveal.
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
        // In the C convention, results that do not fit the registers are returned through memory.
        ("enable_multi_ret_implicit_sret", "true"),
    ] {
        builder
            .set(name, value)
            .expect("the setting exists in this version of Cranelift");
    }
    settings::Flags::new(builder)
}

/// Returns the CPU features that the code may use, for the runtime to check before it starts.
pub(super) fn required_cpu_features(isa: &dyn TargetIsa) -> u64 {
    isa.isa_flags()
        .iter()
        .filter(|flag| flag.as_bool() == Some(true))
        .map(|flag| match flag.name {
            "has_sse3" => cpu_features::SSE3,
            "has_ssse3" => cpu_features::SSSE3,
            "has_sse41" => cpu_features::SSE41,
            "has_sse42" => cpu_features::SSE42,
            "has_popcnt" => cpu_features::POPCNT,
            "has_avx" => cpu_features::AVX,
            "has_avx2" => cpu_features::AVX2,
            "has_fma" => cpu_features::FMA,
            "has_bmi1" => cpu_features::BMI1,
            "has_bmi2" => cpu_features::BMI2,
            "has_lzcnt" => cpu_features::LZCNT,
            "has_avx512f" | "has_avx512bitalg" | "has_avx512dq" | "has_avx512vl" | "has_avx512vbmi" => {
                cpu_features::AVX512
            }
            "has_cmpxchg16b" => cpu_features::CMPXCHG16B,
            _ => 0,
        })
        .fold(0, |set, bit| set | bit)
}
