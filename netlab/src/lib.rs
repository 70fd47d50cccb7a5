//! Guests on networks of their own, good and bad: protocols, faults, load and idleness, each scenario with its figure.
//!
//! A scenario makes a network namespace for its thread alone, so nothing that it does reaches the host's network, and nothing is
//! left when the thread ends, however it ends. In the namespace lies a TAP device. QEMU sits on it either directly, as under
//! `wasmetal run --net tap=…`, or behind a [`wire`], which passes every frame through this process: there frames are lost,
//! duplicated, held back, cut off and made up. (`tc netem` would do much of this, but many kernels come without it.)
//!
//! ```text
//! scenario ── sockets ── this kernel ── tap0 ──┬─────────── QEMU ── guest      Lab::boot
//!                                              └── wire ─── QEMU ── guest      Lab::boot_behind_wire
//! ```
//!
//! Every scenario has a short form, which the tests run, and a long one for `netlab NAME --long`. Read first: [`scenarios`],
//! [`lab::Lab`], [`guest::Guest`]. Limits: Linux, root, QEMU's translator; needs iproute2, and some scenarios dnsmasq, ping or
//! Chromium.

pub mod client;
pub mod frame;
pub mod guest;
pub mod lab;
pub mod process;
pub mod scenarios;
mod system;
pub mod wire;
