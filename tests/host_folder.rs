//! `run --dir`: a folder of the host that the program finds live, on both kinds of buses; what goes wrong; how fast it is.
//!
//! The guest's side is `fixtures/wasi/folder/folder.c`. Read first: [`guest`].

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{
    FOLDER_TOUR, MACHINES, Outcome, boot, build, build_file, edit_arguments_of_qemu, run_file, temporary_file, wasmetal,
};

/// Returns the command that runs the fixture in a machine, with a value of `--dir`.
fn guest(machine: &str, dir: &str, arguments: &[&str]) -> Command {
    let mut command = wasmetal();
    command.args(["run", "--accel", "tcg", "--machine", machine, "--dir", dir]);
    command
        .arg(fixtures::path("wasi/folder/folder.wasm"))
        .arg("--")
        .args(arguments);
    command
}

fn share(folder: &Path, rest: &str) -> String {
    format!("{}{rest}", folder.display())
}

#[test]
fn the_guest_makes_renames_and_removes_files_and_the_host_sees_it() {
    for machine in MACHINES {
        let folder = tempfile::tempdir().unwrap();
        let outcome = Outcome::of(&mut guest(
            machine,
            &share(folder.path(), "::/data"),
            &["tour", "/data"],
        ));
        assert_eq!(outcome.expect_code(0).stdout, FOLDER_TOUR, "{machine}");
        let note = folder.path().join("sub/note");
        assert_eq!(fs::read_to_string(&note).unwrap(), "from");
        assert_eq!(
            fs::read_link(folder.path().join("soft")).unwrap(),
            Path::new("sub/note")
        );
        let metadata = fs::metadata(&note).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o7777, metadata.nlink()), (0o644, 1));
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["soft", "sub"]);
    }
}

#[test]
fn a_server_that_stops_answering_is_an_error_after_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), vec![1; 4 << 20]).unwrap();
    let mut command = guest(
        "microvm",
        &share(folder.path(), "::/data"),
        &["copy", "/data/file", "/tmp/file"],
    );
    // A read is allowed when those before it are paid for, at a byte a second.
    let edit = "[[ $argument == local,* ]] && argument+=,throttling.bps-read=1";
    edit_arguments_of_qemu(&mut command, folder.path(), edit);
    let outcome = Outcome::of(&mut command).expect_code(1);
    // The program says afterwards how fast it copied.
    assert_eq!(
        outcome.stderr,
        "wasmetal: the server of a shared folder does not answer any more\n0 MB/s\n"
    );
}

#[test]
fn both_sides_see_changes_while_the_guest_runs() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    let made = folder.path().join("made by host");
    let mut command = guest("microvm", &share(folder.path(), "::."), &["live", "."]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut child = support::KillOnDrop(child);
    let mut stdin = child.0.stdin.take().unwrap();
    let mut lines = BufReader::new(child.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "written");
    assert_eq!(fs::read_to_string(&shared).unwrap(), "guest");
    fs::write(&shared, "changed by the host").unwrap();
    fs::write(&made, "here").unwrap();
    stdin.write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap(), "changed by the host");
    assert_eq!(lines.next().unwrap(), "made by host: here");
    assert_eq!(lines.next().unwrap(), "unlink: done");
    assert_eq!(lines.next().unwrap(), "unlinked");
    assert!(!made.exists());
    fs::remove_file(&shared).unwrap();
    stdin.write_all(b"\n").unwrap();
    assert_eq!(lines.next().unwrap(), "shared: No such file or directory");
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_leads_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("folder");
    fs::write(outside.path().join("secret"), "SECRET").unwrap();
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("inside"), "inside").unwrap();
    symlink(outside.path().join("secret"), folder.join("absolute")).unwrap();
    symlink(outside.path(), folder.join("absolute-folder")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("sub/../up/secret", folder.join("chain")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(folder.join("pipe"))
            .status()
            .unwrap()
            .success()
    );
    let outcome = Outcome::of(&mut guest("microvm", &share(&folder, "::/data"), &["escape", "/data"])).expect_code(0);
    let refused = |what: &str| format!("{what}: Operation not permitted\n");
    let reads = [
        "../secret",
        "sub/../../secret",
        "absolute",
        "absolute-folder/secret",
        "up/secret",
        "chain",
    ];
    let changes = [
        "rename out",
        "rename through link",
        "link out",
        "unlink out",
        "mkdir out",
        "create out",
        "absolute symlink",
    ];
    // A hard link to a symbolic link is another link, and leads nowhere either. A pipe of the host is not opened.
    let expected = reads.map(refused).concat()
        + "loop: Symbolic link loop\n"
        + &changes.map(refused).concat()
        + "hard link to a link: done\n"
        + &["hard", "pipe"].map(refused).concat();
    assert_eq!(outcome.stdout, expected);
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "SECRET");
    let mut names: Vec<_> = fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["folder", "secret"]);
    assert_eq!(fs::read_to_string(folder.join("inside")).unwrap(), "inside");
}

#[test]
fn a_read_only_folder_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    let dir = share(folder.path(), "::/data:ro");
    let read = Outcome::of(&mut guest("microvm", &dir, &["read", "/data/file"])).expect_code(0);
    assert_eq!(read.stdout, "/data/file: text\n");
    Outcome::of(&mut guest("microvm", &dir, &["tour", "/data"])).expect_code(1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn several_folders_have_several_names() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    fs::write(folders[1].path().join("file"), "second, with a name").unwrap();
    for machine in MACHINES {
        let mut command = wasmetal();
        command.args(["run", "--accel", "tcg", "--machine", machine]);
        for (folder, name) in folders.iter().zip(["/a", "/with \"quotes\" and: colons"]) {
            command.arg("--dir").arg(format!("{}::{name}", folder.path().display()));
        }
        command.arg(fixtures::path("wasi/folder/folder.wasm"));
        command.args(["--", "read", "/with \"quotes\" and: colons/file"]);
        let outcome = Outcome::of(&mut command).expect_code(0);
        assert!(outcome.stdout.ends_with(": second, with a name\n"), "{outcome:#?}");
    }
}

#[test]
fn a_large_file_is_copied_both_ways_unchanged() {
    const LEN_BYTES: usize = 100 << 20;
    for machine in MACHINES {
        let folder = tempfile::tempdir().unwrap();
        let mut state = 1u64;
        let bytes: Vec<u8> = (0..LEN_BYTES / 8)
            .flat_map(|_| {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                state.to_le_bytes()
            })
            .collect();
        fs::write(folder.path().join("from"), &bytes).unwrap();
        let checksum = bytes.chunks_exact(8).fold(0u64, |sum, word| {
            (sum ^ u64::from_le_bytes(word.try_into().unwrap())).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let dir = share(folder.path(), "::/data");
        let outcome = Outcome::of(&mut guest(machine, &dir, &["copy", "/data/from", "/data/to"])).expect_code(0);
        assert_eq!(outcome.stdout, format!("{LEN_BYTES} {checksum:016x}\n"));
        assert!(
            fs::read(folder.path().join("to")).unwrap() == bytes,
            "{machine}: the copy differs"
        );
        println!("{machine}: 100 MiB read and written at {}", outcome.stderr.trim());
    }
}

#[test]
fn a_folder_of_ten_thousand_files_is_listed_whole() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        fs::write(folder.path().join(format!("file-{number:05}")), "").unwrap();
    }
    let outcome = Outcome::of(&mut guest(
        "microvm",
        &share(folder.path(), "::/data"),
        &["list", "/data"],
    ));
    assert_eq!(outcome.expect_code(0).stdout, "10000 100000\n");
}

#[test]
fn esbuild_writes_its_bundle_to_the_host() {
    let Some(wasm) = fixtures::third_party("esbuild") else {
        return fixtures::skip("esbuild", "run fixtures/fetch first");
    };
    let folder = tempfile::tempdir().unwrap();
    let source = fixtures::path("third_party/esbuild/.");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(source)
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let dir = share(folder.path(), "::/");
    let arguments = [
        "--env",
        "PWD=/",
        "--dir",
        &dir,
        "--",
        "src/main.ts",
        "--bundle",
        "--minify-whitespace",
        "--outfile=out/bundle.js",
    ];
    run_file(wasm, &arguments).expect_code(0);
    let bundle = fs::read(folder.path().join("out/bundle.js")).unwrap();
    assert!(bundle == fs::read(fixtures::path("expected/esbuild.stdout")).unwrap());
}

/// Builds an image that prints `/data/file`.
fn reader_image() -> tempfile::NamedTempFile {
    let program = fixtures::path("wasi/folder/folder.wasm");
    temporary_file(&build_file(program, &["--", "read", "/data/file"]))
}

#[test]
fn what_cannot_be_shared_is_said_once() {
    let outcome = run_file(support::wat("hello"), &["--dir", "no-such-folder::/"]).expect_code(2);
    assert!(outcome.stderr.contains("no-such-folder"), "{outcome:#?}");
    let image = reader_image();
    let outcome = boot(&["-kernel", image.path().to_str().unwrap(), "-append", "mount=gone:/data"]);
    let said = "wasmetal: mount=gone:/data: the machine has no device with this tag";
    assert_eq!(outcome.stdout.matches(said).count(), 1, "{outcome:#?}");
}

#[test]
fn an_image_started_by_hand_finds_a_folder_by_its_tag() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "by hand").unwrap();
    let image = reader_image();
    let backend = format!("local,id=f,security_model=none,path={}", folder.path().display());
    let outcome = boot(&[
        "-fsdev",
        &backend,
        "-device",
        "virtio-9p-pci,fsdev=f,mount_tag=mine",
        "-append",
        "mount=mine:/data",
        "-kernel",
        image.path().to_str().unwrap(),
    ]);
    assert_eq!(
        outcome.stdout.replace('\r', ""),
        "/data/file: by hand\n",
        "{outcome:#?}"
    );
}

#[test]
fn a_program_without_files_carries_no_file_system_client() {
    let said = b"its server does not speak 9P2000.L";
    let find = |image: &[u8]| image.windows(said.len()).any(|window| window == said);
    assert!(!find(&build("hello", &[])));
    assert!(find(&build_file(fixtures::path("wasi/folder/folder.wasm"), &[])));
}
