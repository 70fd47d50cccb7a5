//! Choosing what executes the guest: KVM where it has been proved to work, QEMU's translator elsewhere.
//!
//! That `/dev/kvm` can be opened says little: under nested virtualization it may fail at the first instruction, or hang. So a tiny
//! program is compiled, linked and booted under KVM once, with a time limit, and its exit code checked; the answer is kept in
//! the user's cache folder until the host boots again. Read first: [`choose`].

use super::machine::Machine;
use super::qemu::{Engine, VmSettings};
use super::{Connection, VmError, run};
use crate::cache_folder::cache_folder;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const DEVICE: &str = "/dev/kvm";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const PROOF_TIME_LIMIT: Duration = Duration::from_secs(5);
const PROOF_MEMORY_BYTES: u64 = 64 << 20;
const PROOF_EXIT_CODE: u32 = 42;

/// `(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
///   (func (export "_start") (call 0 (i32.const 42))))`
const PROOF_MODULE: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x08\x02\x60\x01\x7f\x00\x60\x00\x00\
    \x02\x24\x01\x16wasi_snapshot_preview1\x09proc_exit\x00\x00\
    \x03\x02\x01\x01\
    \x07\x0a\x01\x06_start\x00\x01\
    \x0a\x08\x01\x06\x00\x41\x2a\x10\x00\x0b";

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Accelerator {
    /// KVM if it works here, else the translator.
    #[default]
    Auto,
    /// KVM: the host's CPU.
    Kvm,
    /// QEMU's translator, which works everywhere.
    Tcg,
}

/// What is known about KVM on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A program ran under it.
    Works,
    /// It does not work, and why.
    Broken(String),
}

/// The choice, and a word for the user if it may surprise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What will execute the guest.
    pub engine: Engine,
    /// Why it is not KVM, the first time that this turned out.
    pub note: Option<String>,
}

/// Chooses what executes the guest.
///
/// # Errors
/// If KVM is demanded and does not work, or QEMU is missing.
pub fn choose(accelerator: Accelerator) -> Result<Choice, VmError> {
    let quiet = |engine| Ok(Choice { engine, note: None });
    match accelerator {
        Accelerator::Tcg => quiet(Engine::Tcg),
        Accelerator::Auto if !Path::new(DEVICE).exists() => quiet(Engine::Tcg),
        Accelerator::Auto | Accelerator::Kvm => {
            let cache = Cache::open();
            let known = cache.as_ref().and_then(Cache::verdict);
            let is_new = known.is_none();
            let verdict = match known {
                Some(verdict) => verdict,
                None => prove()?,
            };
            if let (true, Some(cache)) = (is_new, &cache) {
                // Without a cache the proof is made again the next time.
                let _ = cache.store(&verdict);
            }
            match (verdict, accelerator) {
                (Verdict::Works, _) => quiet(Engine::Kvm),
                (Verdict::Broken(reason), Accelerator::Kvm) => Err(VmError::KvmBroken(reason)),
                (Verdict::Broken(reason), _) => {
                    let note = is_new.then(|| format!("KVM does not work here ({reason}); using QEMU's translator"));
                    Ok(Choice {
                        engine: Engine::Tcg,
                        note,
                    })
                }
            }
        }
    }
}

/// Boots a program under KVM.
fn prove() -> Result<Verdict, VmError> {
    if let Err(error) = File::options().read(true).write(true).open(DEVICE) {
        return Ok(Verdict::Broken(format!("cannot open {DEVICE}: {error}")));
    }
    let image = wasmetal::compile_to_unikernel(PROOF_MODULE).expect("the module of the proof compiles");
    let settings = VmSettings {
        machine: Machine::default(),
        engine: Engine::Kvm,
        memory_bytes: PROOF_MEMORY_BYTES,
        words: Vec::new(),
        network: None,
        shared_folders: Vec::new(),
        disks: Vec::new(),
    };
    match run(&image, &settings, Connection::Discard, Some(PROOF_TIME_LIMIT)) {
        Ok(PROOF_EXIT_CODE) => Ok(Verdict::Works),
        Ok(code) => Ok(Verdict::Broken(format!("a test program ended with {code}"))),
        Err(VmError::TimeLimit(_)) => Ok(Verdict::Broken("a test program did not end".to_owned())),
        Err(VmError::Died { messages, .. }) => {
            let first = messages.lines().map(str::trim).find(|line| !line.is_empty());
            Ok(Verdict::Broken(
                first.unwrap_or("a test program did not start").to_owned(),
            ))
        }
        Err(error) => Err(error),
    }
}

/// The file that keeps the verdict: the id of the host's boot and our version, then `works` or the reason why not.
struct Cache {
    path: PathBuf,
    key: String,
}

impl Cache {
    /// Finds the file; `None` where the host has no cache folder or no boot id.
    fn open() -> Option<Cache> {
        let boot_id = fs::read_to_string(BOOT_ID).ok()?;
        Some(Cache {
            path: cache_folder()?.join("kvm"),
            key: format!("{} {}", boot_id.trim(), env!("CARGO_PKG_VERSION")),
        })
    }

    fn verdict(&self) -> Option<Verdict> {
        let text = fs::read_to_string(&self.path).ok()?;
        let (key, verdict) = text.split_once('\n')?;
        match verdict.strip_suffix('\n')? {
            _ if key != self.key => None,
            "works" => Some(Verdict::Works),
            reason => Some(Verdict::Broken(reason.to_owned())),
        }
    }

    fn store(&self, verdict: &Verdict) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let verdict = match verdict {
            Verdict::Works => "works",
            Verdict::Broken(reason) => reason,
        };
        writeln!(file, "{}\n{verdict}", self.key)?;
        file.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_remembered_until_the_host_boots_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = Cache {
            path: folder.path().join("wasmetal/kvm"),
            key: "boot-1".to_owned(),
        };
        assert_eq!(cache.verdict(), None);
        for verdict in [Verdict::Works, Verdict::Broken("a reason".to_owned())] {
            cache.store(&verdict).unwrap();
            assert_eq!(cache.verdict(), Some(verdict));
        }
        cache.key = "boot-2".to_owned();
        assert_eq!(cache.verdict(), None);
    }

    #[test]
    fn the_module_of_the_proof_is_valid() {
        assert!(wasmetal::compile_to_unikernel(PROOF_MODULE).is_ok());
    }
}
