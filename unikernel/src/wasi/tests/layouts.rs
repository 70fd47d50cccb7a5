//! The list of functions, and what `wasi_unstable` lays out differently.

use super::*;
use crate::wasi::functions;
use abi::preview1::{FUNCTIONS, MODULE};
use abi::socket_extension::FORMS;
use alloc::format;

#[test]
fn every_function_of_the_specification_has_a_symbol() {
    let symbols: Vec<&str> = functions().map(|(symbol, _)| symbol).collect();
    for function in &FUNCTIONS {
        assert!(
            symbols.contains(&format!("{MODULE}.{}", function.name).as_str()),
            "{}",
            function.name
        );
    }
    for form in &FORMS {
        assert!(
            symbols.contains(&format!("{MODULE}.{}", form.symbol_name).as_str()),
            "{}",
            form.symbol_name
        );
    }
}

#[test]
fn preview_0_numbers_whence_differently() {
    let mut guest = Guest::new();
    let fd = u64::from(guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap());
    let result = guest.zeros(8);
    for (delta, whence, expected) in [(3, 2, 3), (1, 0, 4), (0, 1, 12)] {
        guest.call_old("fd_seek", &[fd, delta, whence, result]).unwrap();
        assert_eq!(guest.get_u64(result), expected);
    }
}

#[test]
fn preview_0_has_a_short_filestat() {
    let mut guest = Guest::new();
    let path = guest.put(b"hello.txt");
    let stat = guest.zeros(64);
    guest.call_old("path_filestat_get", &[3, 0, path, 9, stat]).unwrap();
    assert_eq!(guest.get(stat + 16, 1), [4]);
    assert_eq!(guest.get_u32(stat + 20), 1, "links");
    assert_eq!(guest.get_u64(stat + 24), 12, "size");
    assert_eq!(guest.get_u64(stat + 48), 7, "ctim");
    assert_eq!(guest.get_u64(stat + 56), 0, "nothing is written behind it");
}

#[test]
fn preview_0_has_a_long_clock_subscription() {
    let mut guest = Guest::new();
    let mut bytes = [0; 56];
    bytes[0] = 9;
    bytes[16] = 0xee;
    bytes[24] = 1;
    bytes[32..40].copy_from_slice(&250u64.to_le_bytes());
    let input = guest.put(&bytes);
    let (events, count) = (guest.zeros(32), guest.zeros(4));
    guest.call_old("poll_oneoff", &[input, events, 1, count]).unwrap();
    assert_eq!((guest.get_u32(count), guest.get_u64(events)), (1, 9));
    assert_eq!(guest.machine.borrow().now_ns, 250);
}

#[test]
fn attributes_lie_where_the_specification_puts_them() {
    let mut guest = Guest::new();
    let stat = guest.zeros(24);
    guest.call("fd_fdstat_get", &[3, stat]).unwrap();
    assert_eq!(guest.get(stat, 2), [3, 0]);
    assert_eq!(guest.get_u64(stat + 8), rights::PREOPEN_BASE);
    assert_eq!(guest.get_u64(stat + 16), rights::PREOPEN_INHERITING);
    let [dev, ino, filetype, links, size, ..] = guest.stat("hello.txt", 0).unwrap();
    assert_eq!((dev, filetype, links, size), (1, 4, 1, 12));
    assert_ne!(ino, 0);
}
