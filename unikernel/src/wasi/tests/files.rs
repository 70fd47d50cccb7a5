//! Reading, writing, seeking and the life of open files.

use super::*;
use crate::wasi::types::{fdflags, fstflags};

const BOTH: u64 = rights::FD_READ | rights::FD_WRITE;

#[test]
fn files_of_the_image_are_read_in_place_and_copied_when_written() {
    let mut guest = Guest::new();
    assert_eq!(guest.contents("hello.txt").unwrap(), b"hello, world");
    let fd = guest.open("hello.txt", 0, BOTH, 0).unwrap();
    assert_eq!(guest.write(fd, b"J"), Ok(1));
    assert_eq!(guest.contents("hello.txt").unwrap(), b"Jello, world");
    assert_eq!(guest.contents("sub/inner.txt").unwrap(), b"inner");
}

#[test]
fn reads_fill_buffers_in_order_and_stop_at_the_end() {
    let mut guest = Guest::new();
    let fd = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    let buffer = guest.zeros(20);
    let iovecs = guest.iovecs(&[(buffer, 5), (buffer + 5, 0), (buffer + 8, 12)]);
    let result = guest.zeros(4);
    guest.call("fd_read", &[u64::from(fd), iovecs, 3, result]).unwrap();
    assert_eq!(guest.get_u32(result), 12);
    assert_eq!(guest.get(buffer, 15), b"hello\0\0\0, world");
    assert_eq!(guest.read(fd, 4).unwrap(), b"");
}

#[test]
fn a_descriptor_does_only_what_it_was_opened_for() {
    let mut guest = Guest::new();
    let reader = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    assert_eq!(guest.write(reader, b"x"), Err(Errno::Badf));
    assert_eq!(
        guest.call("fd_filestat_set_size", &[u64::from(reader), 0]),
        Err(Errno::Inval)
    );
    let writer = guest.open("hello.txt", 0, rights::FD_WRITE, 0).unwrap();
    assert_eq!(guest.read(writer, 1), Err(Errno::Badf));
    let stat = guest.zeros(24);
    guest.call("fd_fdstat_get", &[u64::from(reader), stat]).unwrap();
    assert_eq!(guest.get_u64(stat + 8) & BOTH, rights::FD_READ);
}

#[test]
fn seeking_knows_its_three_origins_and_its_limits() {
    let mut guest = Guest::new();
    let fd = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    assert_eq!(guest.seek(fd, -5, 2), Ok(7));
    assert_eq!(guest.seek(fd, 2, 1), Ok(9));
    assert_eq!(guest.read(fd, 9).unwrap(), b"rld");
    assert_eq!(guest.seek(fd, 100, 0), Ok(100));
    assert_eq!(guest.read(fd, 9).unwrap(), b"");
    assert_eq!(guest.seek(fd, -101, 1), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, i64::MAX, 1), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 3), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 1), Ok(100));
    assert_eq!(guest.seek(3, 0, 1), Err(Errno::Badf));
}

#[test]
fn positioned_calls_leave_the_offset_alone() {
    let mut guest = Guest::new();
    let fd = guest.create("file");
    guest.write(fd, b"0123456789").unwrap();
    let text = guest.put(b"ab");
    let iovecs = guest.iovecs(&[(text, 2)]);
    let result = guest.zeros(4);
    guest.call("fd_pwrite", &[u64::from(fd), iovecs, 1, 4, result]).unwrap();
    guest.call("fd_pread", &[u64::from(fd), iovecs, 1, 3, result]).unwrap();
    assert_eq!(guest.get(text, 2), b"3a");
    assert_eq!(guest.seek(fd, 0, 1), Ok(10));
    assert_eq!(guest.contents("file").unwrap(), b"0123ab6789");
    let negative = (-1i64) as u64;
    assert_eq!(
        guest.call("fd_pread", &[u64::from(fd), iovecs, 1, negative, result]),
        Err(Errno::Inval)
    );
    assert_eq!(guest.call("fd_pread", &[0, iovecs, 1, 0, result]), Err(Errno::Spipe));
}

#[test]
fn append_mode_writes_at_the_end_wherever_the_offset_is() {
    let mut guest = Guest::new();
    let fd = guest.open("log", oflags::CREAT, BOTH, fdflags::APPEND).unwrap();
    guest.write(fd, b"one").unwrap();
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"two").unwrap();
    assert_eq!(guest.seek(fd, 0, 1), Ok(6));
    let text = guest.put(b"!");
    let iovecs = guest.iovecs(&[(text, 1)]);
    guest.call("fd_pwrite", &[u64::from(fd), iovecs, 1, 0, 64]).unwrap();
    assert_eq!(guest.contents("log").unwrap(), b"onetwo!");
    guest.call("fd_fdstat_set_flags", &[u64::from(fd), 0]).unwrap();
    guest.seek(fd, 0, 0).unwrap();
    guest.write(fd, b"O").unwrap();
    assert_eq!(guest.contents("log").unwrap(), b"Onetwo!");
}

#[test]
fn holes_read_as_zeros_and_take_no_memory() {
    let mut guest = Guest::with_limit(64 * 1024);
    let fd = guest.create("sparse");
    let size = 1u64 << 40;
    guest.call("fd_filestat_set_size", &[u64::from(fd), size]).unwrap();
    guest.seek(fd, (size / 2) as i64, 0).unwrap();
    guest.write(fd, b"middle").unwrap();
    guest.seek(fd, (size / 2 - 2) as i64, 0).unwrap();
    assert_eq!(guest.read(fd, 10).unwrap(), b"\0\0middle\0\0");
    assert_eq!(guest.stat("sparse", 0).unwrap()[4], size);
    guest
        .call("fd_filestat_set_size", &[u64::from(fd), size / 2 + 3])
        .unwrap();
    guest.call("fd_filestat_set_size", &[u64::from(fd), size]).unwrap();
    guest.seek(fd, (size / 2) as i64, 0).unwrap();
    assert_eq!(guest.read(fd, 6).unwrap(), b"mid\0\0\0");
    let too_long = 1u64 << 63;
    assert_eq!(
        guest.call("fd_filestat_set_size", &[u64::from(fd), too_long]),
        Err(Errno::Fbig)
    );
}

#[test]
fn a_full_file_system_takes_what_fits_and_then_says_so() {
    let mut guest = Guest::with_limit(64 * 1024);
    let fd = guest.create("big");
    let block = [7; 8192];
    let mut total = 0;
    let error = loop {
        match guest.write(fd, &block) {
            Ok(count) => total += u64::from(count),
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::Nospc);
    assert!((32 * 1024..64 * 1024).contains(&total), "{total} bytes fit");
    assert_eq!(guest.stat("big", 0).unwrap()[4], total);
    guest.call("fd_close", &[u64::from(fd)]).unwrap();
    guest.path_call("path_unlink_file", 3, "big").unwrap();
    let fd = guest.create("again");
    assert_eq!(guest.write(fd, &block), Ok(8192), "the space is free again");
}

#[test]
fn an_unlinked_file_lives_until_it_is_closed() {
    let mut guest = Guest::with_limit(64 * 1024);
    for name in ["hello.txt", "new"] {
        let fd = guest.create(name);
        guest.write(fd, b"HELLO").unwrap();
        guest.path_call("path_unlink_file", 3, name).unwrap();
        assert_eq!(guest.contents(name), Err(Errno::Noent));
        guest.seek(fd, 0, 0).unwrap();
        assert_eq!(guest.read(fd, 5).unwrap(), b"HELLO");
        guest.write(fd, b"!").unwrap();
        let stat = guest.zeros(64);
        guest.call("fd_filestat_get", &[u64::from(fd), stat]).unwrap();
        assert_eq!(guest.get_u64(stat + 24), 0, "no names are left");
        guest.call("fd_close", &[u64::from(fd)]).unwrap();
        assert_eq!(guest.read(fd, 1), Err(Errno::Badf));
    }
}

#[test]
fn times_follow_changes_and_can_be_set() {
    let mut guest = Guest::new();
    assert_eq!(guest.stat("hello.txt", 0).unwrap()[5..], [7, 7, 7]);
    guest.machine.borrow_mut().now_ns = 10;
    let fd = guest.open("hello.txt", 0, BOTH, 0).unwrap();
    guest.write(fd, b"x").unwrap();
    let now = WALL_CLOCK_START_NS + 10;
    assert_eq!(guest.stat("hello.txt", 0).unwrap()[5..], [7, now, now]);
    guest.machine.borrow_mut().now_ns = 20;
    let flags = u64::from(fstflags::ATIM | fstflags::MTIM_NOW);
    guest
        .call("fd_filestat_set_times", &[u64::from(fd), 55, 66, flags])
        .unwrap();
    assert_eq!(guest.stat("hello.txt", 0).unwrap()[5..], [55, now + 10, now + 10]);
    let both = u64::from(fstflags::ATIM | fstflags::ATIM_NOW);
    assert_eq!(
        guest.call("fd_filestat_set_times", &[u64::from(fd), 0, 0, both]),
        Err(Errno::Inval)
    );
}

#[test]
fn the_lowest_closed_number_is_given_out_again() {
    let mut guest = Guest::new();
    let fds: Vec<u32> = (0..4)
        .map(|_| guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap())
        .collect();
    guest.call("fd_close", &[u64::from(fds[2])]).unwrap();
    guest.call("fd_close", &[u64::from(fds[1])]).unwrap();
    assert_eq!(guest.open("hello.txt", 0, rights::FD_READ, 0), Ok(fds[1]));
    assert_eq!(guest.open("hello.txt", 0, rights::FD_READ, 0), Ok(fds[2]));
    assert_eq!(guest.call("fd_close", &[99]), Err(Errno::Badf));
}

#[test]
fn renumbering_closes_the_target_and_frees_the_source() {
    let mut guest = Guest::new();
    let first = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    let second = guest.open("sub/inner.txt", 0, rights::FD_READ, 0).unwrap();
    guest
        .call("fd_renumber", &[u64::from(second), u64::from(first)])
        .unwrap();
    assert_eq!(guest.read(first, 5).unwrap(), b"inner");
    assert_eq!(guest.read(second, 5), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[u64::from(first), 99]), Err(Errno::Badf));
}
