//! Tests of the baked tree: what was added is found again, equal trees have equal bytes, damage is survived.

use super::*;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn sample(reversed: bool) -> Vec<u8> {
    let mut builder = Builder::new();
    let root = builder.add_preopen(b"/", 1).unwrap();
    let data = builder.add_preopen(b"data", 2).unwrap();
    let mut names = [&b"beta"[..], b"alpha", &[b'n'; 70_000]];
    if reversed {
        names.reverse();
    }
    for name in names {
        builder.add_file(root, name, [name, b"!"].concat(), 7).unwrap();
    }
    let nested = builder.add_directory(root, b"nested", 3).unwrap();
    builder.add_symlink(nested, b"link", b"../alpha", 4).unwrap();
    builder.add_file(data, b"alpha", Vec::new(), 5).unwrap();
    builder.encode().unwrap()
}

#[test]
fn entries_are_found_by_directory_and_name() {
    let bytes = sample(false);
    let tree = BakedTree::new(&bytes).unwrap();
    let preopens: Vec<_> = tree.preopens().collect();
    assert_eq!(
        preopens.iter().map(|preopen| preopen.guest_path).collect::<Vec<_>>(),
        vec![&b"/"[..], b"data"]
    );
    let (root, data) = (preopens[0].node, preopens[1].node);
    let alpha = tree.node(tree.lookup(root, b"alpha").unwrap()).unwrap();
    assert_eq!((alpha.kind, alpha.mtime_ns), (NodeKind::File(b"alpha!"), 7));
    let long = tree.node(tree.lookup(root, &[b'n'; 70_000]).unwrap()).unwrap();
    assert!(matches!(long.kind, NodeKind::File(contents) if contents.len() == 70_001));
    let other = tree.node(tree.lookup(data, b"alpha").unwrap()).unwrap();
    assert_eq!(other.kind, NodeKind::File(b""));
    let nested = tree.lookup(root, b"nested").unwrap();
    let link = tree.node(tree.lookup(nested, b"link").unwrap()).unwrap();
    assert_eq!(link.kind, NodeKind::Symlink(b"../alpha"));
    assert_eq!(tree.lookup(data, b"beta"), None);
    assert_eq!(tree.lookup(root, b""), None);
}

#[test]
fn children_are_neighbours_sorted_by_name() {
    let bytes = sample(false);
    let tree = BakedTree::new(&bytes).unwrap();
    let NodeKind::Directory {
        first_child,
        child_count,
    } = tree.node(0).unwrap().kind
    else {
        panic!("node 0 is not a directory");
    };
    let names: Vec<_> = (first_child..first_child + child_count)
        .map(|child| tree.node(child).unwrap().name)
        .collect();
    assert_eq!(names, vec![&b"alpha"[..], b"beta", b"nested", &[b'n'; 70_000]]);
}

#[test]
fn the_order_of_additions_leaves_no_trace() {
    assert_eq!(sample(false), sample(true));
}

#[test]
fn no_bytes_are_an_empty_tree() {
    assert_eq!(Builder::new().encode().unwrap(), Vec::new());
    let tree = BakedTree::new(&[]).unwrap();
    assert_eq!((tree.node_count(), tree.preopens().count()), (0, 0));
    assert_eq!(tree.lookup(0, b"x"), None);
}

#[test]
fn names_that_are_paths_are_refused() {
    let mut builder = Builder::new();
    let root = builder.add_preopen(b"/", 0).unwrap();
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0"] {
        assert_eq!(
            builder.add_file(root, name, Vec::new(), 0),
            Err(EncodeError::InvalidName(name.to_vec()))
        );
    }
    builder.add_file(root, b"a", Vec::new(), 0).unwrap();
    assert_eq!(
        builder.add_directory(root, b"a", 0),
        Err(EncodeError::DuplicateName(b"a".to_vec()))
    );
    assert_eq!(
        builder.add_preopen(b"/", 0),
        Err(EncodeError::DuplicatePreopen(b"/".to_vec()))
    );
}

proptest! {
    #[test]
    fn damaged_trees_do_not_panic(position: usize, value: u8, name: Vec<u8>, cut: usize) {
        let mut bytes = sample(false);
        let tables = 2048.min(bytes.len());
        bytes[position % tables] = value;
        bytes.truncate(bytes.len() - cut % 4 * 40_000);
        if let Some(tree) = BakedTree::new(&bytes) {
            for preopen in tree.preopens() {
                let _ = (tree.lookup(preopen.node, &name), tree.lookup(preopen.node, b"alpha"), tree.node(preopen.node));
            }
            for node in 0..tree.node_count().min(1000) {
                let _ = tree.node(node);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes: Vec<u8>, node: u32, name: Vec<u8>) {
        let head = MAGIC.len().min(bytes.len());
        bytes[..head].copy_from_slice(&MAGIC[..head]);
        if let Some(tree) = BakedTree::new(&bytes) {
            let _ = (tree.node(node), tree.lookup(node, &name), tree.preopens().count());
        }
    }
}
