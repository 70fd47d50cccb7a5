//! Exceptions that a program has references to: kept while it has, and freed after.

use host::{Store, StoreOptions};

/// What ten million exceptions would take several times over, in KiB.
const GROWTH_LIMIT_KIB: u64 = 64 << 10;

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn ten_million_caught_exceptions_take_little_memory_and_those_held_survive() {
    let mut store = Store::new(StoreOptions::default()).unwrap();
    let instance = store
        .instantiate(&fixtures::wat("held_exceptions"), &|_, _| None)
        .unwrap();
    let before = peak_memory_kib();
    store.call(instance, "run", &[10_000_000]).unwrap();
    let growth = peak_memory_kib() - before;
    assert!(growth < GROWTH_LIMIT_KIB, "{growth} KiB more");
}
