//! Every function with arbitrary arguments: an errno, never a panic, never a byte outside linear memory.

use super::*;
use abi::preview1::FUNCTIONS;
use proptest::prelude::*;

/// Numbers that functions find interesting: small ones, addresses in and just outside of memory, huge ones.
fn argument() -> impl Strategy<Value = u64> {
    let end = MEMORY_LEN_BYTES as u64;
    prop_oneof![
        0..8u64,
        (0..end / 8).prop_map(|word| word * 8),
        end - 64..end + 64,
        0..end,
        any::<u32>().prop_map(u64::from),
        any::<u64>(),
        Just(u64::from(u32::MAX)),
        Just(u64::from(rights_pair())),
    ]
}

fn rights_pair() -> u32 {
    (rights::FD_READ | rights::FD_WRITE) as u32
}

/// Fills linear memory with paths, buffer lists and subscriptions that make sense here and there.
fn fill_memory(guest: &mut Guest, seed: u8) {
    let mut bytes = Vec::new();
    while bytes.len() < MEMORY_LEN_BYTES {
        bytes.extend_from_slice(b"sub/../a\0link\0/x");
        bytes.extend_from_slice(&u64::from(seed).to_le_bytes());
        for word in [(bytes.len() as u32 / 2) & !7, u32::from(seed), 3, 0, 1, 8] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    bytes.truncate(MEMORY_LEN_BYTES);
    let slice = guest.context.memory.slice(0, MEMORY_LEN_BYTES as u32).unwrap();
    guest.context.memory.bytes_mut(slice).copy_from_slice(&bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_calls_return_an_errno(
        seed: u8,
        calls in prop::collection::vec(
            (0..FUNCTIONS.len(), prop::array::uniform10(argument()), any::<bool>()),
            1..12,
        ),
    ) {
        let mut guest = Guest::with_limit(64 * 1024);
        guest.machine.borrow_mut().stdin_later.push_back((5, b"late".to_vec()));
        fill_memory(&mut guest, seed);
        for (function, arguments, is_old) in calls {
            let name = FUNCTIONS[function].name;
            let call = if is_old { call_preview0 } else { call_preview1 };
            let outcome = call(&mut guest.context, name, &arguments);
            prop_assert!(outcome.is_some() || name == "proc_exit" || (is_old && name == "sock_accept"));
        }
    }

    #[test]
    fn an_address_outside_memory_is_a_fault(function in 0..FUNCTIONS.len(), beyond in 0..u32::MAX / 2) {
        let name = FUNCTIONS[function].name;
        let address = u64::from((MEMORY_LEN_BYTES as u32 + beyond) & !7);
        let mut guest = Guest::new();
        let arguments = [3, address, address, address, address, address, address, address, address, address];
        let takes_pointers = ![
            "fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_set_flags", "fd_fdstat_set_rights",
            "fd_filestat_set_size", "fd_filestat_set_times", "fd_renumber", "fd_sync", "proc_raise", "proc_exit",
            "sched_yield", "sock_shutdown", "fd_seek", "random_get", "args_get", "args_sizes_get", "environ_get",
            "environ_sizes_get", "poll_oneoff", "path_symlink",
        ].contains(&name);
        if takes_pointers {
            prop_assert_eq!(guest.call(name, &arguments), Err(Errno::Fault), "{}", name);
        }
    }
}

#[test]
fn without_a_memory_every_pointer_is_a_fault() {
    let mut guest = Guest::new();
    guest.context.set_memory(GuestMemory::none());
    assert_eq!(guest.call("args_sizes_get", &[0, 8]), Err(Errno::Fault));
    assert_eq!(guest.call("random_get", &[0, 1]), Err(Errno::Fault));
    assert_eq!(guest.call("clock_time_get", &[0, 0, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_write", &[1, 0, 1, 0]), Err(Errno::Fault));
}

#[test]
fn a_misaligned_pointer_is_invalid() {
    let mut guest = Guest::new();
    assert_eq!(guest.call("clock_time_get", &[0, 0, 68]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_write", &[1, 66, 1, 64]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_fdstat_get", &[1, 68]), Err(Errno::Inval));
}
