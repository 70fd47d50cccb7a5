//! Preopens and listings.

use super::*;
use alloc::format;
use alloc::string::String;

/// Lists a directory from a cookie with buffers of that size: cookie after each entry, name, type.
fn list(guest: &mut Guest, fd: u32, mut cookie: u64, buffer_len: usize) -> Vec<(u64, String, u8)> {
    let mut entries = Vec::new();
    loop {
        let buffer = guest.zeros(buffer_len);
        let used = guest.zeros(4);
        let arguments = [u64::from(fd), buffer, buffer_len as u64, cookie, used];
        guest.call("fd_readdir", &arguments).unwrap();
        let bytes = guest.get(buffer, guest.get_u32(used) as usize);
        let mut rest = &bytes[..];
        while rest.len() >= 24 {
            let name_len = u32::from_le_bytes(rest[16..20].try_into().unwrap()) as usize;
            if rest.len() < 24 + name_len {
                break;
            }
            cookie = u64::from_le_bytes(rest[0..8].try_into().unwrap());
            let name = String::from_utf8(rest[24..24 + name_len].to_vec()).unwrap();
            entries.push((cookie, name, rest[20]));
            rest = &rest[24 + name_len..];
        }
        if bytes.len() < buffer_len {
            return entries;
        }
    }
}

fn names(entries: &[(u64, String, u8)]) -> Vec<&str> {
    entries.iter().map(|(_, name, _)| name.as_str()).collect()
}

#[test]
fn preopens_are_the_images_directories_then_tmp_and_dev() {
    let mut guest = Guest::new();
    let (prestat, path) = (guest.zeros(8), guest.zeros(16));
    for (fd, expected) in [(3, "data"), (4, "/tmp"), (5, "/dev")] {
        guest.call("fd_prestat_get", &[fd, prestat]).unwrap();
        assert_eq!((guest.get_u32(prestat), guest.get_u32(prestat + 4)), (0, 4));
        guest.call("fd_prestat_dir_name", &[fd, path, 4]).unwrap();
        assert_eq!(guest.get(path, 4), expected.as_bytes());
        assert_eq!(
            guest.call("fd_prestat_dir_name", &[fd, path, 3]),
            Err(Errno::Nametoolong)
        );
    }
    assert_eq!(guest.call("fd_prestat_get", &[6, prestat]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_get", &[0, prestat]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_dir_name", &[0, path, 4]), Err(Errno::Notdir));
}

#[test]
fn listings_start_with_the_dots_and_know_types() {
    let mut guest = Guest::new();
    let entries = list(&mut guest, 3, 0, 4096);
    assert_eq!(
        names(&entries),
        [".", "..", "dangling", "hello.txt", "link", "loop", "out", "sub"]
    );
    let types: Vec<u8> = entries.iter().map(|entry| entry.2).collect();
    assert_eq!(types, [3, 3, 7, 4, 7, 7, 7, 3]);
    assert_eq!(names(&list(&mut guest, 5, 0, 4096))[2..4], ["null", "random"]);
    let file = guest.create("file");
    assert_eq!(
        guest.call("fd_readdir", &[u64::from(file), 64, 100, 0, 64]),
        Err(Errno::Badf)
    );
}

#[test]
fn any_buffer_size_gives_the_same_listing() {
    let mut guest = Guest::new();
    let whole = list(&mut guest, 3, 0, 4096);
    for buffer_len in [40, 41, 63, 64, 100] {
        assert_eq!(list(&mut guest, 3, 0, buffer_len), whole, "buffers of {buffer_len}");
    }
    assert_eq!(list(&mut guest, 3, whole[4].0, 4096), whole[5..]);
}

#[test]
fn a_listing_goes_on_whatever_was_removed_and_added_meanwhile() {
    let mut guest = Guest::new();
    for index in 0..200 {
        let fd = guest.create(&format!("f{index:03}"));
        guest.call("fd_close", &[u64::from(fd)]).unwrap();
    }
    let before = list(&mut guest, 3, 0, 8192);
    let middle = before.iter().position(|(_, name, _)| name == "f100").unwrap();
    for index in 0..=100 {
        guest.path_call("path_unlink_file", 3, &format!("f{index:03}")).unwrap();
    }
    guest.path_call("path_unlink_file", 3, "f150").unwrap();
    let fd = guest.create("later");
    guest.call("fd_close", &[u64::from(fd)]).unwrap();
    let rest = list(&mut guest, 3, before[middle].0, 8192);
    let expected: Vec<String> = (101..200)
        .filter(|index| *index != 150)
        .map(|index| format!("f{index:03}"))
        .chain(["later".into()])
        .collect();
    assert_eq!(names(&rest), expected);
}

#[test]
fn ten_thousand_files_are_found_and_listed() {
    let mut guest = Guest::with_limit(64 << 20);
    for index in 0..10_000 {
        let fd = guest
            .open_at(4, &format!("{index}"), oflags::CREAT, rights::FD_WRITE, 0)
            .unwrap();
        guest.call("fd_close", &[u64::from(fd)]).unwrap();
    }
    assert_eq!(list(&mut guest, 4, 0, 32768).len(), 10_002);
    for index in 0..10_000 {
        guest.path_call("path_unlink_file", 4, &format!("{index}")).unwrap();
    }
    assert_eq!(names(&list(&mut guest, 4, 0, 32768)), [".", ".."]);
}
