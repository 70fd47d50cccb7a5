//! The client against a server of this process, which tells the truth, and against the same one with its replies damaged.

use super::super::node::WriteAt;
use super::super::path::{FinalSymlink, resolve};
use super::super::{Access, Error, FileSystem, NewNode, NodeId, NodeKind};
use super::NinepFs;
use super::server::{Server, Tamper};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

const READ_WRITE: Access = Access {
    read: true,
    write: true,
};
const READ: Access = Access {
    read: true,
    write: false,
};

/// A folder of the host that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = std::format!(
            "wasmetal-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn share(&self) -> NinepFs<Server> {
        NinepFs::connect(Server::new(&self.0), false).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn find(system: &mut NinepFs<Server>, path: &str) -> Result<NodeId, Error> {
    let root = system.root();
    system.forget_unopened();
    let found = resolve(system, root, path.as_bytes(), FinalSymlink::Follow)?.existing()?;
    Ok(found.id)
}

fn read_all(system: &mut NinepFs<Server>, file: NodeId) -> Vec<u8> {
    let mut buffer = std::vec![0; 3 << 20];
    let count = system.read(file, 0, &mut buffer).unwrap();
    buffer.truncate(count);
    buffer
}

/// Lists up to `limit` entries after `position`; returns names and the new position.
fn list(system: &mut NinepFs<Server>, directory: NodeId, mut position: u64, limit: usize) -> (Vec<Vec<u8>>, u64) {
    let mut names = Vec::new();
    let listed = system.read_directory(directory, position, &mut |entry| {
        names.push(entry.name.to_vec());
        position = entry.next_position;
        match names.len() < limit {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    listed.unwrap();
    (names, position)
}

#[test]
fn what_one_side_writes_the_other_side_reads() {
    let folder = Folder::new();
    let mut system = folder.share();
    let root = system.root();
    let file = system.create(root, b"file", NewNode::File, 0).unwrap();
    system.open(file, READ_WRITE).unwrap();
    // More than a message holds.
    let text: Vec<u8> = (0..2_000_000u32).map(|number| number as u8).collect();
    assert_eq!(
        system.write(file, WriteAt::Offset(0), &text, 0),
        Ok((text.len(), text.len() as u64))
    );
    assert_eq!(fs::read(folder.0.join("file")).unwrap(), text);
    fs::write(folder.0.join("file"), "from the host").unwrap();
    assert_eq!(system.metadata(file).unwrap().length_bytes, 13);
    assert_eq!(system.write(file, WriteAt::End, b"!", 0), Ok((1, 14)));
    assert_eq!(read_all(&mut system, file), b"from the host!");
    system.set_length(file, 4, 0).unwrap();
    assert_eq!(fs::read(folder.0.join("file")).unwrap(), b"from");
    system.sync(file, false).unwrap();
    system.close(file, READ_WRITE);
}

#[test]
fn deep_paths_and_symbolic_links_are_followed_within_the_folder() {
    let folder = Folder::new();
    let deep = "d/".repeat(30);
    fs::create_dir_all(folder.0.join(&deep)).unwrap();
    fs::write(folder.0.join(&deep).join("file"), "deep").unwrap();
    let mut system = folder.share();
    let root = system.root();
    let target = std::format!("{deep}file");
    system
        .create(root, b"link", NewNode::Symlink(target.as_bytes()), 0)
        .unwrap();
    let file = find(&mut system, "link").unwrap();
    system.open(file, READ).unwrap();
    assert_eq!(read_all(&mut system, file), b"deep");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let outside = Folder::new();
    fs::write(outside.0.join("secret"), "secret").unwrap();
    let folder = Folder::new();
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.0.join(name)).unwrap();
    link(outside.0.to_str().unwrap(), "absolute");
    link("..", "up");
    link("loop", "loop");
    fs::create_dir(folder.0.join("sub")).unwrap();
    link("../../etc", "sub/relative");
    let mut system = folder.share();
    for path in [
        "..",
        "sub/../..",
        "/etc",
        "absolute/secret",
        "absolute",
        "up/x",
        "sub/relative/passwd",
    ] {
        assert_eq!(find(&mut system, path), Err(Error::NotPermitted), "{path}");
    }
    assert_eq!(find(&mut system, "loop"), Err(Error::SymlinkLoop));
    assert_eq!(find(&mut system, "a\0b"), Err(Error::Invalid));
    let root = system.root();
    for name in [&b""[..], b".", b"..", b"a/b", b"../x", b"a\0"] {
        assert_eq!(system.lookup(root, name), Err(Error::Invalid));
        assert_eq!(system.create(root, name, NewNode::File, 0), Err(Error::Invalid));
        assert_eq!(system.rename((root, b"sub"), (root, name), 0), Err(Error::Invalid));
        assert_eq!(system.unlink(root, name, 0), Err(Error::Invalid));
    }
    let long = [b'n'; 70_000];
    assert_eq!(system.lookup(root, &long), Err(Error::NameTooLong));
}

#[test]
fn an_open_file_outlives_its_name() {
    let folder = Folder::new();
    fs::write(folder.0.join("old"), "old contents").unwrap();
    fs::write(folder.0.join("new"), "new").unwrap();
    let mut system = folder.share();
    let root = system.root();
    let old = find(&mut system, "old").unwrap();
    system.open(old, READ_WRITE).unwrap();
    system.rename((root, b"new"), (root, b"old"), 0).unwrap();
    assert_eq!(read_all(&mut system, old), b"old contents");
    let metadata = system.metadata(old).unwrap();
    assert_eq!((metadata.length_bytes, metadata.links), (12, 0));
    // Cut short, then written behind a gap: the bytes cut off do not come back, and the file of that name stays as it is.
    system.set_length(old, 3, 0).unwrap();
    system.write(old, WriteAt::Offset(6), b"!", 0).unwrap();
    assert_eq!(read_all(&mut system, old), b"old\0\0\0!");
    assert_eq!(fs::read(folder.0.join("old")).unwrap(), b"new");
    system.close(old, READ_WRITE);
    assert_eq!(system.metadata(old), Err(Error::NotFound));
}

#[test]
fn listings_go_on_where_they_stopped() {
    let folder = Folder::new();
    for number in 0..20 {
        fs::write(folder.0.join(std::format!("{number:02}")), "").unwrap();
    }
    let mut system = folder.share();
    let root = system.root();
    system.open(root, READ).unwrap();
    let (mut names, mut position) = (Vec::new(), 0);
    loop {
        let (more, next) = list(&mut system, root, position, 7);
        if more.is_empty() {
            break;
        }
        names.extend(more);
        position = next;
    }
    let expected: Vec<Vec<u8>> = (0..20).map(|number| std::format!("{number:02}").into_bytes()).collect();
    assert_eq!(names, expected);
}

#[test]
fn links_directories_and_errors_are_those_of_the_host() {
    let folder = Folder::new();
    let mut system = folder.share();
    let root = system.root();
    let directory = system.create(root, b"dir", NewNode::Directory, 0).unwrap();
    assert_eq!(system.create(root, b"dir", NewNode::Directory, 0), Err(Error::Exists));
    let file = system.create(directory, b"file", NewNode::File, 0).unwrap();
    assert_eq!(system.create(directory, b"file", NewNode::File, 0), Err(Error::Exists));
    system.link(file, root, b"other", 0).unwrap();
    let other = system.lookup(root, b"other").unwrap();
    assert_eq!((other.id, other.kind), (file, NodeKind::File));
    assert_eq!(system.metadata(file).unwrap().links, 2);
    assert_eq!(system.remove_directory(root, b"dir", 0), Err(Error::NotEmpty));
    system.unlink(directory, b"file", 0).unwrap();
    system.remove_directory(root, b"dir", 0).unwrap();
    assert_eq!(find(&mut system, "dir"), Err(Error::NotFound));
    assert_eq!(find(&mut system, "other/x"), Err(Error::NotDirectory));
}

#[test]
fn a_read_only_folder_refuses_every_change() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "text").unwrap();
    let mut system = NinepFs::connect(Server::new(&folder.0), true).unwrap();
    let root = system.root();
    let file = find(&mut system, "file").unwrap();
    assert_eq!(system.open(file, READ_WRITE), Err(Error::ReadOnly));
    assert_eq!(system.set_length(file, 0, 0), Err(Error::ReadOnly));
    assert_eq!(system.set_times(file, Some(0), None, 0), Err(Error::ReadOnly));
    assert_eq!(system.create(root, b"x", NewNode::File, 0), Err(Error::ReadOnly));
    assert_eq!(system.link(file, root, b"x", 0), Err(Error::ReadOnly));
    assert_eq!(system.unlink(root, b"file", 0), Err(Error::ReadOnly));
    assert_eq!(system.remove_directory(root, b"file", 0), Err(Error::ReadOnly));
    assert_eq!(system.rename((root, b"file"), (root, b"x"), 0), Err(Error::ReadOnly));
    system.open(file, READ).unwrap();
    assert_eq!(read_all(&mut system, file), b"text");
}

/// Does a little of everything; results do not matter.
fn exercise(system: &mut NinepFs<Server>) {
    let root = system.root();
    let _ = system.open(root, READ);
    let mut budget = 1000;
    let _ = system.read_directory(root, 0, &mut |_| {
        budget -= 1;
        if budget == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let _ = system.create(root, b"made", NewNode::File, 0);
    let _ = system.create(root, b"link", NewNode::Symlink(b"made"), 0);
    let _ = find(system, "link");
    if let Ok(file) = find(system, "file") {
        let _ = system.metadata(file);
        if system.open(file, READ_WRITE).is_ok() {
            let _ = system.write(file, WriteAt::End, b"text", 0);
            let _ = system.read(file, 0, &mut [0; 64]);
            let _ = system.unlink(root, b"file", 0);
            let _ = system.set_length(file, 2, 0);
            let _ = system.sync(file, true);
            system.close(file, READ_WRITE);
        }
    }
    system.close(root, READ);
}

#[test]
fn replies_with_wrong_lengths_tags_and_types_are_input_output_errors() {
    let damages: [fn(&mut [u8], &mut usize); 6] = [
        |_, len_bytes| *len_bytes = 3,
        |reply, _| reply[0] = 5,
        |reply, _| reply[..4].copy_from_slice(&u32::MAX.to_le_bytes()),
        |reply, _| reply[4] = 99,
        |reply, _| reply[5] ^= 0x10,
        |reply, len_bytes| *len_bytes = reply.len() + 1,
    ];
    for damage in damages {
        let folder = Folder::new();
        let mut system = folder.share();
        let root = system.root();
        let tamper: Tamper = Box::new(move |_, reply, len_bytes| damage(reply, len_bytes));
        system.client.channel_mut().tamper = Some(tamper);
        assert_eq!(system.metadata(root), Err(Error::Io));
        assert_eq!(system.lookup(root, b"x"), Err(Error::Io));
    }
}

#[test]
fn no_reply_makes_the_client_panic_or_loop() {
    for seed in 0..3000u64 {
        let folder = Folder::new();
        fs::write(folder.0.join("file"), "contents").unwrap();
        let mut system = folder.share();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        system.client.channel_mut().tamper = Some(Box::new(move |_, reply, len_bytes| {
            if random(3) == 0 {
                let body = (*len_bytes).max(8);
                reply[random(body)] = random(256) as u8;
            }
            if random(10) == 0 {
                *len_bytes = random(*len_bytes + 1);
            }
        }));
        exercise(&mut system);
    }
}
