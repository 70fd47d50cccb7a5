//! What sockets do on a good wire.

use super::super::virtual_wire::{Faults, World};
use super::*;

#[test]
fn bytes_arrive_whole_in_both_families() {
    for (bind, target) in [
        ("0.0.0.0:80", "10.0.0.2:80"),
        ("[::]:80", "[fd00::2]:80"),
        ("10.0.0.2:80", "10.0.0.2:80"),
    ] {
        let mut world = World::new(
            1,
            Faults {
                delay_ns: 1000,
                ..Faults::default()
            },
        );
        let listener = listen(&mut world, bind, 1);
        let (client, server) = connect(&mut world, listener, target);
        assert_eq!(world.stacks[CLIENT].peer_address(client), Ok(address(target)));
        assert_eq!(world.stacks[SERVER].local_address(server), Ok(address(target)));
        assert_eq!(
            world.stacks[SERVER].peer_address(server),
            world.stacks[CLIENT].local_address(client)
        );
        transfer(&mut world, [client, server], 300_000);
        nothing_is_left(&mut world);
    }
}

#[test]
fn an_idle_connection_stays_and_costs_nothing() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    world.run(20 * SECOND);
    let sent = world.wire.borrow().sent;
    world.run(3600 * SECOND);
    assert_eq!(world.wire.borrow().sent, sent);
    transfer(&mut world, [client, server], 10_000);
}

#[test]
fn an_answer_carries_the_acknowledgement_of_its_request() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    world.run(SECOND);
    let before = world.wire.borrow().sent;
    let mut buffer = [0; 100];
    for _ in 0..10 {
        world.stacks[CLIENT].send(client, b"request", None).unwrap();
        assert!(world.run_until(SECOND, |world| {
            world.stacks[SERVER].receive(server, &mut buffer, false).is_ok()
        }));
        world.stacks[SERVER].send(server, b"ans", None).unwrap();
        world.stacks[SERVER].send(server, b"wer", None).unwrap();
        assert!(world.run_until(SECOND, |world| {
            world.stacks[CLIENT].receive(client, &mut buffer, false).is_ok()
        }));
        assert_eq!(&buffer[..6], b"answer");
    }
    let after = world.wire.borrow().sent;
    assert_eq!([after[0] - before[0], after[1] - before[1]], [10, 10]);
}

#[test]
fn a_reset_reaches_the_peer_once_and_then_the_stream_has_ended() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    world.stacks[CLIENT]
        .set_option(client, SocketOption::Linger(Some(0)))
        .unwrap();
    world.stacks[CLIENT].close(client);
    let mut buffer = [0; 10];
    let mut result = Err(NetError::WouldBlock);
    world.run_until(SECOND, |world| {
        result = world.stacks[SERVER].receive(server, &mut buffer, false);
        result != Err(NetError::WouldBlock)
    });
    assert_eq!(result, Err(NetError::ConnectionReset));
    assert_eq!(
        world.stacks[SERVER]
            .receive(server, &mut buffer, false)
            .map(|received| received.len_bytes),
        Ok(0)
    );
    assert_eq!(world.stacks[SERVER].send(server, b"x", None), Err(NetError::BrokenPipe));
    assert!(
        world.stacks[SERVER]
            .readiness(server, Direction::Receive)
            .unwrap()
            .unwrap()
            .is_hangup
    );
}

#[test]
fn closing_with_unread_data_resets_the_connection() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    world.stacks[CLIENT].send(client, b"never read", None).unwrap();
    world.run(SECOND / 10);
    world.stacks[SERVER].close(server);
    world.run(SECOND / 10);
    assert_eq!(
        world.stacks[CLIENT].take_error(client),
        Ok(Some(NetError::ConnectionReset))
    );
}

#[test]
fn pieces_of_any_length_are_sent_in_a_row() {
    let mut world = World::new(1, Faults::default());
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    let bytes = pattern(400_000, 1);
    let (mut sent, mut received) = (0, Vec::new());
    let mut buffer = vec![0; 7001];
    assert!(world.run_until(10 * SECOND, |world| {
        // The lengths go round with the place, so that each piece meets the end of the send buffer, and its lack of room.
        let lens = [sent % 3, sent % 9973, 0, sent % 4001];
        let mut rest = &bytes[sent..];
        let pieces = lens.map(|len_bytes| rest.split_off(..len_bytes.min(rest.len())).unwrap());
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        match world.stacks[SERVER].send_pieces(server, &[&pieces[..], &[&rest[..rest.len().min(1)]]].concat()) {
            Ok(len_bytes) => {
                assert!(len_bytes <= offered + 1);
                sent += len_bytes;
            }
            Err(error) => assert_eq!(error, NetError::WouldBlock),
        }
        if let Ok(chunk) = world.stacks[CLIENT].receive(client, &mut buffer, false) {
            received.extend_from_slice(&buffer[..chunk.len_bytes]);
        }
        received.len() == bytes.len()
    }));
    assert!(received == bytes);
    assert_eq!(world.stacks[SERVER].send_pieces(server, &[]), Ok(0));
    assert_eq!(world.stacks[SERVER].send_pieces(server, &[&[], &[]]), Ok(0));
}

#[test]
fn a_closed_connection_delivers_what_was_sent_and_leaves_a_record_only() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    let bytes = pattern(60_000, 1);
    assert_eq!(world.stacks[SERVER].send(server, &bytes, None), Ok(60_000));
    world.stacks[SERVER].close(server);
    let mut received = Vec::new();
    let mut buffer = vec![0; 5000];
    world.run_until(SECOND, |world| {
        loop {
            match world.stacks[CLIENT].receive(client, &mut buffer, false) {
                Ok(Received { len_bytes: 0, .. }) => return true,
                Ok(chunk) => received.extend_from_slice(&buffer[..chunk.len_bytes]),
                Err(_) => return false,
            }
        }
    });
    assert!(received == bytes);
    world.stacks[CLIENT].close(client);
    world.run(SECOND / 10);
    assert_eq!(
        (
            world.stacks[SERVER].connections.len(),
            world.stacks[CLIENT].connections.len()
        ),
        (0, 0)
    );
    assert_eq!(
        (
            world.stacks[SERVER].time_wait.len(),
            world.stacks[CLIENT].time_wait.len()
        ),
        (1, 0)
    );
    assert!(world.stacks[SERVER].is_drained());
}

#[test]
fn a_full_backlog_ignores_requests_until_there_is_room() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 2);
    let mut clients: Vec<SocketId> = (0..2).map(|_| start_connect(&mut world, "10.0.0.2:80")).collect();
    world.run(SECOND / 2);
    clients.push(start_connect(&mut world, "10.0.0.2:80"));
    world.run(SECOND / 2);
    let ready = world.stacks[SERVER].readiness(listener, Direction::Receive).unwrap();
    assert_eq!(ready.map(|ready| ready.len_bytes), Some(2));
    for _ in 0..2 {
        world.stacks[SERVER].accept(listener).unwrap();
    }
    assert_eq!(world.stacks[SERVER].accept(listener), Err(NetError::WouldBlock));
    world.run(5 * SECOND);
    world.stacks[SERVER].accept(listener).unwrap();
    for client in clients {
        assert_eq!(world.stacks[CLIENT].connect(client, address("10.0.0.2:80")), Ok(()));
    }
}

#[test]
fn datagrams_arrive_with_their_sender_and_long_ones_are_cut() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    for (any, target) in [("0.0.0.0:53", "10.0.0.2:53"), ("[::]:53", "[fd00::2]:53")] {
        let family = if address(any).is_ipv4() {
            Family::Ipv4
        } else {
            Family::Ipv6
        };
        let [client, server] =
            [CLIENT, SERVER].map(|side| world.stacks[side].open(family, SocketKind::Datagram).unwrap());
        world.stacks[SERVER].bind(server, address(any)).unwrap();
        world.stacks[CLIENT].connect(client, address(target)).unwrap();
        assert_eq!(world.stacks[CLIENT].send(client, b"question", None), Ok(8));
        assert!(world.run_until(5 * SECOND, |world| {
            let ready = world.stacks[SERVER].readiness(server, Direction::Receive).unwrap();
            ready.is_some_and(|ready| ready.len_bytes == 8)
        }));
        let mut buffer = [0; 4];
        let received = world.stacks[SERVER].receive(server, &mut buffer, false).unwrap();
        assert!(received.truncated && &buffer == b"ques");
        let from = received.from.unwrap();
        assert_eq!(from.port(), world.stacks[CLIENT].local_address(client).unwrap().port());
        world.stacks[SERVER].send(server, b"yes", Some(from)).unwrap();
        assert!(world.run_until(5 * SECOND, |world| {
            world.stacks[CLIENT].receive(client, &mut buffer, false).is_ok()
        }));
        assert_eq!(
            world.stacks[CLIENT].send(client, &[0; 1473], None),
            Err(NetError::MessageTooLong)
        );
    }
}

#[test]
fn many_datagrams_are_echoed_one_after_the_other() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let [client, server] =
        [CLIENT, SERVER].map(|side| world.stacks[side].open(Family::Ipv4, SocketKind::Datagram).unwrap());
    world.stacks[SERVER].bind(server, address("0.0.0.0:7")).unwrap();
    let mut buffer = [0; 1500];
    for number in 0..1000usize {
        let sent = pattern(number % 1400 + 1, number as u64);
        let target = Some(address("10.0.0.2:7"));
        world.stacks[CLIENT].send(client, &sent, target).unwrap();
        assert!(world.run_until(5 * SECOND, |world| {
            let server_stack = &mut world.stacks[SERVER];
            if let Ok(received) = server_stack.receive(server, &mut buffer, false) {
                server_stack
                    .send(server, &buffer[..received.len_bytes], received.from)
                    .unwrap();
            }
            world.stacks[CLIENT]
                .receive(client, &mut buffer, false)
                .is_ok_and(|received| buffer[..received.len_bytes] == sent)
        }));
    }
}

#[test]
fn a_broadcast_needs_the_option() {
    let mut world = World::new(1, Faults::default());
    let stack = &mut world.stacks[CLIENT];
    let socket = stack.open(Family::Ipv4, SocketKind::Datagram).unwrap();
    let own_network = "10.0.0.255:9";
    for (to, allowed) in [
        ("255.255.255.255:9", false),
        (own_network, false),
        ("10.0.0.254:9", true),
    ] {
        let sent = stack.send(socket, b"all", Some(address(to)));
        let expected = if allowed {
            Ok(3)
        } else {
            Err(NetError::BroadcastNotAllowed)
        };
        assert_eq!(sent, expected, "{to}");
    }
    stack.set_option(socket, SocketOption::Broadcast(true)).unwrap();
    assert_eq!(stack.send(socket, b"all", Some(address(own_network))), Ok(3));
}

#[test]
fn where_no_router_answers_nothing_is_due_again_and_again() {
    let mut world = World::new(1, Faults::default());
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, _) = connect(&mut world, listener, "10.0.0.2:80");
    world.run(30 * SECOND);
    world.wire.borrow_mut().faults.loss = 100;
    world.stacks[CLIENT].send(client, b"lost", None).unwrap();
    let mut steps = 0;
    world.run_until(30 * SECOND, |_| {
        steps += 1;
        false
    });
    assert!(steps < 100, "{steps} steps in half a minute");
}
