//! Everything that WASI calls act on: the machine, the program's arguments, its files and its memory.
//!
//! One program runs, so one [`Context`] exists at a time; [`install`](super::exports::install) makes it the one that calls
//! find. Read first: [`ContextOptions`].

use super::descriptor_table::{Descriptor, DescriptorKind, DescriptorTable, SocketState};
use super::errno::Errno;
use super::guest_memory::{GuestMemory, GuestSlice};
use super::interest_list::InterestList;
use super::types::{Fd, Iovec};
use crate::fs::{self, Device, Mounts, Node, NodeId};
use crate::net::{Idle, Network};
use crate::platform::{Installed, Platform};
use crate::random::RandomSource;
use crate::time::Clock;
use abi::baked_tree::BakedTree;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// From what a [`Context`] is made.
pub struct ContextOptions {
    /// The machine.
    pub platform: Installed,
    /// Linear memory.
    pub memory: GuestMemory,
    /// Arguments; the first is the program's name.
    pub arguments: Vec<Vec<u8>>,
    /// Environment variables, `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
    /// The files of the image; each of its preopens becomes a descriptor.
    pub baked_tree: BakedTree<'static>,
    /// The words of the command line that configure the network: `ip=`, `gateway=`, `dns=` and `listen=`.
    pub network_words: Vec<Vec<u8>>,
    /// The words of the command line that name devices to mount: `mount=`.
    pub mounts: Vec<Vec<u8>>,
    /// Memory that new and changed files may use, in bytes.
    pub file_memory_limit_bytes: u64,
}

/// The files that the program has not asked for yet (see [`preopens`](super::preopens)).
pub(crate) struct UnopenedFiles {
    pub(crate) baked_tree: BakedTree<'static>,
    pub(crate) mounts: Vec<Vec<u8>>,
    pub(crate) memory_limit_bytes: u64,
}

/// What WASI calls act on.
pub struct Context {
    pub(crate) platform: Installed,
    pub(crate) memory: GuestMemory,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
    pub(crate) descriptors: DescriptorTable,
    /// What `poll_oneoff` knows of its subscriptions.
    pub(crate) interests: InterestList,
    pub(crate) mounts: Mounts,
    pub(crate) unopened: Option<UnopenedFiles>,
    pub(crate) random: RandomSource,
    pub(crate) clock: Clock,
    pub(crate) network_words: Vec<Vec<u8>>,
    /// The network, once a call has needed it.
    pub(crate) network: Option<Box<dyn Network>>,
    /// The network was needed and did not come up.
    pub(crate) network_is_down: bool,
    /// How files are read and written, once a call has opened one.
    pub(crate) files: Option<Transfer>,
    /// How sockets are read and written, once there is a network.
    pub(crate) sockets: Option<Transfer>,
    /// What is left to do with the network when the program ends.
    pub(crate) finish_network: Option<fn(&mut Context)>,
}

/// `fd_read` and `fd_write` on one kind of descriptor. What makes descriptors of that kind installs it in the [`Context`], so that a
/// program which cannot make any does not contain the functions.
#[derive(Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) read: fn(&mut Context, Fd, GuestSlice<Iovec>) -> Result<u32, Errno>,
    pub(crate) write: fn(&mut Context, Fd, GuestSlice<Iovec>) -> Result<u32, Errno>,
}

impl Context {
    /// Makes a context whose descriptors 0, 1 and 2 are the standard streams; then follow the sockets that
    /// are to listen. The image's directories are opened later, by
    /// [`preopens`](super::preopens).
    ///
    /// # Errors
    /// If there is no memory for the descriptors.
    pub fn new(options: ContextOptions) -> Result<Self, Errno> {
        let mut platform = options.platform;
        let mut context = Context {
            clock: Clock::start(&mut platform),
            network_words: options.network_words,
            network: None,
            network_is_down: false,
            files: None,
            sockets: None,
            finish_network: None,
            platform,
            memory: options.memory,
            arguments: options.arguments,
            environment: options.environment,
            descriptors: DescriptorTable::new(),
            interests: InterestList::default(),
            mounts: Mounts::new(),
            unopened: Some(UnopenedFiles {
                baked_tree: options.baked_tree,
                mounts: options.mounts,
                memory_limit_bytes: options.file_memory_limit_bytes,
            }),
            random: RandomSource::new(),
        };
        for device in [Device::Stdin, Device::Stdout, Device::Stderr] {
            context.descriptors.insert(Descriptor::stream(device))?;
        }
        let listeners = context
            .network_words
            .iter()
            .filter(|word| word.starts_with(b"listen="))
            .count();
        for index in 0..listeners {
            context.descriptors.insert(Descriptor {
                kind: DescriptorKind::Socket(SocketState::ToListen(index)),
                can_read: true,
                can_write: true,
                flags: 0,
            })?;
        }
        Ok(context)
    }

    /// Replaces the linear memory that calls act on.
    pub fn set_memory(&mut self, memory: GuestMemory) {
        self.memory = memory;
    }

    /// Mounts a file system whose directory `root` the program finds under `guest_path`.
    ///
    /// # Errors
    /// If there is no memory for the descriptor, or the file system cannot open its root.
    pub fn mount(&mut self, system: Box<dyn fs::FileSystem>, root: NodeId, guest_path: &[u8]) -> Result<(), Errno> {
        let mount = self.mounts.add(system);
        self.add_preopen(Node { mount, id: root }, guest_path)
    }

    /// Opens a directory that the program finds under `guest_path`.
    ///
    /// # Errors
    /// As [`mount`](Self::mount).
    pub(crate) fn add_preopen(&mut self, node: Node, guest_path: &[u8]) -> Result<(), Errno> {
        let descriptor = Descriptor {
            kind: DescriptorKind::Directory {
                node,
                preopen: Some(guest_path.into()),
            },
            can_read: true,
            can_write: false,
            flags: 0,
        };
        self.mounts.get(node.mount).open(node.id, descriptor.access())?;
        self.descriptors.insert(descriptor)?;
        Ok(())
    }

    /// Lets go of what a descriptor stood for.
    pub(crate) fn release(&mut self, descriptor: &Descriptor) {
        if let Some(node) = descriptor.node() {
            self.mounts.get(node.mount).close(node.id, descriptor.access());
        }
        if let (DescriptorKind::Socket(SocketState::Open { socket, .. }), Some(network)) =
            (&descriptor.kind, self.network.as_deref_mut())
        {
            network.close(*socket);
        }
    }

    /// Sleeps until an event arrives or the monotonic clock reaches `deadline_ns` (never, where `None`), then lets the network do
    /// what is due. May return early.
    pub(crate) fn wait(&mut self, deadline_ns: Option<u64>) {
        let Some(network) = self.network.as_deref_mut() else {
            return self.clock.wait(&mut self.platform, deadline_ns);
        };
        let now_ns = self.platform.monotonic_ns();
        let Idle::Until(due_ns) = network.prepare_wait(now_ns) else {
            network.poll(now_ns);
            return;
        };
        let wake_ns = deadline_ns.into_iter().chain(due_ns).min();
        self.clock.wait(&mut self.platform, wake_ns);
        network.poll(self.platform.monotonic_ns());
    }

    /// Makes files durable.
    pub(crate) fn finish_files(&mut self) {
        self.mounts.finish();
    }

    /// Makes files durable and ends connections: the end of the program.
    pub(crate) fn finish(&mut self) {
        self.finish_files();
        if let Some(finish_network) = self.finish_network {
            finish_network(self);
        }
    }

    /// Closes all sockets and waits, though not for ever, until their peers have what was sent.
    pub(crate) fn finish_network(&mut self) {
        const PATIENCE_NS: u64 = 5_000_000_000;
        let end_ns = self.platform.monotonic_ns().saturating_add(PATIENCE_NS);
        if let Some(network) = self.network.as_deref_mut() {
            network.close_all();
        }
        while let Some(network) = self.network.as_deref_mut() {
            let now_ns = self.platform.monotonic_ns();
            network.poll(now_ns);
            if network.is_drained() || now_ns >= end_ns {
                return;
            }
            self.wait(Some(end_ns));
        }
    }
}
