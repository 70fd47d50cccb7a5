//! Behaviour of the whole stack: two of them on a virtual wire.

mod faults;
mod operations;
mod readiness;

use super::virtual_wire::World;
use super::*;
use alloc::vec;
use core::net::SocketAddr;

const SECOND: u64 = 1_000_000_000;
const CLIENT: usize = 0;
const SERVER: usize = 1;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn listen(world: &mut World, text: &str, backlog: u32) -> SocketId {
    let family = if address(text).is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    };
    let server = &mut world.stacks[SERVER];
    let listener = server.open(family, SocketKind::Stream).unwrap();
    server.bind(listener, address(text)).unwrap();
    server.listen(listener, backlog).unwrap();
    listener
}

fn start_connect(world: &mut World, text: &str) -> SocketId {
    let family = if address(text).is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    };
    let client = &mut world.stacks[CLIENT];
    let socket = client.open(family, SocketKind::Stream).unwrap();
    assert_eq!(client.connect(socket, address(text)), Err(NetError::InProgress));
    socket
}

/// Connects and accepts.
fn connect(world: &mut World, listener: SocketId, text: &str) -> (SocketId, SocketId) {
    let socket = start_connect(world, text);
    assert!(world.run_until(600 * SECOND, |world| {
        world.stacks[CLIENT].connect(socket, address(text)).is_ok()
    }));
    let mut accepted = None;
    world.run_until(600 * SECOND, |world| {
        accepted = world.stacks[SERVER].accept(listener).ok();
        accepted.is_some()
    });
    (socket, accepted.unwrap())
}

fn pattern(len_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len_bytes).map(|_| next()).collect()
}

/// Sends bytes both ways at once, closes both ways, and checks what arrives.
fn transfer(world: &mut World, sockets: [SocketId; 2], len_bytes: usize) {
    let sent = [pattern(len_bytes, 3), pattern(len_bytes, 5)];
    let mut offsets = [0; 2];
    let mut received = [Vec::new(), Vec::new()];
    let mut ended = [false; 2];
    let mut buffer = vec![0; 5000];
    let done = world.run_until(3600 * SECOND, |world| {
        for side in [CLIENT, SERVER] {
            while offsets[side] < len_bytes {
                match world.stacks[side].send(sockets[side], &sent[side][offsets[side]..], None) {
                    Ok(taken) => offsets[side] += taken,
                    Err(error) => {
                        assert_eq!(error, NetError::WouldBlock);
                        break;
                    }
                }
                if offsets[side] == len_bytes {
                    world.stacks[side].shutdown(sockets[side], false, true).unwrap();
                }
            }
            while !ended[side] {
                match world.stacks[side].receive(sockets[side], &mut buffer, false) {
                    Ok(Received { len_bytes: 0, .. }) => ended[side] = true,
                    Ok(chunk) => received[side].extend_from_slice(&buffer[..chunk.len_bytes]),
                    Err(error) => {
                        assert_eq!(error, NetError::WouldBlock);
                        break;
                    }
                }
            }
        }
        ended == [true, true]
    });
    assert!(
        done,
        "stuck after {received:?} bytes",
        received = received.map(|bytes| bytes.len())
    );
    assert!(
        received[SERVER] == sent[CLIENT] && received[CLIENT] == sent[SERVER],
        "the bytes differ"
    );
}

fn nothing_is_left(world: &mut World) {
    for side in [CLIENT, SERVER] {
        world.stacks[side].close_all();
    }
    world.run(70 * SECOND);
    for stack in &world.stacks {
        assert_eq!(stack.connections.len(), 0);
    }
}
