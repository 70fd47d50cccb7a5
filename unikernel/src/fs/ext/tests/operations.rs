//! What programs do with files, seen by the program and by `e2fsck` and `debugfs`.

use super::disk::{Disk, NOW_NS, file};
use crate::fs::ext::{ROOT, Volume};
use crate::fs::node::WriteAt;
use crate::fs::{Access, Error, FileSystem, NewNode, NodeId};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use std::process::Command;
use std::string::String;

const LEN_BYTES: usize = 16 << 20;

fn create_file(volume: &mut Volume, name: &str, bytes: &[u8]) -> NodeId {
    let id = volume.create(ROOT, name.as_bytes(), NewNode::File, NOW_NS).unwrap();
    assert_eq!(
        volume.write(id, WriteAt::End, bytes, NOW_NS),
        Ok((bytes.len(), bytes.len() as u64))
    );
    id
}

fn contents(volume: &mut Volume, id: NodeId) -> Vec<u8> {
    let length = volume.metadata(id).unwrap().length_bytes as usize;
    let mut bytes = std::vec![0; length];
    assert_eq!(volume.read(id, 0, &mut bytes), Ok(length));
    bytes
}

fn names(volume: &mut Volume, directory: NodeId) -> Vec<String> {
    let mut names = Vec::new();
    volume
        .read_directory(directory, 0, &mut |entry| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
    names
}

fn pattern(len_bytes: usize, seed: u32) -> Vec<u8> {
    (0..len_bytes as u32)
        .map(|index| (index.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn fresh_volumes_of_many_sizes_are_sound() {
    for mib in [8, 9, 64, 127, 129, 257] {
        let disk = Disk::formatted(mib << 20);
        disk.check();
        disk.mount();
    }
}

#[test]
fn what_was_written_is_there_after_unmounting_and_mounting() {
    let disk = Disk::formatted(LEN_BYTES);
    let mut volume = disk.mount();
    let long = "x".repeat(255);
    let large = pattern(5 << 20, 1);
    create_file(&mut volume, &long, b"small");
    create_file(&mut volume, "large", &large);
    let folder = volume.create(ROOT, b"folder", NewNode::Directory, NOW_NS).unwrap();
    volume
        .create(folder, b"short link", NewNode::Symlink(b"../large"), NOW_NS)
        .unwrap();
    volume
        .create(folder, b"long link", NewNode::Symlink(&[b'y'; 3000]), NOW_NS)
        .unwrap();
    volume.unmount().unwrap();
    disk.check();
    let mut volume = disk.mount();
    let found = volume.lookup(ROOT, b"large").unwrap();
    assert!(contents(&mut volume, found.id) == large);
    let found = volume.lookup(ROOT, long.as_bytes()).unwrap();
    assert_eq!(contents(&mut volume, found.id), b"small");
    assert_eq!(volume.metadata(found.id).unwrap().modified_ns, NOW_NS);
    for (name, target) in [(&b"short link"[..], &b"../large"[..]), (b"long link", &[b'y'; 3000])] {
        let link = volume.lookup(folder, name).unwrap();
        let mut read = Vec::new();
        volume.read_link(link.id, &mut read).unwrap();
        assert_eq!(read, target);
    }
    assert_eq!(volume.lookup(ROOT, "x".repeat(256).as_bytes()), Err(Error::NameTooLong));
}

#[test]
fn holes_read_as_zeros_and_a_cut_file_keeps_no_rest() {
    let disk = Disk::formatted(LEN_BYTES);
    let mut volume = disk.mount();
    let id = create_file(&mut volume, "a", &pattern(10_000, 3));
    volume.set_length(id, 5000, NOW_NS).unwrap();
    volume.write(id, WriteAt::Offset(6 << 30), b"end", NOW_NS).unwrap();
    let mut bytes = [1; 100];
    assert_eq!(volume.read(id, 4950, &mut bytes), Ok(100));
    assert_eq!(bytes[..50], pattern(5000, 3)[4950..]);
    assert_eq!(bytes[50..], [0; 50]);
    assert_eq!(volume.read(id, (6 << 30) - 2, &mut bytes), Ok(5));
    assert_eq!(bytes[..5], *b"\0\0end");
    volume.set_length(id, 0, NOW_NS).unwrap();
    volume.unmount().unwrap();
    disk.check();
}

#[test]
fn links_renames_and_removals_leave_a_sound_volume() {
    let disk = Disk::formatted(LEN_BYTES);
    let mut volume = disk.mount();
    let id = create_file(&mut volume, "one", b"1");
    volume.link(id, ROOT, b"two", NOW_NS).unwrap();
    assert_eq!(volume.metadata(id).unwrap().links, 2);
    create_file(&mut volume, "victim", &pattern(100_000, 9));
    volume.rename((ROOT, b"one"), (ROOT, b"victim"), NOW_NS).unwrap();
    let outer = volume.create(ROOT, b"outer", NewNode::Directory, NOW_NS).unwrap();
    let inner = volume.create(outer, b"inner", NewNode::Directory, NOW_NS).unwrap();
    assert_eq!(
        volume.rename((ROOT, b"outer"), (inner, b"x"), NOW_NS),
        Err(Error::Invalid)
    );
    assert_eq!(volume.remove_directory(ROOT, b"outer", NOW_NS), Err(Error::NotEmpty));
    volume.rename((outer, b"inner"), (ROOT, b"moved"), NOW_NS).unwrap();
    volume.remove_directory(ROOT, b"outer", NOW_NS).unwrap();
    assert_eq!(names(&mut volume, ROOT), ["lost+found", "two", "victim", "moved"]);
    volume.unlink(ROOT, b"two", NOW_NS).unwrap();
    volume.unlink(ROOT, b"victim", NOW_NS).unwrap();
    assert_eq!(volume.lookup(ROOT, b"two"), Err(Error::NotFound));
    volume.unmount().unwrap();
    disk.check();
}

#[test]
fn an_open_file_outlives_its_name_and_then_its_space_is_free() {
    let disk = Disk::formatted(LEN_BYTES);
    let mut volume = disk.mount();
    let access = Access {
        read: true,
        write: true,
    };
    let id = create_file(&mut volume, "a", b"still here");
    volume.open(id, access).unwrap();
    volume.unlink(ROOT, b"a", NOW_NS).unwrap();
    assert_eq!(contents(&mut volume, id), b"still here");
    volume.sync(ROOT, false).unwrap();
    // As after a crash: the next mount frees the file.
    disk.check();
    Disk::new(disk.bytes.borrow().clone()).mount();
    volume.close(id, access);
    assert_eq!(volume.metadata(id), Err(Error::Io));
    volume.unmount().unwrap();
    disk.check();
}

#[test]
fn a_full_volume_says_so_and_space_comes_back() {
    let disk = Disk::formatted(8 << 20);
    let mut volume = disk.mount();
    let part = pattern(64 * 1024, 5);
    for _ in 0..3 {
        let id = create_file(&mut volume, "big", b"");
        let mut total = 0;
        let error = loop {
            match volume.write(id, WriteAt::End, &part, NOW_NS) {
                Ok((count, _)) => total += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error, Error::NoSpace);
        assert!(total > 3 << 20, "{total}");
        volume.unlink(ROOT, b"big", NOW_NS).unwrap();
    }
    volume.unmount().unwrap();
    disk.check();
}

#[test]
fn a_thousand_names_come_and_go() {
    let disk = Disk::formatted(LEN_BYTES);
    let mut volume = disk.mount();
    let folder = volume.create(ROOT, b"d", NewNode::Directory, NOW_NS).unwrap();
    for number in 0..1000 {
        let name = std::format!("name-{number}-{}", "z".repeat(number % 60));
        volume
            .create(folder, name.as_bytes(), NewNode::Symlink(b"t"), NOW_NS)
            .unwrap();
        if number % 3 == 0 {
            volume.unlink(folder, name.as_bytes(), NOW_NS).unwrap();
        }
    }
    assert_eq!(names(&mut volume, folder).len(), 666);
    volume.unmount().unwrap();
    disk.check();
}

#[test]
fn volumes_of_linux_tools_are_used_and_theirs_use_ours() {
    for arguments in [&["-b", "1024"][..], &["-b", "4096"], &["-b", "2048", "-I", "128"]] {
        let image = file(&std::vec![0; LEN_BYTES]);
        let made = Command::new("mke2fs")
            .args(["-q", "-t", "ext3"])
            .args(arguments)
            .arg(image.path())
            .status()
            .unwrap();
        assert!(made.success());
        let source = file(&pattern(300_000, 2));
        let request = std::format!("write {} theirs", source.path().display());
        let debugfs = Command::new("debugfs")
            .args(["-w", "-R", &request])
            .arg(image.path())
            .output()
            .unwrap();
        assert!(debugfs.status.success());
        let disk = Disk::new(std::fs::read(image.path()).unwrap());
        let mut volume = disk.mount();
        let theirs = volume.lookup(ROOT, b"theirs").unwrap();
        assert!(contents(&mut volume, theirs.id) == pattern(300_000, 2));
        create_file(&mut volume, "ours", &pattern(400_000, 4));
        volume.sync(ROOT, false).unwrap();
        disk.check();
        volume.unmount().unwrap();
        disk.check();
        std::fs::write(image.path(), &*disk.bytes.borrow()).unwrap();
        let dumped = Command::new("debugfs")
            .args(["-R", "cat ours"])
            .arg(image.path())
            .output()
            .unwrap();
        assert!(dumped.stdout == pattern(400_000, 4));
    }
}

#[test]
fn a_read_only_disk_is_never_written() {
    let mut disk = Disk::formatted(LEN_BYTES);
    disk.is_read_only = true;
    let mut volume = disk.mount();
    assert_eq!(volume.create(ROOT, b"a", NewNode::File, NOW_NS), Err(Error::ReadOnly));
    assert_eq!(names(&mut volume, ROOT), ["lost+found"]);
    volume.unmount().unwrap();
}
