//! What can be written on the command line, as typed; each flag with a short (`-h`) and a long (`--help`) explanation.
//!
//! Names and forms are those of the `wasmtime` command where it has the same thing.

use super::size::{parse_memory_size, parse_size};
use crate::vm::accelerator::Accelerator;
use crate::vm::machine::Machine;
use crate::vm::network::{Backend, GuestAddress, NetworkSettings, Publish};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Turns a WebAssembly program into a unikernel: one bootable file, no operating system, no Wasm runtime inside.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compiles a program, boots it in a virtual machine and streams its input and output
    ///
    /// FILE may also be an image that `wasmetal build` made; arguments then replace those baked in, and variables join them.
    /// The command ends with the program's exit code, or 255 if that is larger; with 134 if the program traps, and with 2 if it
    /// cannot be run.
    Run(Box<RunFlags>),
    /// Compiles a program into a bootable file
    ///
    /// The file is an ELF image for x86-64. QEMU boots it with `-kernel FILE`, GRUB with `multiboot2 FILE`; Firecracker
    /// and Cloud Hypervisor boot it through PVH.
    Build(Box<BuildFlags>),
    /// Shows what an image is made of
    ///
    /// Prints sections, sizes and who takes them, imports, the ABI version, and the arguments and environment baked in.
    Inspect(InspectFlags),
    /// Makes disks that outlive the program, for `run --volume`
    #[command(subcommand)]
    Volume(VolumeCommand),
}

/// Commands about volumes.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// Makes a file with an empty file system on it (ext3), which Linux can mount too
    Create {
        /// File to make; it must not exist
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Size, such as 64M or 10G; the host provides what is used of it
        #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "64M")]
        size: u64,
    },
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunFlags {
    /// What is compiled.
    #[command(flatten)]
    pub image: ImageFlags,

    /// RAM of the virtual machine, such as 64M or 2G
    ///
    /// The host provides what the program touches, not all of it. [default: 512M, or more if the module's memories need it]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_size)]
    pub memory: Option<u64>,

    /// What executes the guest's instructions
    ///
    /// `auto` takes KVM where a test program ran under it, which is tried once per boot of the host, and QEMU's translator
    /// elsewhere.
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub accel: Accelerator,

    /// The virtual machine's type
    ///
    /// The image is the same for all of them; `microvm` starts fastest.
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub machine: Machine,

    /// Attach a volume, a disk that outlives the program, which finds it as the preopened directory GUEST, or /data
    ///
    /// `wasmetal volume create` makes one; any raw image of an ext3 file system will do. What the program has synced
    /// (fd_sync, fd_datasync) is there whenever and however the machine stops. With `:ro` nothing is written. May be given
    /// several times.
    #[arg(long, value_name = "FILE[::GUEST][:ro]", value_hint = ValueHint::FilePath)]
    pub volume: Vec<String>,

    /// Share a folder of the host with the program, live and writable; with `:ro` it cannot write there
    ///
    /// The program finds it as the preopened directory GUEST, or HOST if no other name is given, and cannot reach outside it. What
    /// either side changes, the other sees at once; `--bake` copies a folder into the image instead. May be given several times.
    #[arg(long, value_name = "HOST[::GUEST][:ro]", value_hint = ValueHint::DirPath)]
    pub dir: Vec<String>,

    /// The network.
    #[command(flatten)]
    pub network: NetworkFlags,
}

/// Flags of the network of `run`.
#[derive(Debug, Args)]
pub struct NetworkFlags {
    /// Give the program a network: `user`, or `tap=NAME` for a TAP device of the host
    ///
    /// `user` needs no privileges; the program reaches the outside, and from outside only published ports are reached. A TAP
    /// device is made by root, as with `ip tuntap add dev NAME mode tap`.
    #[arg(long, value_name = "KIND")]
    pub net: Option<Backend>,

    /// Let a port of the host lead to a port of the program, with `--net user`
    ///
    /// HOST is a port, reached on 127.0.0.1 only, or ADDRESS:PORT. May be given several times.
    #[arg(long, value_name = "HOST:GUEST", requires = "net")]
    pub publish: Vec<Publish>,

    /// Address of the program with the length of its network's prefix, or `dhcp`
    ///
    /// May be given once for IPv4 and once for IPv6. [default: dhcp; with `--net user`, the address that QEMU means]
    #[arg(long, value_name = "ADDRESS/LENGTH", requires = "net")]
    pub ip: Vec<GuestAddress>,

    /// Router to the rest of the world
    #[arg(long, value_name = "ADDRESS", requires = "net")]
    pub gateway: Vec<IpAddr>,

    /// Name server; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "net")]
    pub dns: Vec<IpAddr>,

    /// Have a socket listen before the program starts, which finds it as descriptor 3 and following
    #[arg(long, value_name = "ADDRESS:PORT", requires = "net")]
    pub listen: Vec<SocketAddr>,
}

impl NetworkFlags {
    /// Returns the settings, if there is to be a network.
    pub fn settings(&self) -> anyhow::Result<Option<NetworkSettings>> {
        let Some(backend) = self.net.clone() else {
            return Ok(None);
        };
        if backend != Backend::User && !self.publish.is_empty() {
            anyhow::bail!(
                "`--publish` goes with `--net user`; over a TAP device the program is reached by its own address"
            );
        }
        Ok(Some(NetworkSettings {
            backend,
            publish: self.publish.clone(),
            addresses: self.ip.clone(),
            gateways: self.gateway.clone(),
            name_servers: self.dns.clone(),
            listen: self.listen.clone(),
        }))
    }
}

/// Flags of `build`.
#[derive(Debug, Args)]
pub struct BuildFlags {
    /// What is compiled.
    #[command(flatten)]
    pub image: ImageFlags,

    /// File to write; `-` is standard output
    #[arg(short, long, value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,

    /// Write a bootable ISO with GRUB instead of the bare image
    ///
    /// Needs grub-mkrescue (Debian: grub-pc-bin, grub-common, xorriso, mtools).
    #[arg(long)]
    pub iso: bool,

    /// Write a link map: which input's bytes are at which address
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub link_map: Option<PathBuf>,

    /// Put a symbol table into the image, for gdb and objdump
    #[arg(long)]
    pub symbols: bool,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// Image to look at
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub image: PathBuf,
}

/// What an image is made of.
#[derive(Debug, Args)]
pub struct ImageFlags {
    /// WebAssembly module: binary or text (.wat); `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub module: PathBuf,

    /// Arguments of the program; those that begin with a dash go after `--`
    #[arg(value_name = "ARGS")]
    pub arguments: Vec<OsString>,

    /// Set an environment variable, or pass on this process's
    ///
    /// `--env NAME=VALUE` sets a variable, `--env NAME` takes over its value from the environment of this command. The program
    /// sees no other variables.
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub environment: Vec<OsString>,

    /// Copy a folder of the host into the image, read-only
    ///
    /// The program finds it as the preopened directory GUEST, or HOST if no other name is given. Later changes of the folder do
    /// not reach the image; `run --dir` shares a folder instead of copying it.
    #[arg(long, value_name = "HOST[::GUEST]", value_hint = ValueHint::DirPath)]
    pub bake: Vec<OsString>,

    /// Link a further object or archive (ELF, x86-64), which may define imports
    ///
    /// A function that implements the import `name` of `module` has the symbol `module.name` and the System V calling
    /// convention with exactly the parameters of the import. Linear memory 0 begins at address 0.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub link: Vec<PathBuf>,

    /// WebAssembly options: max-wasm-stack=SIZE, unknown-imports-trap[=y|n]
    ///
    /// `max-wasm-stack=SIZE`: stack of the program, in bytes or with a unit. Default: 1M, or 8M with `--opt none`.
    /// `unknown-imports-trap`: an import that nothing supplies is no error; a call of it traps.
    #[arg(short = 'W', long = "wasm", value_name = "KEY[=VALUE],...", value_delimiter = ',', value_parser = parse_wasm_option, verbatim_doc_comment)]
    pub wasm: Vec<WasmOption>,

    /// CPU that the code may rely on: a name such as x86-64-v3 or skylake, `baseline`, or `native` for this machine's
    ///
    /// The image refuses to start on a lesser CPU. [default: x86-64-v2]
    #[arg(long, value_name = "NAME")]
    pub cpu: Option<String>,

    /// How much to optimise [default: speed]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub opt: Option<Optimization>,

    /// Compile the module even if it was compiled before
    ///
    /// Compiled modules are kept in the folder wasmetal/objects of $XDG_CACHE_HOME, or of ~/.cache, up to 1 GiB, so that a large
    /// module starts at once the second time. With this flag they are neither used nor kept.
    #[arg(long)]
    pub no_cache: bool,
}

/// Values of `--opt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Optimization {
    /// Compile fast
    None,
    /// Make the code fast
    Speed,
    /// Make the code fast and small
    SpeedAndSize,
}

/// Values of `-W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WasmOption {
    /// Size of the program's stack in bytes.
    MaxWasmStack(u64),
    /// Whether an import that nothing supplies traps when called instead of being an error.
    UnknownImportsTrap(bool),
}

fn parse_wasm_option(text: &str) -> Result<WasmOption, String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    match (key, value) {
        ("max-wasm-stack", Some(size)) => parse_size(size).map(WasmOption::MaxWasmStack),
        ("max-wasm-stack", None) => Err("max-wasm-stack needs a size, such as max-wasm-stack=4M".to_owned()),
        ("unknown-imports-trap", None | Some("y" | "yes" | "true")) => Ok(WasmOption::UnknownImportsTrap(true)),
        ("unknown-imports-trap", Some("n" | "no" | "false")) => Ok(WasmOption::UnknownImportsTrap(false)),
        ("unknown-imports-trap", Some(other)) => Err(format!("`{other}` is neither y nor n")),
        _ => Err(format!(
            "unknown option `{key}`; known are max-wasm-stack and unknown-imports-trap"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    fn run_flags(arguments: &[&str]) -> RunFlags {
        let arguments = ["wasmetal", "run"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::Run(flags) => *flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_may_follow_the_file_and_dashes_go_after_two_of_them() {
        let flags = run_flags(&["a.wasm", "one", "--env", "A=B", "--memory", "64M", "--", "--two", "-3"]);
        assert_eq!(flags.image.arguments, ["one", "--two", "-3"]);
        assert_eq!(flags.image.environment, ["A=B"]);
        assert_eq!(flags.memory, Some(64 << 20));
    }

    #[test]
    fn wasm_options_are_lists() {
        let flags = run_flags(&["-W", "max-wasm-stack=4M,unknown-imports-trap", "a.wasm"]);
        assert_eq!(
            flags.image.wasm,
            [WasmOption::MaxWasmStack(4 << 20), WasmOption::UnknownImportsTrap(true)]
        );
        assert!(Cli::try_parse_from(["wasmetal", "run", "-W", "max-wasm-stack", "a.wasm"]).is_err());
    }
}
