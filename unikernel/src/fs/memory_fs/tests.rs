//! Tests of the file system in memory: the budget's balance, and agreement with a simple model.

use super::budget::Budget;
use super::content::Content;
use super::*;
use alloc::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Edit {
    Write(u64, Vec<u8>),
    SetLength(u64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let offset = 0..80_000u64;
    prop_oneof![
        (offset.clone(), prop::collection::vec(1..255u8, 1..20_000))
            .prop_map(|(offset, bytes)| Edit::Write(offset, bytes)),
        offset.prop_map(Edit::SetLength),
    ]
}

proptest! {
    #[test]
    fn contents_agree_with_a_plain_vector(edits in prop::collection::vec(edit(), 1..12), limit in 20_000..400_000u64) {
        let mut budget = Budget::new(limit);
        let mut content = Content::default();
        let mut model = Vec::new();
        for edit in edits {
            match edit {
                Edit::Write(offset, bytes) => {
                    let taken = content.write(&mut budget, offset, &bytes).unwrap_or(0);
                    let end = offset as usize + taken;
                    if taken > 0 {
                        model.resize(model.len().max(end), 0);
                        model[offset as usize..end].copy_from_slice(&bytes[..taken]);
                    }
                }
                Edit::SetLength(length) => {
                    content.set_length(&mut budget, length).unwrap();
                    model.resize(length as usize, 0);
                }
            }
            prop_assert_eq!(content.length_bytes(), model.len() as u64);
            let mut all = vec![0xaa; model.len() + 10];
            prop_assert_eq!(content.read(0, &mut all), model.len());
            prop_assert!(all[..model.len()] == model);
        }
        content.release(&mut budget);
        prop_assert_eq!(budget.take(limit as usize), Ok(()), "all memory was given back");
    }
}

fn file_system(limit_bytes: u64) -> (MemoryFs, NodeId) {
    let mut system = MemoryFs::new(BakedTree::EMPTY, limit_bytes);
    let root = system.add_root(0).unwrap();
    (system, root)
}

#[test]
fn removing_everything_gives_all_memory_back() {
    let (mut system, root) = file_system(1 << 20);
    let fill = |system: &mut MemoryFs| {
        let mut count = 0u32;
        let error = loop {
            let name = count.to_le_bytes();
            if let Err(error) = system.create(root, &name, NewNode::Symlink(b"somewhere"), 0) {
                break error;
            }
            count += 1;
        };
        assert_eq!(error, Error::NoSpace);
        for number in 0..count {
            system.unlink(root, &number.to_le_bytes(), 0).unwrap();
        }
        count
    };
    let first = fill(&mut system);
    assert!(first > 1000);
    let second = fill(&mut system);
    assert!(second >= first, "{second} entries fit after {first}");
}

#[test]
fn a_failed_creation_leaves_nothing_behind() {
    for limit in (200..2000).step_by(50) {
        let (mut system, root) = file_system(limit);
        if system.create(root, b"name", NewNode::Directory, 0).is_err() {
            assert_eq!(system.lookup(root, b"name"), Err(Error::NotFound));
        }
    }
}

#[test]
fn names_longer_than_linux_allows_are_refused() {
    let (mut system, root) = file_system(1 << 20);
    let name = vec![b'n'; MAX_NAME_BYTES + 1];
    assert_eq!(system.create(root, &name, NewNode::File, 0), Err(Error::NameTooLong));
    assert!(system.create(root, &name[1..], NewNode::File, 0).is_ok());
}
