//! What goes wrong: bad wires, hostile frames, floods, peers and leases that do not exist, and churn.

use super::super::virtual_wire::{Faults, World};
use super::*;

#[test]
fn bytes_arrive_whole_over_a_bad_wire() {
    for seed in 0..60 {
        let faults = Faults {
            loss: 10,
            duplication: 10,
            damage: 5,
            delay_ns: 2_000_000,
            jitter_ns: 3_000_000,
        };
        let mut world = World::new(seed, faults);
        let listener = listen(&mut world, "0.0.0.0:80", 1);
        let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
        transfer(&mut world, [client, server], 100_000);
        nothing_is_left(&mut world);
    }
}

#[test]
fn losses_are_made_good_without_timeouts() {
    let mut durations_ns: Vec<u64> = (0..20)
        .map(|seed| {
            let faults = Faults {
                loss: 10,
                delay_ns: 1_000_000,
                ..Faults::default()
            };
            let mut world = World::new(seed, faults);
            let listener = listen(&mut world, "0.0.0.0:80", 1);
            let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
            let began_ns = world.now_ns;
            let sent_before = world.wire.borrow().sent;
            transfer(&mut world, [client, server], 1_000_000);
            let sent = world.wire.borrow().sent;
            for side in [CLIENT, SERVER] {
                // 685 segments with data, as many acknowledgements at most, and what was lost.
                let frames = sent[side] - sent_before[side];
                assert!(frames < 1700, "{frames} frames");
            }
            world.now_ns - began_ns
        })
        .collect();
    durations_ns.sort_unstable();
    // Some hundred losses: with a timeout for one in ten it would be many seconds.
    let median_ns = durations_ns[durations_ns.len() / 2];
    assert!(median_ns < SECOND, "{median_ns} ns");
}

#[test]
fn a_lost_word_of_an_open_window_is_asked_for() {
    let mut world = World::new(1, Faults::default());
    let listener = listen(&mut world, "0.0.0.0:80", 1);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    let bytes = pattern(65536, 3);
    assert_eq!(world.stacks[SERVER].send(server, &bytes, None), Ok(bytes.len()));
    world.run(SECOND);
    world.wire.borrow_mut().faults.loss = 100;
    let mut buffer = vec![0; bytes.len()];
    let received = world.stacks[CLIENT].receive(client, &mut buffer, false);
    assert_eq!(received.map(|received| received.len_bytes), Ok(bytes.len()));
    world.run(SECOND);
    world.wire.borrow_mut().faults.loss = 0;
    // All data before this was acknowledged when the window had closed.
    assert_eq!(world.stacks[SERVER].send(server, b"more", None), Ok(4));
    let mut more = Vec::new();
    assert!(world.run_until(SECOND, |world| {
        if let Ok(received) = world.stacks[CLIENT].receive(client, &mut buffer, false) {
            more.extend_from_slice(&buffer[..received.len_bytes]);
        }
        more == b"more"
    }));
}

#[test]
fn a_refused_connection_says_so() {
    let mut world = World::new(1, Faults::default());
    let socket = start_connect(&mut world, "10.0.0.2:81");
    let mut result = Ok(());
    world.run_until(SECOND, |world| {
        result = world.stacks[CLIENT].connect(socket, address("10.0.0.2:81"));
        result != Err(NetError::InProgress)
    });
    assert_eq!(result, Err(NetError::ConnectionRefused));
}

#[test]
fn a_peer_that_does_not_exist_times_out() {
    let mut world = World::new(1, Faults::default());
    let socket = start_connect(&mut world, "10.0.0.9:81");
    let mut result = Ok(());
    world.run_until(300 * SECOND, |world| {
        result = world.stacks[CLIENT].connect(socket, address("10.0.0.9:81"));
        result != Err(NetError::InProgress)
    });
    assert_eq!(result, Err(NetError::TimedOut));
    nothing_is_left(&mut world);
}

#[test]
fn a_flood_of_requests_harms_neither_connections_nor_new_ones() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 8);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    // A request as the client's stack would make it, from addresses that do not answer.
    for number in 0..5000u32 {
        let request = frame::tests::request_from(number);
        world.wire.borrow_mut().send(SERVER, &request);
        if number % 50 == 0 {
            world.step();
        }
    }
    assert!(world.stacks[SERVER].connections.len() < 200);
    transfer(&mut world, [client, server], 50_000);
    let (_, _) = connect(&mut world, listener, "10.0.0.2:80");
    world.run(120 * SECOND);
    assert_eq!(world.stacks[SERVER].connections.len(), 2);
}

#[test]
fn thousands_of_connections_work_at_once() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 4096);
    let clients: Vec<SocketId> = (0..4000).map(|_| start_connect(&mut world, "10.0.0.2:80")).collect();
    let mut servers = Vec::new();
    assert!(world.run_until(30 * SECOND, |world| {
        while let Ok(accepted) = world.stacks[SERVER].accept(listener) {
            servers.push(accepted);
        }
        servers.len() == clients.len()
    }));
    for &client in &clients {
        world.stacks[CLIENT].send(client, b"hello", None).unwrap();
    }
    let mut buffer = [0; 16];
    let mut heard = 0;
    assert!(world.run_until(30 * SECOND, |world| {
        heard += servers
            .iter()
            .filter(|&&server| world.stacks[SERVER].receive(server, &mut buffer, false).is_ok())
            .count();
        heard == servers.len()
    }));
    nothing_is_left(&mut world);
}

#[test]
fn churn_leaves_no_connection_and_no_buffer_behind() {
    let mut world = World::new(
        1,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 128);
    for _ in 0..2000 {
        let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
        world.stacks[SERVER].send(server, b"bye", None).unwrap();
        world.stacks[SERVER].close(server);
        let mut buffer = [0; 10];
        assert!(world.run_until(SECOND, |world| {
            world.stacks[CLIENT].receive(client, &mut buffer, false).is_ok()
        }));
        world.stacks[CLIENT].close(client);
    }
    world.run(SECOND);
    for side in 0..2 {
        for (id, c) in world.stacks[side].connections.iter().take(5) {
            std::println!(
                "{side} {id} {:?} {:?} {} q{} {:?}",
                c.socket().state(),
                c.owner,
                world.now_ns,
                c.is_queued,
                c.final_record
            );
        }
    }
    assert_eq!(world.stacks[SERVER].connections.len(), 0);
    assert!(world.stacks[SERVER].connections.buffer_bytes() <= 4 * 131072);
    world.run(60 * SECOND);
    assert_eq!(world.stacks[SERVER].time_wait.len(), 0);
}

#[test]
fn addresses_in_use_or_foreign_are_refused() {
    let mut world = World::new(1, Faults::default());
    listen(&mut world, "0.0.0.0:80", 1);
    let server = &mut world.stacks[SERVER];
    let second = server.open(Family::Ipv4, SocketKind::Stream).unwrap();
    assert_eq!(server.bind(second, address("10.0.0.2:80")), Err(NetError::AddressInUse));
    assert_eq!(
        server.bind(second, address("10.0.0.7:81")),
        Err(NetError::AddressNotAvailable)
    );
    assert_eq!(server.bind(second, address("[::]:81")), Err(NetError::AddressFamily));
    assert_eq!(server.bind(second, address("10.0.0.2:81")), Ok(()));
}

#[test]
fn no_lease_is_an_error_after_a_while() {
    let mut world = World::with_configurations(1, Faults::default(), ["ip=dhcp", "ip=10.0.0.2/24"]);
    assert_eq!(world.stacks[CLIENT].configured(0), Ok(false));
    let mut result = Ok(false);
    world.run_until(60 * SECOND, |world| {
        result = world.stacks[CLIENT].configured(world.now_ns);
        result != Ok(false)
    });
    assert_eq!(result, Err(NetError::NetworkDown));
    assert!(world.now_ns >= 10 * SECOND);
}

#[test]
fn hostile_frames_are_survived() {
    let mut world = World::new(
        9,
        Faults {
            delay_ns: 1000,
            ..Faults::default()
        },
    );
    let listener = listen(&mut world, "0.0.0.0:80", 4);
    let (client, server) = connect(&mut world, listener, "10.0.0.2:80");
    let template = frame::tests::request_from(1);
    let noise = pattern(200_000, 11);
    for (number, chunk) in noise.chunks(20).enumerate() {
        let mut bytes = template.clone();
        let flips = usize::from(chunk[0] % 8) + 1;
        for flip in 0..flips {
            let place = usize::from(chunk[1 + flip * 2]) % bytes.len();
            bytes[place] = chunk[2 + flip * 2];
        }
        bytes.truncate(bytes.len() - usize::from(chunk[19] % 40) * usize::from(chunk[18] % 2));
        let vouched = ReceivedFrame {
            start: 0,
            len_bytes: bytes.len(),
            buffer: bytes.into(),
            checksum_valid: number % 2 == 0,
        };
        world.stacks[SERVER].receive_frame(&vouched);
        if number % 100 == 0 {
            world.step();
        }
    }
    transfer(&mut world, [client, server], 20_000);
}
