//! When a socket is ready: a connection that was found idle is not looked at again until something has happened to it, so
//! everything that can happen is tried here.

use super::super::virtual_wire::{Faults, World};
use super::*;

/// Bytes to receive; `Some(0)` is the end.
fn waiting(world: &mut World, socket: SocketId) -> Option<u64> {
    let ready = world.stacks[SERVER].readiness(socket, Direction::Receive).unwrap();
    ready.map(|ready| ready.len_bytes)
}

/// Makes a connection, finds it idle, lets `happen` happen, and returns what is waiting then.
fn after(happen: impl FnOnce(&mut World, SocketId, SocketId)) -> Option<u64> {
    let mut world = World::new(1, Faults::default());
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    world.run(SECOND);
    assert_eq!(waiting(&mut world, server), None);
    happen(&mut world, client, server);
    world.run(SECOND);
    let found = waiting(&mut world, server);
    assert_eq!(waiting(&mut world, server), found, "asking changes the answer");
    found
}

#[test]
fn data_makes_an_idle_connection_ready_until_it_is_read() {
    let found = after(|world, client, server| {
        let mut buffer = [0; 10];
        for _ in 0..3 {
            assert_eq!(world.stacks[CLIENT].send(client, b"question", None), Ok(8));
            world.run(SECOND);
            assert_eq!(waiting(world, server), Some(8));
            let taken = world.stacks[SERVER].receive(server, &mut buffer[..5], false).unwrap();
            assert_eq!((taken.len_bytes, waiting(world, server)), (5, Some(3)));
            world.stacks[SERVER].receive(server, &mut buffer, false).unwrap();
            assert_eq!(waiting(world, server), None);
        }
        world.stacks[CLIENT].send(client, b"more", None).unwrap();
    });
    assert_eq!(found, Some(4));
}

#[test]
fn the_end_of_an_idle_connection_makes_it_ready() {
    let closed = after(|world, client, _| world.stacks[CLIENT].close(client));
    assert_eq!(closed, Some(0));
    let shut_by_peer = after(|world, client, _| world.stacks[CLIENT].shutdown(client, false, true).unwrap());
    assert_eq!(shut_by_peer, Some(0));
    let shut_by_itself = after(|world, _, server| world.stacks[SERVER].shutdown(server, true, false).unwrap());
    assert_eq!(shut_by_itself, Some(0));
}

#[test]
fn a_peer_that_vanishes_makes_an_idle_connection_ready_at_last() {
    let found = after(|world, _, server| {
        world.stacks[SERVER].send(server, b"unanswered", None).unwrap();
        world.wire.borrow_mut().faults.loss = 100;
        world.run(600 * SECOND);
    });
    assert_eq!(found, Some(0));
}

#[test]
fn a_lower_low_water_mark_makes_an_idle_connection_ready() {
    let found = after(|world, client, server| {
        let mark = SocketOption::ReceiveLowWater(100);
        world.stacks[SERVER].set_option(server, mark).unwrap();
        world.stacks[CLIENT].send(client, b"question", None).unwrap();
        world.run(SECOND);
        assert_eq!(waiting(world, server), None);
        let mark = SocketOption::ReceiveLowWater(8);
        world.stacks[SERVER].set_option(server, mark).unwrap();
    });
    assert_eq!(found, Some(8));
}
