//! The functions of WASI preview 1 with their Wasm signatures, as the specification's witx lowers them.
//!
//! The compiler checks a module's imports against this list; the kernel defines one symbol for each.

use crate::builtins::ValueKind::{self, I32, I64};

/// The import module of WASI preview 1.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// One function: its name, its parameters, and whether it returns an errno (all but `proc_exit` do).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name within [`MODULE`].
    pub name: &'static str,
    /// Parameters.
    pub params: &'static [ValueKind],
    /// Results: an errno as `i32`, or none.
    pub results: &'static [ValueKind],
}

const fn function(name: &'static str, params: &'static [ValueKind]) -> Function {
    Function {
        name,
        params,
        results: &[I32],
    }
}

/// All 46 functions, sorted by name.
pub const FUNCTIONS: [Function; 46] = [
    function("args_get", &[I32, I32]),
    function("args_sizes_get", &[I32, I32]),
    function("clock_res_get", &[I32, I32]),
    function("clock_time_get", &[I32, I64, I32]),
    function("environ_get", &[I32, I32]),
    function("environ_sizes_get", &[I32, I32]),
    function("fd_advise", &[I32, I64, I64, I32]),
    function("fd_allocate", &[I32, I64, I64]),
    function("fd_close", &[I32]),
    function("fd_datasync", &[I32]),
    function("fd_fdstat_get", &[I32, I32]),
    function("fd_fdstat_set_flags", &[I32, I32]),
    function("fd_fdstat_set_rights", &[I32, I64, I64]),
    function("fd_filestat_get", &[I32, I32]),
    function("fd_filestat_set_size", &[I32, I64]),
    function("fd_filestat_set_times", &[I32, I64, I64, I32]),
    function("fd_pread", &[I32, I32, I32, I64, I32]),
    function("fd_prestat_dir_name", &[I32, I32, I32]),
    function("fd_prestat_get", &[I32, I32]),
    function("fd_pwrite", &[I32, I32, I32, I64, I32]),
    function("fd_read", &[I32, I32, I32, I32]),
    function("fd_readdir", &[I32, I32, I32, I64, I32]),
    function("fd_renumber", &[I32, I32]),
    function("fd_seek", &[I32, I64, I32, I32]),
    function("fd_sync", &[I32]),
    function("fd_tell", &[I32, I32]),
    function("fd_write", &[I32, I32, I32, I32]),
    function("path_create_directory", &[I32, I32, I32]),
    function("path_filestat_get", &[I32, I32, I32, I32, I32]),
    function("path_filestat_set_times", &[I32, I32, I32, I32, I64, I64, I32]),
    function("path_link", &[I32, I32, I32, I32, I32, I32, I32]),
    function("path_open", &[I32, I32, I32, I32, I32, I64, I64, I32, I32]),
    function("path_readlink", &[I32, I32, I32, I32, I32, I32]),
    function("path_remove_directory", &[I32, I32, I32]),
    function("path_rename", &[I32, I32, I32, I32, I32, I32]),
    function("path_symlink", &[I32, I32, I32, I32, I32]),
    function("path_unlink_file", &[I32, I32, I32]),
    function("poll_oneoff", &[I32, I32, I32, I32]),
    Function {
        name: "proc_exit",
        params: &[I32],
        results: &[],
    },
    function("proc_raise", &[I32]),
    function("random_get", &[I32, I32]),
    function("sched_yield", &[]),
    function("sock_accept", &[I32, I32, I32]),
    function("sock_recv", &[I32, I32, I32, I32, I32, I32]),
    function("sock_send", &[I32, I32, I32, I32, I32]),
    function("sock_shutdown", &[I32, I32]),
];

/// Returns the function of that name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS
        .binary_search_by(|function| function.name.cmp(name))
        .ok()
        .map(|index| &FUNCTIONS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in &FUNCTIONS {
            assert_eq!(find(function.name), Some(function));
        }
        assert_eq!(find("fd_"), None);
    }
}
