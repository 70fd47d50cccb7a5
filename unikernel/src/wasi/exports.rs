//! The functions that programs import, as symbols: `wasi_snapshot_preview1.<name>` and `wasi_unstable.<name>`.
//!
//! Each symbol is a tiny function of its own that hands the one [`Context`] to the function of the same name in its topic's
//! module; so the linker keeps only what a program imports. [`functions`] lists names and addresses for a loader that has no
//! linker. Read first: [`install`]. Limits: one program, one thread.
#![allow(
    unsafe_code,
    reason = "symbols with fixed names, and the cell that holds the one context"
)]

use super::context::Context;
use super::errno::Errno;
use core::cell::UnsafeCell;
use core::ptr;

struct ContextCell(UnsafeCell<*mut Context>);

// SAFETY: `install` obliges its caller to let only one thread at a time use the cell.
unsafe impl Sync for ContextCell {}

static INSTALLED: ContextCell = ContextCell(UnsafeCell::new(ptr::null_mut()));

/// Makes `context` the one that the exported functions act on; null takes the last one away.
///
/// # Safety
/// 1. Until the next `install`, `context` is null or points to a context that nobody else uses while an exported function runs.
/// 2. No exported function runs during the call, and all later ones run one at a time, each after what came before.
pub unsafe fn install(context: *mut Context) {
    // SAFETY: condition 2 excludes every other access.
    unsafe { *INSTALLED.0.get() = context };
}

/// Runs a call; its result is what the program gets.
///
/// # Safety
/// As [`install`], for as long as the call takes.
#[inline(always)]
unsafe fn call(run: impl FnOnce(&mut Context) -> Result<(), Errno>) -> u32 {
    // SAFETY: nothing writes the cell while a call runs (condition 2 of `install`), and what it holds is null or a context that
    // only this call uses (conditions 1 and 2).
    match unsafe { (*INSTALLED.0.get()).as_mut() } {
        None => Errno::Nosys as u32,
        Some(context) => match run(context) {
            Ok(()) => 0,
            Err(errno) => errno as u32,
        },
    }
}

/// Takes the next argument of a call by name.
macro_rules! argument {
    ($next:ident, $type:ty) => {
        $next() as $type
    };
}

/// Makes the program's files durable: what is left to do after a trap.
///
/// # Safety
/// As [`install`], for as long as the call takes.
pub unsafe fn finish_files() {
    let finish = |context: &mut Context| {
        context.finish_files();
        Ok(())
    };
    // SAFETY: as for this function. The result is always success.
    unsafe { call(finish) };
}

/// Makes the program's files durable and sees its connections off, once its entry has returned.
///
/// # Safety
/// As [`install`], for as long as the call takes.
pub unsafe fn finish() {
    let finish = |context: &mut Context| {
        context.finish();
        Ok(())
    };
    // SAFETY: as for this function. The result is always success.
    unsafe { call(finish) };
}

/// Defines the symbols of one version of WASI, and the list of them.
macro_rules! export_functions {
    (
        $(#[$list_doc:meta])* $list:ident, $call:ident, $symbols:ident, $prefix:literal;
        $($topic:ident::$name:ident($($parameter:ident: $type:ty),*);)*
    ) => {
        mod $symbols {
            use super::call;
            use crate::wasi::process;
            use crate::wasi::context::Context;

            $(
                #[unsafe(export_name = concat!($prefix, ".", stringify!($name)))]
                pub unsafe extern "C" fn $name($($parameter: $type),*) -> u32 {
                    // SAFETY: compiled code calls under the conditions that the caller of `install` vouches for.
                    unsafe { call(|context| crate::wasi::$topic::$name(context $(, $parameter)*)) }
                }
            )*

            #[unsafe(export_name = concat!($prefix, ".proc_exit"))]
            pub unsafe extern "C" fn proc_exit(code: u32) {
                let exit = |context: &mut Context| process::proc_exit(context, code);
                // SAFETY: as above.
                unsafe { call(exit) };
            }
        }

        /// Calls a function by its name, with as many of the arguments as it has; `None` if there is no such function. For tests
        /// and fuzzers. (`proc_exit` is not among them: it does not return.)
        pub fn $call(context: &mut Context, name: &str, arguments: &[u64; 10]) -> Option<Result<(), Errno>> {
            let mut arguments = arguments.iter().copied();
            let mut next = || arguments.next().unwrap_or_default();
            match name {
                $(stringify!($name) => Some(crate::wasi::$topic::$name(context $(, argument!(next, $type))*)),)*
                _ => None,
            }
        }

        $(#[$list_doc])*
        pub fn $list() -> impl Iterator<Item = (&'static str, usize)> {
            [
                $((concat!($prefix, ".", stringify!($name)), $symbols::$name as *const () as usize),)*
                (concat!($prefix, ".proc_exit"), $symbols::proc_exit as *const () as usize),
            ]
            .into_iter()
        }
    };
}

export_functions! {
    /// Returns symbol and address of each function of WASI preview 1.
    preview1_functions, call_preview1, preview1_symbols, "wasi_snapshot_preview1";
    args_environ::args_get(argv: u32, argv_buf: u32);
    args_environ::args_sizes_get(count: u32, len_bytes: u32);
    clock::clock_res_get(id: u32, resolution: u32);
    clock::clock_time_get(id: u32, precision: u64, time: u32);
    args_environ::environ_get(environ: u32, environ_buf: u32);
    args_environ::environ_sizes_get(count: u32, len_bytes: u32);
    fd_file::fd_advise(fd: u32, offset: u64, len_bytes: u64, advice: u32);
    fd_file::fd_allocate(fd: u32, offset: u64, len_bytes: u64);
    fd_file::fd_close(fd: u32);
    fd_file::fd_datasync(fd: u32);
    fd_stat::fd_fdstat_get(fd: u32, stat: u32);
    fd_stat::fd_fdstat_set_flags(fd: u32, flags: u32);
    fd_stat::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    fd_stat::fd_filestat_get(fd: u32, stat: u32);
    fd_file::fd_filestat_set_size(fd: u32, size: u64);
    fd_stat::fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
    fd_io::fd_pread(fd: u32, buffers: u32, buffer_count: u32, offset: u64, nread: u32);
    fd_directory::fd_prestat_dir_name(fd: u32, path: u32, path_len: u32);
    fd_directory::fd_prestat_get(fd: u32, prestat: u32);
    fd_io::fd_pwrite(fd: u32, buffers: u32, buffer_count: u32, offset: u64, nwritten: u32);
    fd_io::fd_read(fd: u32, buffers: u32, buffer_count: u32, nread: u32);
    fd_directory::fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, used: u32);
    fd_file::fd_renumber(from: u32, to: u32);
    fd_io::fd_seek(fd: u32, delta: u64, whence: u32, new_offset: u32);
    fd_file::fd_sync(fd: u32);
    fd_io::fd_tell(fd: u32, offset: u32);
    fd_io::fd_write(fd: u32, buffers: u32, buffer_count: u32, nwritten: u32);
    path_edit::path_create_directory(fd: u32, path: u32, path_len: u32);
    path_stat::path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, stat: u32);
    path_stat::path_filestat_set_times(fd: u32, flags: u32, path: u32, path_len: u32, atim: u64, mtim: u64, fst_flags: u32);
    path_edit::path_link(old_fd: u32, old_flags: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_open::path_open(fd: u32, dirflags: u32, path: u32, path_len: u32, oflags: u32, rights_base: u64, rights_inheriting: u64, fdflags: u32, opened_fd: u32);
    path_stat::path_readlink(fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, used: u32);
    path_edit::path_remove_directory(fd: u32, path: u32, path_len: u32);
    path_edit::path_rename(fd: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_edit::path_symlink(old_path: u32, old_path_len: u32, fd: u32, new_path: u32, new_path_len: u32);
    path_edit::path_unlink_file(fd: u32, path: u32, path_len: u32);
    poll::poll_oneoff(subscriptions: u32, events: u32, count: u32, event_count: u32);
    process::proc_raise(signal: u32);
    random::random_get(buf: u32, buf_len: u32);
    process::sched_yield();
    socket::sock_accept(fd: u32, flags: u32, new_fd: u32);
    socket::sock_accept_v1(fd: u32, new_fd: u32);
    socket::sock_bind(fd: u32, address: u32, port: u32);
    socket::sock_connect(fd: u32, address: u32, port: u32);
    socket::sock_getaddrinfo(node: u32, node_len: u32, service: u32, service_len: u32, hints: u32, results: u32, max_count: u32, count: u32);
    socket::sock_getlocaladdr_v1(fd: u32, address: u32, kind: u32, port: u32);
    socket::sock_getlocaladdr_v2(fd: u32, address: u32, port: u32);
    socket::sock_getpeeraddr_v1(fd: u32, address: u32, kind: u32, port: u32);
    socket::sock_getpeeraddr_v2(fd: u32, address: u32, port: u32);
    socket::sock_getsockopt(fd: u32, level: u32, name: u32, value: u32, len: u32);
    socket::sock_listen(fd: u32, backlog: u32);
    socket::sock_open(family: u32, kind: u32, fd: u32);
    socket::sock_recv_from_v1(fd: u32, buffers: u32, buffer_count: u32, address: u32, flags: u32, len_bytes: u32, out_flags: u32);
    socket::sock_recv_from_v2(fd: u32, buffers: u32, buffer_count: u32, address: u32, flags: u32, port: u32, len_bytes: u32, out_flags: u32);
    socket::sock_send_to(fd: u32, buffers: u32, buffer_count: u32, address: u32, port: u32, flags: u32, len_bytes: u32);
    socket::sock_setsockopt(fd: u32, level: u32, name: u32, value: u32, len_bytes: u32);
    socket::sock_recv(fd: u32, buffers: u32, buffer_count: u32, flags: u32, len_bytes: u32, out_flags: u32);
    socket::sock_send(fd: u32, buffers: u32, buffer_count: u32, flags: u32, len_bytes: u32);
    socket::sock_shutdown(fd: u32, how: u32);
}

export_functions! {
    /// Returns symbol and address of each function of `wasi_unstable`, which is preview 0.
    preview0_functions, call_preview0, preview0_symbols, "wasi_unstable";
    args_environ::args_get(argv: u32, argv_buf: u32);
    args_environ::args_sizes_get(count: u32, len_bytes: u32);
    clock::clock_res_get(id: u32, resolution: u32);
    clock::clock_time_get(id: u32, precision: u64, time: u32);
    args_environ::environ_get(environ: u32, environ_buf: u32);
    args_environ::environ_sizes_get(count: u32, len_bytes: u32);
    fd_file::fd_advise(fd: u32, offset: u64, len_bytes: u64, advice: u32);
    fd_file::fd_allocate(fd: u32, offset: u64, len_bytes: u64);
    fd_file::fd_close(fd: u32);
    fd_file::fd_datasync(fd: u32);
    fd_stat::fd_fdstat_get(fd: u32, stat: u32);
    fd_stat::fd_fdstat_set_flags(fd: u32, flags: u32);
    fd_stat::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    preview0::fd_filestat_get(fd: u32, stat: u32);
    fd_file::fd_filestat_set_size(fd: u32, size: u64);
    fd_stat::fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
    fd_io::fd_pread(fd: u32, buffers: u32, buffer_count: u32, offset: u64, nread: u32);
    fd_directory::fd_prestat_dir_name(fd: u32, path: u32, path_len: u32);
    fd_directory::fd_prestat_get(fd: u32, prestat: u32);
    fd_io::fd_pwrite(fd: u32, buffers: u32, buffer_count: u32, offset: u64, nwritten: u32);
    fd_io::fd_read(fd: u32, buffers: u32, buffer_count: u32, nread: u32);
    fd_directory::fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, used: u32);
    fd_file::fd_renumber(from: u32, to: u32);
    preview0::fd_seek(fd: u32, delta: u64, whence: u32, new_offset: u32);
    fd_file::fd_sync(fd: u32);
    fd_io::fd_tell(fd: u32, offset: u32);
    fd_io::fd_write(fd: u32, buffers: u32, buffer_count: u32, nwritten: u32);
    path_edit::path_create_directory(fd: u32, path: u32, path_len: u32);
    preview0::path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, stat: u32);
    path_stat::path_filestat_set_times(fd: u32, flags: u32, path: u32, path_len: u32, atim: u64, mtim: u64, fst_flags: u32);
    path_edit::path_link(old_fd: u32, old_flags: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_open::path_open(fd: u32, dirflags: u32, path: u32, path_len: u32, oflags: u32, rights_base: u64, rights_inheriting: u64, fdflags: u32, opened_fd: u32);
    path_stat::path_readlink(fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, used: u32);
    path_edit::path_remove_directory(fd: u32, path: u32, path_len: u32);
    path_edit::path_rename(fd: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
    path_edit::path_symlink(old_path: u32, old_path_len: u32, fd: u32, new_path: u32, new_path_len: u32);
    path_edit::path_unlink_file(fd: u32, path: u32, path_len: u32);
    preview0::poll_oneoff(subscriptions: u32, events: u32, count: u32, event_count: u32);
    process::proc_raise(signal: u32);
    random::random_get(buf: u32, buf_len: u32);
    process::sched_yield();
    socket::sock_recv(fd: u32, buffers: u32, buffer_count: u32, flags: u32, len_bytes: u32, out_flags: u32);
    socket::sock_send(fd: u32, buffers: u32, buffer_count: u32, flags: u32, len_bytes: u32);
    socket::sock_shutdown(fd: u32, how: u32);
}

/// Returns symbol and address of every function.
pub fn functions() -> impl Iterator<Item = (&'static str, usize)> {
    preview1_functions().chain(preview0_functions())
}
