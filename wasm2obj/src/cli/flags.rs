//! What the command can be told: flags as they are typed, and their meaning as [`CompileOptions`].
//!
//! Each flag's first paragraph is what `-h` shows; `--help` shows all of it. Values are checked here as far as they can be
//! without the module; what depends on the module is the library's to refuse.

use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use target_lexicon::{BinaryFormat, OperatingSystem, Triple};
use wasm2obj::{BoundsChecks, CompileOptions, Cpu, Emit, OptLevel};

/// The largest address of a linear memory: what it can reach lies in the lower half of the address space.
const MAX_MEMORY_BASE: u64 = (1 << 47) - abi::memory_map::WINDOW_STRIDE;

/// Compiles a WebAssembly module into an ELF relocatable object.
///
/// The object belongs to no operating system. The module's functions become native functions with the platform's C calling
/// convention, its exports the symbols `wasm.export.<name>`, and its imports undefined symbols `<module>.<name>`. Whoever links
/// the object supplies those, maps the linear memory at its address and starts the program from the symbol `wasmetal.module`.
#[derive(Debug, Parser)]
#[command(name = "wasm2obj", version)]
pub(crate) struct Flags {
    /// The module: binary or text form, or `-` for standard input
    ///
    /// The form is recognised by content, not by the file's name.
    #[arg(value_name = "INPUT")]
    input: PathBuf,

    /// Where the result goes [default: INPUT's name with the suffix .o, .clif or .s]
    ///
    /// `-` is standard output, which is also the default if INPUT is standard input. A file appears complete or not at all: it
    /// is written under another name first and then renamed.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Target of the object, such as x86_64 or aarch64-linux-gnu [default: x86_64-unknown-none-elf]
    ///
    /// Only the architecture matters to the code: objects are always ELF, and their calling convention is the one that the
    /// platform's ELF ABI gives to C.
    #[arg(long, value_name = "TRIPLE", value_parser = parse_target)]
    target: Option<Triple>,

    /// CPU that the code may rely on: a name, `native` or `baseline` [default: x86-64-v2]
    ///
    /// Names are Cranelift's: x86-64-v2, x86-64-v3, x86-64-v4, haswell, znver4 and so on; an unknown name lists the known ones.
    /// `native` is the CPU of the machine that compiles, `baseline` what every CPU of the architecture has, which is also the
    /// default for architectures other than x86-64. The object states what it needs, and a CPU without it is refused at start.
    #[arg(long, value_name = "NAME|native")]
    cpu: Option<String>,

    /// How much to optimise
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "speed")]
    opt: Opt,

    /// Address of linear memory 0 [default: 0]
    ///
    /// Decimal, or hexadecimal with 0x; a multiple of 64 KiB. Further memories follow at intervals of 16 GiB, unless their
    /// addresses are given too, separated by commas. Address 0 gives the smallest and fastest code on x86-64; another one suits
    /// a process that may not map it.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = parse_address)]
    memory_base: Vec<u64>,

    /// How accesses to linear memory are checked
    #[arg(long, value_enum, value_name = "WAY", default_value = "mmu")]
    bounds_checks: Bounds,

    /// What to write
    #[arg(long, value_enum, value_name = "KIND", default_value = "obj")]
    emit: Kind,
}

/// Values of `--opt`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Opt {
    /// Compile fast
    None,
    /// Make the code fast
    Speed,
    /// Make the code fast and small
    SpeedAndSize,
}

/// Values of `--bounds-checks`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bounds {
    /// By the MMU: 8 GiB from each 32-bit memory's start on are memory or fault
    Mmu,
    /// By comparisons before each access, for targets without an MMU or with little address space
    Explicit,
}

/// Values of `--emit`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The ELF object
    Obj,
    /// Cranelift's intermediate representation of each function before optimisation, annotated with the module's names
    Clif,
    /// The machine code of each function as text
    Asm,
}

impl Flags {
    /// Where the module comes from; `None` is standard input.
    pub(crate) fn input(&self) -> Option<&Path> {
        not_dash(&self.input)
    }

    /// Where the result goes; `None` is standard output.
    pub(crate) fn output(&self) -> Option<PathBuf> {
        match (&self.output, self.input()) {
            (Some(output), _) => not_dash(output).map(Path::to_owned),
            (None, None) => None,
            (None, Some(input)) => Some(PathBuf::from(input.file_name()?).with_extension(self.emit.suffix())),
        }
    }

    /// Whether the result is text.
    pub(crate) fn output_is_text(&self) -> bool {
        !matches!(self.emit, Kind::Obj)
    }

    /// Returns what the flags mean to the library.
    pub(crate) fn compile_options(&self) -> CompileOptions {
        let mut options = CompileOptions {
            opt_level: match self.opt {
                Opt::None => OptLevel::None,
                Opt::Speed => OptLevel::Speed,
                Opt::SpeedAndSize => OptLevel::SpeedAndSize,
            },
            bounds_checks: match self.bounds_checks {
                Bounds::Mmu => BoundsChecks::Mmu,
                Bounds::Explicit => BoundsChecks::Explicit,
            },
            emit: match self.emit {
                Kind::Obj => Emit::Object,
                Kind::Clif => Emit::Clif,
                Kind::Asm => Emit::Assembly,
            },
            cpu: self.cpu.as_deref().map_or(Cpu::Default, Cpu::from_name),
            ..CompileOptions::default()
        };
        options.memory_bases.clone_from(&self.memory_base);
        if let Some(target) = &self.target {
            options.target = target.clone();
        }
        options
    }
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Kind::Obj => "o",
            Kind::Clif => "clif",
            Kind::Asm => "s",
        }
    }
}

fn not_dash(path: &Path) -> Option<&Path> {
    (path != Path::new("-")).then_some(path)
}

/// Parses a triple. One that names no operating system, such as `aarch64`, means bare ELF.
fn parse_target(text: &str) -> Result<Triple, String> {
    let mut triple = Triple::from_str(text).map_err(|error| error.to_string())?;
    if triple.operating_system == OperatingSystem::Unknown && triple.binary_format == BinaryFormat::Unknown {
        triple.operating_system = OperatingSystem::None_;
        triple.binary_format = BinaryFormat::Elf;
    }
    Ok(triple)
}

fn parse_address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let address = parsed.map_err(|error| error.to_string())?;
    if !address.is_multiple_of(abi::memory_map::WASM_PAGE_SIZE) {
        return Err("the address of a linear memory must be a multiple of 64 KiB".to_owned());
    }
    if address > MAX_MEMORY_BASE {
        return Err(format!(
            "the address of a linear memory must be at most {MAX_MEMORY_BASE:#x}"
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_flags_is_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn addresses_are_decimal_or_hexadecimal_and_aligned() {
        assert_eq!(parse_address("65536"), Ok(0x10000));
        assert_eq!(parse_address("0x1_0000").ok(), None);
        assert_eq!(parse_address("0x400000000"), Ok(1 << 34));
        assert!(parse_address("0x1000").is_err());
        assert!(parse_address("-65536").is_err());
        assert!(parse_address("0x7fff_ffff_0000").is_err());
        assert!(parse_address("0xffffffffffff0000").is_err());
    }

    #[test]
    fn an_architecture_alone_means_bare_elf() {
        let triple = parse_target("aarch64").expect("a known architecture");
        assert_eq!(triple.binary_format, BinaryFormat::Elf);
        assert!(parse_target("z80").is_err());
    }

    #[test]
    fn the_default_output_is_named_after_the_input_in_the_current_folder() {
        let output = |arguments: &[&str]| {
            Flags::try_parse_from([&["wasm2obj"], arguments].concat())
                .unwrap()
                .output()
        };
        assert_eq!(output(&["/tmp/app.wasm"]), Some("app.o".into()));
        assert_eq!(output(&["app.wat", "--emit", "asm"]), Some("app.s".into()));
        assert_eq!(output(&["-"]), None);
        assert_eq!(output(&["app.wat", "-o", "-"]), None);
    }
}
