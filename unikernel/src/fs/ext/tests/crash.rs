//! Crashes at every point of a workload: the disk keeps what was flushed, and any part of what was written since, in any order.
//!
//! Whatever it kept, mounting must succeed, everything that was synced must be there, and `e2fsck` (at some of the points, for it
//! takes longer) must find nothing to repair.

use super::disk::{Disk, Event, NOW_NS};
use crate::fs::ext::{ROOT, Volume};
use crate::fs::node::WriteAt;
use crate::fs::{Error, FileSystem, NewNode};
use alloc::vec::Vec;
use std::string::String;

/// How many states of the disk are tried for each write.
const VARIANTS: u64 = 3;
/// One state in so many goes to `e2fsck` as well.
const FSCK_INTERVAL: usize = 50;

/// What was synced when: the number of events by then, and the names with their contents.
struct Milestone {
    events: usize,
    files: Vec<(String, Vec<u8>)>,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Makes, replaces, links and removes files, and syncs now and then. A name's contents never change after they are synced but by
/// another operation that is synced as well, so each milestone can be checked until the next operation on that name.
fn run_workload(disk: &Disk, steps: u32) -> Vec<Milestone> {
    let mut volume = disk.mount();
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut milestones = Vec::new();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for step in 0..steps {
        let length = (random.next() % 40_000) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        let name = std::format!("file-{step}");
        let id = volume.create(ROOT, b"temporary", NewNode::File, NOW_NS).unwrap();
        volume.write(id, WriteAt::End, &bytes, NOW_NS).unwrap();
        if step % 4 == 3 {
            // Freed blocks are what the next files would like to have.
            let (victim, _) = files.remove((random.next() % files.len() as u64) as usize);
            // From here on it may be gone, so no earlier milestone may ask for it.
            milestones.push(Milestone {
                events: disk.events.borrow().len(),
                files: files.clone(),
            });
            volume.unlink(ROOT, victim.as_bytes(), NOW_NS).unwrap();
        }
        volume
            .rename((ROOT, b"temporary"), (ROOT, name.as_bytes()), NOW_NS)
            .unwrap();
        files.push((name, bytes));
        if step % 2 == 0 {
            volume.sync(id, false).unwrap();
            milestones.push(Milestone {
                events: disk.events.borrow().len(),
                files: files.clone(),
            });
        } else {
            files.pop();
            volume
                .unlink(ROOT, std::format!("file-{step}").as_bytes(), NOW_NS)
                .unwrap();
        }
    }
    milestones
}

fn check_files(volume: &mut Volume, milestone: &Milestone, point: usize) {
    for (name, bytes) in &milestone.files {
        let found = volume.lookup(ROOT, name.as_bytes());
        let found = found.unwrap_or_else(|error: Error| panic!("point {point}: {name} is lost: {error:?}"));
        let mut read = std::vec![0; bytes.len() + 1];
        assert_eq!(
            volume.read(found.id, 0, &mut read),
            Ok(bytes.len()),
            "point {point}: {name}"
        );
        assert!(
            read[..bytes.len()] == **bytes,
            "point {point}: {name} has other contents"
        );
    }
}

/// Applies some of the unflushed writes, in any order, perhaps only some sectors of them.
fn apply_some(state: &mut [u8], unflushed: &[&Event], random: &mut Random) {
    let mut order: Vec<usize> = (0..unflushed.len()).collect();
    for index in (1..order.len()).rev() {
        order.swap(index, (random.next() % (index as u64 + 1)) as usize);
    }
    let share = random.next() % 4;
    for index in order {
        let Event::Write { start, bytes } = unflushed[index] else {
            continue;
        };
        for (number, sector) in bytes.chunks(512).enumerate() {
            if share == 3 || random.next() % 4 <= share {
                state[start + number * 512..][..sector.len()].copy_from_slice(sector);
            }
        }
    }
}

#[test]
fn everything_synced_survives_a_crash_at_any_point() {
    let mut disk = Disk::formatted(8 << 20);
    let initial = disk.bytes.borrow().clone();
    disk.records = true;
    let milestones = run_workload(&disk, 150);
    let events = disk.events.borrow();
    let mut random = Random(0xfeed_5eed_0bad_cafe);
    let (mut durable, mut flushed, mut tried) = (initial, 0, 0);
    for point in 0..=events.len() {
        let milestone = milestones.iter().rev().find(|milestone| milestone.events <= point);
        for variant in 0..VARIANTS {
            let mut state = durable.clone();
            let unflushed: Vec<&Event> = events[flushed..point].iter().collect();
            if variant == 0 {
                apply_in_order(&mut state, &unflushed);
            } else {
                apply_some(&mut state, &unflushed, &mut random);
            }
            let crashed = Disk::new(state);
            if tried % FSCK_INTERVAL == 0 {
                crashed.check();
            }
            tried += 1;
            let mut volume = crashed.mount();
            if let Some(milestone) = milestone {
                check_files(&mut volume, milestone, point);
            }
            volume.create(ROOT, b"after the crash", NewNode::File, NOW_NS).unwrap();
            volume.unmount().unwrap();
            if tried % FSCK_INTERVAL == 1 {
                crashed.check();
            }
        }
        if let Some(Event::Flush) = events.get(point) {
            let writes: Vec<&Event> = events[flushed..point].iter().collect();
            apply_in_order(&mut durable, &writes);
            flushed = point + 1;
        }
    }
    std::println!("{tried} crash points");
    assert!(tried > 1000, "{tried}");
}

fn apply_in_order(state: &mut [u8], writes: &[&Event]) {
    for event in writes {
        if let Event::Write { start, bytes } = event {
            state[*start..start + bytes.len()].copy_from_slice(bytes);
        }
    }
}
