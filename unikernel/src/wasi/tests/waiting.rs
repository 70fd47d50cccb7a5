//! `poll_oneoff` and its clocks.

use super::*;

pub(super) const FD_READ: u8 = 1;
pub(super) const FD_WRITE: u8 = 2;

pub(super) fn clock(userdata: u64, id: u32, timeout_ns: u64, flags: u16) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[16..20].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout_ns.to_le_bytes());
    bytes[40..42].copy_from_slice(&flags.to_le_bytes());
    bytes
}

pub(super) fn descriptor(userdata: u64, tag: u8, fd: u32) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[8] = tag;
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

/// An event: userdata, errno, type, bytes, flags.
pub(super) type Event = (u64, u16, u8, u64, u16);

pub(super) fn poll(guest: &mut Guest, subscriptions: &[[u8; 48]]) -> Result<Vec<Event>, Errno> {
    let input = guest.put(&subscriptions.concat());
    let output = guest.zeros(32 * subscriptions.len());
    let count = guest.zeros(4);
    guest.call("poll_oneoff", &[input, output, subscriptions.len() as u64, count])?;
    Ok((0..u64::from(guest.get_u32(count)))
        .map(|index| {
            let start = output + 32 * index;
            let head = guest.get(start + 8, 3);
            let flags = guest.get(start + 24, 2);
            (
                guest.get_u64(start),
                u16::from_le_bytes([head[0], head[1]]),
                head[2],
                guest.get_u64(start + 16),
                u16::from_le_bytes([flags[0], flags[1]]),
            )
        })
        .collect())
}

#[test]
fn the_earliest_clock_wakes_alone() {
    let mut guest = Guest::new();
    guest.machine.borrow_mut().now_ns = 100;
    let events = poll(
        &mut guest,
        &[clock(1, 1, 5000, 0), clock(2, 0, 300, 0), clock(3, 1, 900, 1)],
    )
    .unwrap();
    assert_eq!(events, [(2, 0, 0, 0, 0)]);
    assert_eq!(guest.machine.borrow().now_ns, 400);
    let events = poll(&mut guest, &[clock(3, 1, 900, 1)]).unwrap();
    assert_eq!(events, [(3, 0, 0, 0, 0)]);
    assert_eq!(guest.machine.borrow().now_ns, 900);
}

#[test]
fn an_absolute_time_of_the_wall_clock_is_waited_for() {
    let mut guest = Guest::new();
    poll(&mut guest, &[clock(1, 0, WALL_CLOCK_START_NS + 70, 1)]).unwrap();
    assert_eq!(guest.machine.borrow().now_ns, 70);
    poll(&mut guest, &[clock(1, 0, 5, 1)]).unwrap();
    assert_eq!(guest.machine.borrow().now_ns, 70, "a time in the past does not sleep");
}

#[test]
fn input_that_arrives_first_wakes_before_the_clock() {
    let mut guest = Guest::new();
    guest.machine.borrow_mut().stdin_later.push_back((50, b"x".to_vec()));
    let events = poll(&mut guest, &[clock(1, 1, 100, 0), descriptor(2, FD_READ, 0)]).unwrap();
    assert_eq!(events, [(2, 0, FD_READ, 1, 0)]);
    assert_eq!(guest.machine.borrow().now_ns, 50);
}

#[test]
fn files_and_output_are_ready_at_once() {
    let mut guest = Guest::new();
    let fd = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    guest.seek(fd, 4, 0).unwrap();
    let subscriptions = [
        clock(1, 1, 1_000_000, 0),
        descriptor(2, FD_READ, fd),
        descriptor(3, FD_WRITE, 1),
    ];
    let events = poll(&mut guest, &subscriptions).unwrap();
    assert_eq!(events, [(2, 0, FD_READ, 8, 0), (3, 0, FD_WRITE, 1, 0)]);
    guest.seek(fd, 0, 2).unwrap();
    assert_eq!(poll(&mut guest, &subscriptions[1..2]).unwrap(), [(2, 0, FD_READ, 0, 1)]);
    assert!(guest.machine.borrow().sleeps.is_empty());
}

#[test]
fn a_subscription_that_cannot_be_is_an_event_with_an_error() {
    let mut guest = Guest::new();
    let events = poll(
        &mut guest,
        &[
            descriptor(1, FD_READ, 77),
            descriptor(2, FD_WRITE, 3),
            clock(3, 9, 1, 0),
            descriptor(4, FD_READ, 1),
        ],
    )
    .unwrap();
    let badf = Errno::Badf as u16;
    assert_eq!(
        events,
        [
            (1, badf, FD_READ, 0, 0),
            (2, badf, FD_WRITE, 0, 0),
            (3, Errno::Inval as u16, 0, 0, 0),
            (4, badf, FD_READ, 0, 0)
        ]
    );
}

#[test]
fn nothing_to_wait_for_is_invalid() {
    let mut guest = Guest::new();
    assert_eq!(poll(&mut guest, &[]), Err(Errno::Inval));
    assert_eq!(poll(&mut guest, &[descriptor(1, 7, 0)]), Err(Errno::Inval));
}
