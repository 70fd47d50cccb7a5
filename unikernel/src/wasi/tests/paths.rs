//! What paths may and may not reach, and the edits by path.

use super::*;

const BOTH: u64 = rights::FD_READ | rights::FD_WRITE;

fn two_paths(guest: &mut Guest, name: &str, old: &str, new: &str) -> Result<(), Errno> {
    let (old_address, new_address) = (guest.put(old.as_bytes()), guest.put(new.as_bytes()));
    let (old_len, new_len) = (old.len() as u64, new.len() as u64);
    match name {
        "path_link" => guest.call(name, &[3, 0, old_address, old_len, 3, new_address, new_len]),
        "path_symlink" => guest.call(name, &[old_address, old_len, 3, new_address, new_len]),
        _ => guest.call(name, &[3, old_address, old_len, 3, new_address, new_len]),
    }
}

#[test]
fn no_path_leaves_its_directory() {
    let mut guest = Guest::new();
    for path in [
        "..",
        "../data/hello.txt",
        "/etc",
        "/",
        "sub/../..",
        "sub/../../data",
        "out",
        "./out/x",
    ] {
        assert_eq!(guest.contents(path), Err(Errno::Perm), "{path}");
    }
    assert_eq!(guest.contents("sub/../hello.txt").unwrap(), b"hello, world");
    let sub = guest.open("sub", oflags::DIRECTORY, rights::FD_READ, 0).unwrap();
    assert_eq!(
        guest.open_at(sub, "../hello.txt", 0, rights::FD_READ, 0),
        Err(Errno::Perm)
    );
}

#[test]
fn dots_and_repeated_slashes_mean_nothing() {
    let mut guest = Guest::new();
    assert_eq!(guest.contents(".//sub/./..///sub//inner.txt").unwrap(), b"inner");
    assert_eq!(guest.contents(""), Err(Errno::Noent));
    assert_eq!(guest.contents("hello.txt\0"), Err(Errno::Inval));
    assert_eq!(guest.contents(&"x".repeat(256)), Err(Errno::Nametoolong));
    assert_eq!(guest.contents("hello.txt/x"), Err(Errno::Notdir));
    assert_eq!(guest.contents("hello.txt/"), Err(Errno::Notdir));
    assert_eq!(guest.contents("missing/x"), Err(Errno::Noent));
}

#[test]
fn symbolic_links_are_followed_unless_told_otherwise() {
    let mut guest = Guest::new();
    assert_eq!(guest.contents("link").unwrap(), b"inner");
    assert_eq!(guest.contents("loop"), Err(Errno::Loop));
    assert_eq!(guest.stat("link", 1).unwrap()[2], 4);
    assert_eq!(guest.stat("link", 0).unwrap()[2], 7);
    assert_eq!(guest.stat("dangling", 1), Err(Errno::Noent));
    let path = guest.put(b"link");
    let (buffer, used) = (guest.zeros(32), guest.zeros(4));
    guest.call("path_readlink", &[3, path, 4, buffer, 32, used]).unwrap();
    assert_eq!(guest.get(buffer, guest.get_u32(used) as usize), b"sub/inner.txt");
    guest.call("path_readlink", &[3, path, 4, buffer, 3, used]).unwrap();
    assert_eq!(guest.get_u32(used), 3);
    let path = guest.put(b"sub");
    assert_eq!(
        guest.call("path_readlink", &[3, path, 3, buffer, 32, used]),
        Err(Errno::Inval)
    );
}

#[test]
fn creating_through_a_dangling_link_makes_its_target() {
    let mut guest = Guest::new();
    let fd = guest.create("dangling");
    guest.write(fd, b"made").unwrap();
    assert_eq!(guest.contents("created").unwrap(), b"made");
    assert_eq!(
        guest.open("link", oflags::CREAT | oflags::EXCL, BOTH, 0),
        Err(Errno::Exist)
    );
}

#[test]
fn opening_honours_its_flags() {
    let mut guest = Guest::new();
    assert_eq!(guest.open("new", 0, BOTH, 0), Err(Errno::Noent));
    assert_eq!(guest.open("new/", oflags::CREAT, BOTH, 0), Err(Errno::Isdir));
    assert_eq!(guest.open("sub", 0, BOTH, 0), Err(Errno::Isdir));
    assert_eq!(
        guest.open("hello.txt", oflags::DIRECTORY, rights::FD_READ, 0),
        Err(Errno::Notdir)
    );
    assert_eq!(
        guest.open("sub", oflags::DIRECTORY | oflags::CREAT, rights::FD_READ, 0),
        Err(Errno::Inval)
    );
    assert_eq!(guest.open("sub", 16, rights::FD_READ, 0), Err(Errno::Inval));
    guest.open("hello.txt", oflags::TRUNC, BOTH, 0).unwrap();
    assert_eq!(guest.contents("hello.txt").unwrap(), b"");
    let file = guest.open("hello.txt", 0, rights::FD_READ, 0).unwrap();
    assert_eq!(guest.open_at(file, "x", 0, rights::FD_READ, 0), Err(Errno::Notdir));
}

#[test]
fn directories_are_made_and_removed() {
    let mut guest = Guest::new();
    guest.path_call("path_create_directory", 3, "sub/new/").unwrap();
    assert_eq!(guest.path_call("path_create_directory", 3, "sub"), Err(Errno::Exist));
    assert_eq!(guest.path_call("path_create_directory", 3, "a/b"), Err(Errno::Noent));
    assert_eq!(
        guest.path_call("path_create_directory", 3, "dangling"),
        Err(Errno::Exist)
    );
    assert_eq!(guest.path_call("path_remove_directory", 3, "sub"), Err(Errno::Notempty));
    assert_eq!(
        guest.path_call("path_remove_directory", 3, "hello.txt"),
        Err(Errno::Notdir)
    );
    assert_eq!(guest.path_call("path_remove_directory", 3, "."), Err(Errno::Inval));
    guest.path_call("path_remove_directory", 3, "sub/new/").unwrap();
    guest.path_call("path_unlink_file", 3, "sub/inner.txt").unwrap();
    let open = guest.open("sub", oflags::DIRECTORY, rights::FD_READ, 0).unwrap();
    guest.path_call("path_remove_directory", 3, "sub").unwrap();
    assert_eq!(guest.open_at(open, "x", oflags::CREAT, BOTH, 0), Err(Errno::Noent));
}

#[test]
fn unlinking_is_for_files_and_links() {
    let mut guest = Guest::new();
    assert_eq!(guest.path_call("path_unlink_file", 3, "sub"), Err(Errno::Isdir));
    assert_eq!(guest.path_call("path_unlink_file", 3, "hello.txt/"), Err(Errno::Notdir));
    assert_eq!(guest.path_call("path_unlink_file", 3, "missing"), Err(Errno::Noent));
    guest.path_call("path_unlink_file", 3, "link").unwrap();
    assert_eq!(guest.contents("sub/inner.txt").unwrap(), b"inner");
}

#[test]
fn hard_links_share_one_file() {
    let mut guest = Guest::new();
    two_paths(&mut guest, "path_link", "hello.txt", "sub/again").unwrap();
    let fd = guest.open("sub/again", 0, BOTH, 0).unwrap();
    guest.write(fd, b"H").unwrap();
    assert_eq!(guest.contents("hello.txt").unwrap(), b"Hello, world");
    let (first, second) = (guest.stat("hello.txt", 0).unwrap(), guest.stat("sub/again", 0).unwrap());
    assert_eq!(first, second);
    assert_eq!(first[3], 2);
    guest.path_call("path_unlink_file", 3, "hello.txt").unwrap();
    assert_eq!(guest.contents("sub/again").unwrap(), b"Hello, world");
    assert_eq!(two_paths(&mut guest, "path_link", "sub", "dir"), Err(Errno::Perm));
    assert_eq!(
        two_paths(&mut guest, "path_link", "sub/again", "link"),
        Err(Errno::Exist)
    );
}

#[test]
fn symbolic_links_are_made_with_relative_targets_only() {
    let mut guest = Guest::new();
    two_paths(&mut guest, "path_symlink", "sub", "short").unwrap();
    assert_eq!(guest.contents("short/inner.txt").unwrap(), b"inner");
    assert_eq!(two_paths(&mut guest, "path_symlink", "/etc", "abs"), Err(Errno::Perm));
    assert_eq!(two_paths(&mut guest, "path_symlink", "", "empty"), Err(Errno::Noent));
    assert_eq!(two_paths(&mut guest, "path_symlink", "x", "link"), Err(Errno::Exist));
}

#[test]
fn renaming_replaces_as_posix_says() {
    let mut guest = Guest::new();
    let rename = |guest: &mut Guest, old: &str, new: &str| two_paths(guest, "path_rename", old, new);
    let open = guest.open("sub/inner.txt", 0, rights::FD_READ, 0).unwrap();
    rename(&mut guest, "hello.txt", "sub/inner.txt").unwrap();
    assert_eq!(guest.contents("sub/inner.txt").unwrap(), b"hello, world");
    assert_eq!(
        guest.read(open, 9).unwrap(),
        b"inner",
        "the replaced file is still open"
    );
    assert_eq!(guest.contents("hello.txt"), Err(Errno::Noent));
    assert_eq!(rename(&mut guest, "missing", "x"), Err(Errno::Noent));
    assert_eq!(rename(&mut guest, "sub", "sub/below"), Err(Errno::Inval));
    assert_eq!(rename(&mut guest, "sub", "link"), Err(Errno::Notdir));
    assert_eq!(rename(&mut guest, "link", "sub"), Err(Errno::Isdir));
    guest.path_call("path_create_directory", 3, "other").unwrap();
    rename(&mut guest, "link", "other/link").unwrap();
    assert_eq!(rename(&mut guest, "sub", "other"), Err(Errno::Notempty));
    rename(&mut guest, "sub", "other/moved/").unwrap();
    assert_eq!(guest.contents("other/moved/inner.txt").unwrap(), b"hello, world");
    assert_eq!(rename(&mut guest, "other", "other/moved/deep"), Err(Errno::Inval));
    rename(&mut guest, "other/moved", "other/moved").unwrap();
    assert_eq!(rename(&mut guest, ".", "x"), Err(Errno::Busy));
}

#[test]
fn moving_between_file_systems_is_refused() {
    let mut guest = Guest::new();
    let (path, len) = (guest.put(b"null"), 4);
    assert_eq!(
        guest.call("path_rename", &[5, path, len, 3, path, len]),
        Err(Errno::Xdev)
    );
    let (path, len) = (guest.put(b"hello.txt"), 9);
    guest.call("path_rename", &[3, path, len, 4, path, len]).unwrap();
    let fd = guest.open_at(4, "hello.txt", 0, rights::FD_READ, 0).unwrap();
    assert_eq!(guest.read(fd, 5).unwrap(), b"hello");
}
