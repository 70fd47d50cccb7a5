//! Disks with wrong bytes: every operation ends, with a result or an error.

use super::disk::{CACHE_BYTES, Disk, NOW_NS};
use crate::fs::ext::{ROOT, Volume};
use crate::fs::node::WriteAt;
use crate::fs::{Access, FileSystem, NewNode, NodeKind};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use proptest::prelude::*;

/// A small volume with one of everything, and its blocks of metadata that are not zeros: where mutations hurt.
fn sample(is_crashed: bool) -> (Vec<u8>, Vec<usize>) {
    let disk = Disk::formatted(8 << 20);
    let mut volume = disk.mount();
    let folder = volume.create(ROOT, b"folder", NewNode::Directory, NOW_NS).unwrap();
    let file = volume.create(folder, b"file", NewNode::File, NOW_NS).unwrap();
    volume.write(file, WriteAt::Offset(0), &[0; 200_000], NOW_NS).unwrap();
    volume.write(file, WriteAt::Offset(1 << 30), &[0; 9], NOW_NS).unwrap();
    volume
        .create(folder, b"link", NewNode::Symlink(&[b'l'; 100]), NOW_NS)
        .unwrap();
    let orphan = volume.create(ROOT, b"orphan", NewNode::File, NOW_NS).unwrap();
    volume
        .open(
            orphan,
            Access {
                read: true,
                write: true,
            },
        )
        .unwrap();
    volume.unlink(ROOT, b"orphan", NOW_NS).unwrap();
    volume.sync(ROOT, false).unwrap();
    if !is_crashed {
        volume.unmount().unwrap();
    }
    let bytes = disk.bytes.borrow().clone();
    let places = (0..bytes.len()).filter(|&index| bytes[index] != 0).collect();
    (bytes, places)
}

fn use_everything(volume: &mut Volume) {
    let mut nodes = Vec::new();
    let mut pending = std::vec![ROOT];
    while let Some(directory) = pending.pop() {
        let _ = volume.read_directory(directory, 0, &mut |entry| {
            nodes.push((directory, entry.name.to_vec(), entry.id));
            if entry.kind == NodeKind::Directory && nodes.len() < 50 {
                pending.push(entry.id);
            }
            if nodes.len() < 100 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        if nodes.len() >= 100 {
            break;
        }
    }
    let mut buffer = std::vec![0; 50_000];
    for (directory, name, id) in nodes {
        let _ = volume.metadata(id);
        let _ = volume.lookup(directory, &name);
        let _ = volume.read_link(id, &mut Vec::new());
        let _ = volume.read(id, 0, &mut buffer);
        let _ = volume.write(id, WriteAt::End, &buffer, NOW_NS);
        let _ = volume.set_length(id, 70_000, NOW_NS);
        let _ = volume.rename((directory, &name), (ROOT, b"new name"), NOW_NS);
        let _ = volume.create(directory, b"child", NewNode::Directory, NOW_NS);
        let _ = volume.unlink(ROOT, b"new name", NOW_NS);
        let _ = volume.remove_directory(directory, b"child", NOW_NS);
    }
    let _ = volume.unmount();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_volumes_give_errors_and_never_panic_or_hang(
        is_crashed: bool,
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let (mut bytes, places) = sample(is_crashed);
        for (index, value) in mutations {
            bytes[places[index.index(places.len())]] = value;
        }
        if let Ok(mut volume) = Volume::mount(Box::new(Disk::new(bytes)), CACHE_BYTES, NOW_NS) {
            use_everything(&mut volume);
        }
    }
}
