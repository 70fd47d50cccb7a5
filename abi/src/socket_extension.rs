//! WasmEdge's socket extension of WASI preview 1: functions that share its import module, some of them in two forms.
//!
//! WasmEdge changed parameter lists without changing names, and later gave the new forms names with the suffix `_v2`; it takes
//! the form that fits an import's type. So does the compiler: [`find`] yields the kernel's symbol name for a name and a parameter
//! list. `sock_accept`, `sock_recv`, `sock_send` and `sock_shutdown` also exist in preview 1 itself
//! ([`preview1`](crate::preview1)), which comes first.

use crate::builtins::ValueKind::{self, I32};

/// One form of a function. All return an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Name of the import.
    pub name: &'static str,
    /// Parameters.
    pub params: &'static [ValueKind],
    /// The name in the kernel's symbol, after [`preview1::MODULE`](crate::preview1::MODULE) and a dot.
    pub symbol_name: &'static str,
}

const fn form(name: &'static str, param_count: usize, symbol_name: &'static str) -> Form {
    const PARAMS: [ValueKind; 8] = [I32; 8];
    Form {
        name,
        params: PARAMS.split_at(param_count).0,
        symbol_name,
    }
}

/// All forms.
pub const FORMS: [Form; 27] = [
    form("sock_open", 3, "sock_open"),
    form("sock_open_v2", 3, "sock_open"),
    form("sock_bind", 3, "sock_bind"),
    form("sock_bind_v2", 3, "sock_bind"),
    form("sock_connect", 3, "sock_connect"),
    form("sock_connect_v2", 3, "sock_connect"),
    form("sock_listen", 2, "sock_listen"),
    form("sock_listen_v2", 2, "sock_listen"),
    form("sock_accept", 2, "sock_accept_v1"),
    form("sock_accept_v2", 3, "sock_accept"),
    form("sock_recv_v2", 6, "sock_recv"),
    form("sock_recv_from", 7, "sock_recv_from_v1"),
    form("sock_recv_from", 8, "sock_recv_from_v2"),
    form("sock_recv_from_v2", 8, "sock_recv_from_v2"),
    form("sock_send_v2", 5, "sock_send"),
    form("sock_send_to", 7, "sock_send_to"),
    form("sock_send_to_v2", 7, "sock_send_to"),
    form("sock_getsockopt", 5, "sock_getsockopt"),
    form("sock_setsockopt", 5, "sock_setsockopt"),
    form("sock_getlocaladdr", 4, "sock_getlocaladdr_v1"),
    form("sock_getlocaladdr", 3, "sock_getlocaladdr_v2"),
    form("sock_getlocaladdr_v2", 3, "sock_getlocaladdr_v2"),
    form("sock_getpeeraddr", 4, "sock_getpeeraddr_v1"),
    form("sock_getpeeraddr", 3, "sock_getpeeraddr_v2"),
    form("sock_getpeeraddr_v2", 3, "sock_getpeeraddr_v2"),
    form("sock_getaddrinfo", 8, "sock_getaddrinfo"),
    form("sock_getaddrinfo_v2", 8, "sock_getaddrinfo"),
];

/// Returns the forms of that name; the one whose parameters fit an import is meant.
pub fn find(name: &str) -> impl Iterator<Item = &'static Form> {
    FORMS.iter().filter(move |form| form.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_name_differ_in_their_parameters_from_each_other_and_from_preview_1() {
        for (index, form) in FORMS.iter().enumerate() {
            let mut others = FORMS[index + 1..].iter().filter(|other| other.name == form.name);
            assert!(others.all(|other| other.params != form.params), "{}", form.name);
            let standard = crate::preview1::find(form.name);
            assert!(
                standard.is_none_or(|function| function.params != form.params),
                "{}",
                form.name
            );
        }
    }

    #[test]
    fn both_forms_of_a_function_are_found() {
        let symbols = |name| find(name).map(|form| form.symbol_name).collect::<alloc::vec::Vec<_>>();
        assert_eq!(symbols("sock_recv_from"), ["sock_recv_from_v1", "sock_recv_from_v2"]);
        assert_eq!(symbols("sock_accept"), ["sock_accept_v1"]);
        assert!(symbols("fd_write").is_empty());
    }
}
