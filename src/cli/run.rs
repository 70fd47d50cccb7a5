//! `wasmetal run`: compiles, unless it gets an image, boots and streams.

use super::flags::RunFlags;
use super::{files, image, messages, mounts, ready_image};
use crate::vm::exit::host_exit_code;
use crate::vm::mount::Mount;
use crate::vm::network::NetworkSettings;
use crate::vm::qemu::VmSettings;
use crate::vm::{self, Connection, accelerator, disk, share};
use anyhow::{Context, bail};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use wasmetal::Unikernel;

const MIB: u64 = 1 << 20;

/// RAM of the machine unless the module needs more.
const DEFAULT_MEMORY_BYTES: u64 = 512 * MIB;

/// RAM beyond the least that a default leaves: for files, connections, and memories to grow.
const MEMORY_MARGIN_BYTES: u64 = 256 * MIB;

/// Runs a program and returns its exit code.
pub fn run(flags: &RunFlags) -> anyhow::Result<ExitCode> {
    let path = &flags.image.module;
    if path == Path::new("-") {
        bail!("`run` gives standard input to the program, so it cannot read the module from there");
    }
    let network = flags.network.settings()?;
    let shared_folders = mounts::shared_folders(flags)?;
    let disks = mounts::disks(flags)?;
    let bytes = files::read_module(path)?;
    let (image, memory_floor, program_words) = if ready_image::is_elf(&bytes) {
        let (memory_floor, words) = ready_image::prepare(&flags.image, &bytes)?;
        flags
            .memory
            .map_or(Ok(()), |memory_bytes| memory_floor.check(memory_bytes))?;
        (bytes, memory_floor, words)
    } else {
        let unikernel = compile(flags, &bytes)?;
        (unikernel.image, unikernel.memory_floor, Vec::new())
    };
    let choice = accelerator::choose(flags.accel)?;
    if let Some(note) = &choice.note {
        messages::note(note);
    }
    let mut words = machine_words(network.as_ref(), &shared_folders, &disks);
    words.extend(program_words);
    let settings = VmSettings {
        machine: flags.machine,
        engine: choice.engine,
        memory_bytes: flags
            .memory
            .unwrap_or_else(|| default_memory_bytes(memory_floor.machine_bytes())),
        words,
        network,
        shared_folders,
        disks,
    };
    let code = vm::run(&image, &settings, Connection::Inherit, None)?;
    Ok(ExitCode::from(host_exit_code(code)))
}

fn compile(flags: &RunFlags, wasm: &[u8]) -> anyhow::Result<Unikernel> {
    let path = flags.image.module.display();
    let mut builder = image::builder(&flags.image)?;
    if let Some(memory_bytes) = flags.memory {
        builder = builder.memory_bytes(memory_bytes);
    }
    let _progress = messages::progress(format!("compiling {path}"));
    builder.build(wasm).with_context(|| path.to_string())
}

/// Returns what the kernel is told when it starts: the network, what to mount, and which standard streams are terminals.
fn machine_words(network: Option<&NetworkSettings>, shared_folders: &[Mount], disks: &[Mount]) -> Vec<Vec<u8>> {
    let terminals = [
        (io::stdin().is_terminal(), '0'),
        (io::stdout().is_terminal(), '1'),
        (io::stderr().is_terminal(), '2'),
    ];
    let terminals: String = terminals
        .into_iter()
        .filter_map(|(is_terminal, digit)| is_terminal.then_some(digit))
        .collect();
    let disks = disks.iter().enumerate();
    let folders = shared_folders.iter().enumerate();
    let words = network.into_iter().flat_map(NetworkSettings::words);
    let words = words.chain(folders.map(|(number, folder)| folder.command_line_word(&share::tag(number))));
    let words = words.chain(disks.map(|(number, disk)| disk.command_line_word(&disk::tag(number))));
    let words = words.chain((!terminals.is_empty()).then(|| format!("tty={terminals}")));
    words.map(String::into_bytes).collect()
}

fn default_memory_bytes(minimum_bytes: u64) -> u64 {
    let needed_bytes = minimum_bytes
        .saturating_add(MEMORY_MARGIN_BYTES)
        .max(DEFAULT_MEMORY_BYTES);
    needed_bytes.div_ceil(MIB) * MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_memory_grows_with_the_module() {
        assert_eq!(default_memory_bytes(10 * MIB), 512 * MIB);
        assert_eq!(default_memory_bytes(1024 * MIB + 1), 1281 * MIB);
    }
}
