//! `sock_recv` and `sock_send`: several buffers, and what there is not enough of.

use super::polling_sockets::Server;
use super::*;
use crate::net::{NetError, Network};

const PEEK: u64 = 1;
const WAITALL: u64 = 2;

fn connected() -> (Server, u32) {
    let mut server = Server::new(1);
    server.connect();
    server.exchange();
    assert!(server.accept());
    let fd = server.connections[0];
    (server, fd)
}

/// Receives into buffers of those lengths and returns what they hold, or the error.
fn receive(server: &mut Server, fd: u32, lens: &[u32], flags: u64) -> Result<Vec<u8>, Errno> {
    let guest = &mut server.guest;
    let buffers: Vec<(u64, u32)> = lens.iter().map(|&len| (guest.zeros(len as usize), len)).collect();
    let iovecs = guest.iovecs(&buffers);
    let result = guest.zeros(8);
    guest.call(
        "sock_recv",
        &[fd.into(), iovecs, lens.len() as u64, flags, result, result + 4],
    )?;
    let all: Vec<u8> = buffers
        .iter()
        .flat_map(|&(address, len)| guest.get(address, len as usize))
        .collect();
    let (received, rest) = all.split_at(guest.get_u32(result) as usize);
    assert!(rest.iter().all(|&byte| byte == 0), "more was written than received");
    Ok(received.to_vec())
}

fn send(server: &mut Server, fd: u32, buffers: &[&[u8]]) -> Result<u32, Errno> {
    let guest = &mut server.guest;
    let buffers: Vec<(u64, u32)> = buffers
        .iter()
        .map(|bytes| (guest.put(bytes), bytes.len() as u32))
        .collect();
    let iovecs = guest.iovecs(&buffers);
    let result = guest.zeros(4);
    guest.call("sock_send", &[fd.into(), iovecs, buffers.len() as u64, 0, result])?;
    Ok(guest.get_u32(result))
}

#[test]
fn buffers_are_filled_in_a_row() {
    let (mut server, fd) = connected();
    assert_eq!(receive(&mut server, fd, &[5], 0), Err(Errno::Again));
    server.peer.send(server.peer_sockets[0], b"0123456789", None).unwrap();
    server.exchange();
    assert_eq!(receive(&mut server, fd, &[4, 4], PEEK).unwrap(), b"0123");
    assert_eq!(receive(&mut server, fd, &[4, 0, 3], 0).unwrap(), b"0123456");
    assert_eq!(receive(&mut server, fd, &[0], 0).unwrap(), b"");
    assert_eq!(receive(&mut server, fd, &[2, 9], WAITALL).unwrap(), b"789");
    assert_eq!(receive(&mut server, fd, &[2, 9], WAITALL), Err(Errno::Again));
    server.peer.send(server.peer_sockets[0], b"end", None).unwrap();
    server.peer.close(server.peer_sockets[0]);
    server.exchange();
    assert_eq!(receive(&mut server, fd, &[1, 9], WAITALL).unwrap(), b"end");
    assert_eq!(receive(&mut server, fd, &[1, 9], WAITALL).unwrap(), b"");
}

#[test]
fn a_call_that_wants_all_does_not_wait_once_its_buffers_are_full() {
    let (mut server, fd) = connected();
    // Waiting would end the test.
    server.guest.call("fd_fdstat_set_flags", &[fd.into(), 0]).unwrap();
    for lens in [&[10][..], &[4, 6], &[4, 0, 6, 0], &[9]] {
        server.peer.send(server.peer_sockets[0], b"0123456789", None).unwrap();
        server.exchange();
        let len = lens.iter().sum::<u32>() as usize;
        assert_eq!(receive(&mut server, fd, lens, WAITALL).unwrap(), b"0123456789"[..len]);
    }
}

#[test]
fn buffers_are_sent_in_a_row_as_far_as_there_is_room() {
    let (mut server, fd) = connected();
    let pieces: [&[u8]; 6] = [b"a", b"", b"bc", b"def", b"", b"g"];
    assert_eq!(send(&mut server, fd, &pieces), Ok(7));
    assert_eq!(send(&mut server, fd, &[]), Ok(0));
    assert_eq!(send(&mut server, fd, &[b""]), Ok(0));
    let mut sent = 7;
    let large = [b'h'; 9000];
    let error = loop {
        match send(&mut server, fd, &[&large, &large, &large]) {
            Ok(len_bytes) => sent += len_bytes as usize,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::Again);
    let mut received = Vec::new();
    while received.len() < sent {
        server.exchange();
        let mut buffer = [0; 5000];
        match server.peer.receive(server.peer_sockets[0], &mut buffer, false) {
            Ok(chunk) => received.extend_from_slice(&buffer[..chunk.len_bytes]),
            Err(error) => assert_eq!(error, NetError::WouldBlock),
        }
    }
    assert_eq!(received[..7], *b"abcdefg");
    assert!(received.len() == sent && received[7..].iter().all(|&byte| byte == b'h'));
}

#[test]
fn a_buffer_outside_of_memory_is_a_fault_before_anything_is_done() {
    let (mut server, fd) = connected();
    server.peer.send(server.peer_sockets[0], b"0123", None).unwrap();
    server.exchange();
    let outside = MEMORY_LEN_BYTES as u64 - 4;
    let inside = server.guest.zeros(8);
    for buffers in [[(inside, 2), (outside, 5)], [(outside, 5), (inside, 2)]] {
        let iovecs = server.guest.iovecs(&buffers);
        let result = server.guest.zeros(8);
        let fault = server
            .guest
            .call("sock_recv", &[fd.into(), iovecs, 2, 0, result, result + 4]);
        assert_eq!(fault, Err(Errno::Fault));
        assert_eq!(
            server.guest.call("sock_send", &[fd.into(), iovecs, 2, 0, result]),
            Err(Errno::Fault)
        );
    }
    assert_eq!(receive(&mut server, fd, &[9], 0).unwrap(), b"0123");
}
