//! Standard streams, devices, arguments, clocks, random numbers.

use super::*;
use crate::wasi::types::fdflags;

#[test]
fn output_goes_to_its_stream_buffer_by_buffer() {
    let mut guest = Guest::new();
    let (first, second) = (guest.put(b"one "), guest.put(b"two"));
    let iovecs = guest.iovecs(&[(first, 4), (0, 0), (second, 3)]);
    let result = guest.zeros(4);
    guest.call("fd_write", &[1, iovecs, 3, result]).unwrap();
    assert_eq!(guest.get_u32(result), 7);
    guest.write(2, b"oops").unwrap();
    assert_eq!(guest.machine.borrow().stdout, b"one two");
    assert_eq!(guest.machine.borrow().stderr, b"oops");
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
}

#[test]
fn a_bad_buffer_stops_the_whole_write() {
    let mut guest = Guest::new();
    let good = guest.put(b"good");
    let iovecs = guest.iovecs(&[(good, 4), (MEMORY_LEN_BYTES as u64 - 1, 2)]);
    assert_eq!(guest.call("fd_write", &[1, iovecs, 2, 64]), Err(Errno::Fault));
    assert_eq!(guest.machine.borrow().stdout, b"");
}

#[test]
fn standard_input_waits_for_the_first_bytes_and_ends() {
    let mut guest = Guest::new();
    guest
        .machine
        .borrow_mut()
        .stdin_later
        .push_back((1000, b"typed".to_vec()));
    assert_eq!(guest.read(0, 3).unwrap(), b"typ");
    assert_eq!(guest.machine.borrow().now_ns, 1000);
    assert_eq!(guest.read(0, 30).unwrap(), b"ed");
    assert_eq!(guest.read(0, 30).unwrap(), b"");
}

#[test]
fn nonblocking_input_says_try_again() {
    let mut guest = Guest::new();
    guest.machine.borrow_mut().stdin_later.push_back((1000, b"x".to_vec()));
    guest
        .call("fd_fdstat_set_flags", &[0, u64::from(fdflags::NONBLOCK)])
        .unwrap();
    assert_eq!(guest.read(0, 3), Err(Errno::Again));
}

#[test]
fn only_terminals_are_character_devices() {
    let mut guest = Guest::new();
    for (fd, filetype) in [(1, 0), (2, 2)] {
        let stat = guest.zeros(24);
        guest.call("fd_fdstat_get", &[fd, stat]).unwrap();
        assert_eq!(guest.get(stat, 1), [filetype]);
        let stat = guest.zeros(64);
        guest.call("fd_filestat_get", &[fd, stat]).unwrap();
        assert_eq!(guest.get(stat + 16, 1), [filetype]);
    }
    assert_eq!(guest.seek(1, 0, 1), Err(Errno::Spipe));
}

#[test]
fn devices_do_what_their_names_say() {
    let mut guest = Guest::new();
    let both = rights::FD_READ | rights::FD_WRITE;
    let null = guest.open_at(5, "null", 0, both, 0).unwrap();
    assert_eq!(guest.write(null, b"gone"), Ok(4));
    assert_eq!(guest.read(null, 4).unwrap(), b"");
    let zero = guest.open_at(5, "zero", 0, both, 0).unwrap();
    assert_eq!(guest.read(zero, 4).unwrap(), [0; 4]);
    let random = guest.open_at(5, "urandom", 0, rights::FD_READ, 0).unwrap();
    assert_ne!(guest.read(random, 32).unwrap(), guest.read(random, 32).unwrap());
    let stdout = guest.open_at(5, "stdout", 0, rights::FD_WRITE, 0).unwrap();
    guest.write(stdout, b"by name").unwrap();
    assert_eq!(guest.machine.borrow().stdout, b"by name");
    assert_eq!(guest.open_at(5, "new", oflags::CREAT, both, 0), Err(Errno::Perm));
}

#[test]
fn arguments_and_environment_survive_byte_for_byte() {
    let mut guest = Guest::new();
    let sizes = guest.zeros(8);
    guest.call("args_sizes_get", &[sizes, sizes + 4]).unwrap();
    assert_eq!((guest.get_u32(sizes), guest.get_u32(sizes + 4)), (3, 15));
    let (argv, buffer) = (guest.zeros(12), guest.zeros(15));
    guest.call("args_get", &[argv, buffer]).unwrap();
    assert_eq!(guest.get(buffer, 15), b"program\0\0\xff two\0");
    let starts = [0, 8, 9].map(|offset| buffer as u32 + offset);
    assert_eq!([0, 4, 8].map(|offset| guest.get_u32(argv + offset)), starts);
    guest.call("environ_get", &[argv, buffer]).unwrap();
    assert_eq!(guest.get(buffer, 7), b"A=1\0B=\0");
    let near_end = MEMORY_LEN_BYTES as u64 - 8;
    assert_eq!(guest.call("args_get", &[argv, near_end]), Err(Errno::Fault));
}

#[test]
fn cpu_time_is_the_time_not_slept() {
    let mut guest = Guest::new();
    let time = guest.zeros(8);
    guest.machine.borrow_mut().now_ns = 500;
    guest.machine.borrow_mut().stdin_later.push_back((900, b"x".to_vec()));
    guest.read(0, 1).unwrap();
    for (clock, expected) in [(0, WALL_CLOCK_START_NS + 900), (1, 900), (2, 500), (3, 500)] {
        guest.call("clock_time_get", &[clock, 1, time]).unwrap();
        assert_eq!(guest.get_u64(time), expected, "clock {clock}");
    }
    assert_eq!(guest.call("clock_time_get", &[4, 1, time]), Err(Errno::Inval));
    assert_eq!(guest.call("clock_res_get", &[4, time]), Err(Errno::Inval));
}

#[test]
fn random_bytes_are_seeded_before_the_first_and_again_later() {
    let mut guest = Guest::new();
    assert_eq!(guest.machine.borrow().seeds, 0);
    let (first, second) = (guest.zeros(64), guest.zeros(64));
    guest.call("random_get", &[first, 64]).unwrap();
    guest.call("random_get", &[second, 64]).unwrap();
    assert_ne!(guest.get(first, 64), guest.get(second, 64));
    assert_eq!(guest.machine.borrow().seeds, 1);
    for _ in 0..(16 << 20) / (64 << 10) {
        guest.call("random_get", &[0, 64 << 10]).unwrap();
    }
    assert_eq!(guest.machine.borrow().seeds, 2);
}

#[test]
#[should_panic(expected = "exit code 42")]
fn exit_ends_the_program_with_its_code() {
    let mut guest = Guest::new();
    crate::wasi::process::proc_exit(&mut guest.context, 42);
}

#[test]
fn sockets_are_refused_by_kind_of_descriptor() {
    let mut guest = Guest::new();
    assert_eq!(guest.call("sock_shutdown", &[99, 1]), Err(Errno::Badf));
    assert_eq!(guest.call("sock_shutdown", &[3, 1]), Err(Errno::Notsock));
    assert_eq!(guest.call("sock_accept", &[1, 0, 64]), Err(Errno::Notsock));
}
