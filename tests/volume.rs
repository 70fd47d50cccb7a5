//! `run --volume`: a disk that outlives the program, on both kinds of buses, and what is on it after the machine was killed or the
//! power cut.
//!
//! The guest's sides are `fixtures/wat/journal.wat`, which syncs numbers and prints each one afterwards, and
//! `fixtures/wasi/folder/folder.c`; e2fsprogs check and change volumes from outside. Read first: [`Interruption`].

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::{
    FOLDER_TOUR, KillOnDrop, MACHINES, Outcome, children, edit_arguments_of_qemu, run_file, send, wasmetal,
    wasmetal_directly, wat,
};

/// A folder with a volume and what a test needs beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        // In memory: the host stays up, so its disk would only make the guest wait, the longer the busier others keep it.
        let place = Place {
            folder: tempfile::tempdir_in("/dev/shm").unwrap(),
        };
        let mut command = wasmetal();
        command.args(["volume", "create", "--size", "16M"]).arg(place.volume());
        Outcome::of(&mut command).expect_code(0);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn volume(&self) -> PathBuf {
        self.path("volume")
    }

    /// Runs the fixture that works in a folder.
    fn run_folder(&self, machine: &str, suffix: &str, arguments: &[&str]) -> Outcome {
        let volume = format!("{}{suffix}", self.volume().display());
        let mut options = vec!["--machine", machine, "--volume", &volume, "--"];
        options.extend(arguments);
        run_file(fixtures::path("wasi/folder/folder.wasm"), &options)
    }

    /// Appends a number to the log and ends the program as usual, so that nothing of an earlier run is left to finish.
    fn append_zero(&self) {
        let mut command = wasmetal();
        command.args(["run", "--accel", "tcg", "--volume"]).arg(self.volume());
        let child = command.arg(wat("journal")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&1u32.to_le_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(0), vec![0; 4]));
    }

    fn debugfs(&self, request: &str) -> Vec<u8> {
        let mut command = Command::new("debugfs");
        let output = command.args(["-w", "-R", request]).arg(self.volume()).output();
        output.expect("debugfs is installed (e2fsprogs)").stdout
    }

    /// Lets Linux's tool replay the journal.
    fn recover_with_e2fsck(&self) {
        let status = Command::new("e2fsck").args(["-p"]).arg(self.volume()).output();
        // 1: it changed something, as it should.
        assert!(matches!(status.unwrap().status.code(), Some(0 | 1)));
    }

    /// Checks that nothing is left to repair or to finish.
    #[track_caller]
    fn check(&self) {
        Outcome::of(Command::new("e2fsck").arg("-fn").arg(self.volume())).expect_code(0);
    }
}

/// What stops a machine in the middle of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interruption {
    /// QEMU is killed: the host has everything that the guest wrote.
    Kill,
    /// The host loses its power, too: on its disk is what the guest flushed, and nothing that came later. QEMU's driver
    /// `blklogwrites` records which writes came before which flush.
    PowerCut,
}

impl Interruption {
    /// Starts a guest on a new volume, stops it once it has said that `numbers` were synced, and checks that these are there.
    /// Returns how many there were in the end.
    fn happen(self, machine: &str, numbers: usize, is_recovered_by_linux: bool) -> usize {
        let place = Place::new();
        let fresh = fs::read(place.volume()).unwrap();
        let synced = run_until(&place, self, machine, numbers);
        if self == Interruption::PowerCut {
            fs::write(
                place.volume(),
                replay_flushed(fresh, &fs::read(place.path("log")).unwrap()),
            )
            .unwrap();
        }
        if is_recovered_by_linux {
            place.recover_with_e2fsck();
        } else {
            place.append_zero();
        }
        place.check();
        let mut log: Vec<u32> = place
            .debugfs("cat log")
            .chunks_exact(4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        if !is_recovered_by_linux {
            assert_eq!(log.pop(), Some(0));
        }
        assert!(log.len() >= synced, "{} of {synced} are there", log.len());
        assert_eq!(log, (0..log.len() as u32).collect::<Vec<_>>(), "{synced} were synced");
        synced
    }

    fn happen_often(self, times: usize, most_numbers: usize) {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut total = 0;
        for time in 0..times {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // One number at least: then QEMU runs.
            let numbers = 1 + state as usize % most_numbers;
            // Every other machine has PCI, every other two are looked at by Linux first.
            total += self.happen(MACHINES[time % 2], numbers, time / 2 % 2 == 1);
        }
        println!("{self:?}: {times} times, {total} numbers were synced, and all are there");
    }
}

/// Runs the guest and kills QEMU once it has printed as many numbers; returns how many it has printed by its end.
fn run_until(place: &Place, interruption: Interruption, machine: &str, numbers: usize) -> usize {
    let mut command = wasmetal_directly();
    if interruption == Interruption::PowerCut {
        log_writes(place, &mut command);
    }
    command.args(["run", "--accel", "tcg", "--machine", machine, "--volume"]);
    let command = command.arg(place.volume()).arg(wat("journal"));
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = KillOnDrop(command.spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    stdin.write_all(&u32::MAX.to_le_bytes()).unwrap();
    let mut stdout = child.0.stdout.take().unwrap();
    let mut printed = vec![0; numbers * 4];
    stdout.read_exact(&mut printed).unwrap();
    let machines = children(&child.0);
    assert_eq!(machines.len(), 1, "one QEMU");
    send("KILL", machines[0]);
    stdout.read_to_end(&mut printed).unwrap();
    child.0.wait().unwrap();
    printed.len() / 4
}

/// Has QEMU write down what reaches the disk. Nothing else of the drive changes, so that its own options decide whether flushes get
/// there.
fn log_writes(place: &Place, command: &mut Command) {
    let log = place.path("log");
    fs::write(&log, "").unwrap();
    let edit = r#"if [[ $argument == if=none,id=volume* ]]; then
        argument=${argument/file=/file.filename=}
        argument=${argument/format=raw/driver=blklogwrites,file.driver=file,log.driver=file,log.cache.no-flush=on,log.filename=LOG}
    fi"#;
    edit_arguments_of_qemu(
        command,
        place.folder.path(),
        &edit.replace("LOG", log.to_str().unwrap()),
    );
}

/// Applies the writes before the last flush of a log (in the format of Linux's `dm-log-writes`) to the bytes of a disk.
fn replay_flushed(disk: Vec<u8>, log: &[u8]) -> Vec<u8> {
    const SECTOR_LEN_BYTES: usize = 512;
    const FLUSH_FLAG: usize = 1;
    let number = |offset: usize| u64::from_le_bytes(log[offset..offset + 8].try_into().unwrap()) as usize;
    let (mut flushed, mut written) = (disk.clone(), disk);
    let mut position = SECTOR_LEN_BYTES;
    for _ in 0..number(16) {
        let [sector, sector_count, flags] = [0, 8, 16].map(|offset| number(position + offset));
        position += SECTOR_LEN_BYTES;
        if flags & FLUSH_FLAG != 0 {
            flushed.clone_from(&written);
        }
        let len_bytes = sector_count * SECTOR_LEN_BYTES;
        let start = sector * SECTOR_LEN_BYTES;
        written[start..start + len_bytes].copy_from_slice(&log[position..position + len_bytes]);
        position += len_bytes;
    }
    flushed
}

#[test]
fn the_guest_makes_renames_and_removes_files_and_linux_reads_them() {
    for machine in MACHINES {
        let place = Place::new();
        let outcome = place.run_folder(machine, "", &["tour", "/data"]).expect_code(0);
        assert_eq!(outcome.stdout, FOLDER_TOUR, "{machine}");
        place.check();
        assert_eq!(place.debugfs("cat /sub/note"), b"from", "{machine}");
        let link = String::from_utf8(place.debugfs("stat /soft")).unwrap();
        assert!(link.contains("sub/note"), "{link}");
    }
}

#[test]
fn the_guest_reads_what_linux_wrote_and_a_read_only_volume_stays_as_it_is() {
    let place = Place::new();
    fs::write(place.path("source"), "from Linux").unwrap();
    place.debugfs(&format!("write {} file", place.path("source").display()));
    let before = fs::read(place.volume()).unwrap();
    for machine in MACHINES {
        let read = place
            .run_folder(machine, "::/disk:ro", &["read", "/disk/file"])
            .expect_code(0);
        assert_eq!(read.stdout, "/disk/file: from Linux\n", "{machine}");
        place
            .run_folder(machine, "::/disk:ro", &["tour", "/disk"])
            .expect_code(1);
        assert!(fs::read(place.volume()).unwrap() == before, "{machine}");
    }
}

#[test]
fn several_volumes_have_several_names() {
    let places = [Place::new(), Place::new()];
    let [first, second] = &places;
    first.run_folder("microvm", "", &["tour", "/data"]).expect_code(0);
    let volumes = [first, second].map(|place| place.volume().display().to_string());
    let with_names = [format!("{}::/a", volumes[0]), format!("{}::/b", volumes[1])];
    for machine in MACHINES {
        let mut options = vec!["--machine", machine];
        options.extend(with_names.iter().flat_map(|volume| ["--volume", volume]));
        options.extend(["--", "list", "/b"]);
        let folder = fixtures::path("wasi/folder/folder.wasm");
        let list = run_file(&folder, &options).expect_code(0);
        assert_eq!(list.stdout, "1 10\n", "{machine}: lost+found");
        let last = options.len() - 2;
        options.splice(last.., ["read", "/a/sub/note"]);
        let read = run_file(&folder, &options).expect_code(0);
        assert_eq!(read.stdout, "/a/sub/note: from\n", "{machine}");
    }
}

#[test]
fn what_a_program_wrote_before_it_trapped_is_there() {
    let place = Place::new();
    let mut command = wasmetal();
    command.args(["run", "--accel", "tcg", "--volume"]).arg(place.volume());
    let outcome = Outcome::of(command.arg(wat("write_and_trap"))).expect_code(134);
    assert!(outcome.stderr.contains("unreachable"), "{outcome:#?}");
    place.check();
    assert_eq!(place.debugfs("cat note"), b"note");
}

#[test]
fn what_is_not_a_volume_is_said() {
    let place = Place::new();
    let outcome = place
        .run_folder("microvm", "-missing", &["list", "/data"])
        .expect_code(2);
    assert!(outcome.stderr.contains("wasmetal volume create"), "{outcome:#?}");
    let mut command = wasmetal();
    command.args(["volume", "create"]).arg(place.volume());
    let outcome = Outcome::of(&mut command).expect_code(2);
    assert!(outcome.stderr.contains("exists"), "{outcome:#?}");
    fs::write(place.volume(), [0; 65_536]).unwrap();
    let outcome = place.run_folder("microvm", "", &["list", "/data"]);
    assert!(
        outcome.stderr.contains("the disk has no ext3 file system"),
        "{outcome:#?}"
    );
}

#[test]
fn what_was_synced_survives_killing_the_machine() {
    Interruption::Kill.happen_often(10, 300);
}

#[test]
fn what_was_synced_survives_a_power_cut() {
    Interruption::PowerCut.happen_often(10, 40);
}

#[test]
#[ignore = "takes minutes; CONTRIBUTING.md says when to run it"]
fn two_hundred_killed_machines_keep_what_was_synced() {
    Interruption::Kill.happen_often(200, 400);
}

#[test]
#[ignore = "takes minutes; CONTRIBUTING.md says when to run it"]
fn two_hundred_power_cuts_keep_what_was_synced() {
    Interruption::PowerCut.happen_often(200, 40);
}
