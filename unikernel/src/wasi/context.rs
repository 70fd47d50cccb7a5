//! Everything that WASI calls act on: the machine, the program's arguments, its files and its memory.
//!
//! One program runs, so one [`Context`] exists at a time; [`install`](super::exports::install) makes it the one that calls
//! find. Read first: [`ContextOptions`].

use super::descriptor_table::{Descriptor, DescriptorKind, DescriptorTable};
use super::errno::Errno;
use super::guest_memory::GuestMemory;
use crate::fs::device_fs::{self, DeviceFs};
use crate::fs::memory_fs::MemoryFs;
use crate::fs::{self, Device, Mounts, Node, NodeId};
use crate::platform::Platform;
use crate::random::RandomSource;
use crate::time::Clock;
use abi::baked_tree::BakedTree;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// From what a [`Context`] is made.
pub struct ContextOptions {
    /// The machine.
    pub platform: Box<dyn Platform>,
    /// Linear memory.
    pub memory: GuestMemory,
    /// Arguments; the first is the program's name.
    pub arguments: Vec<Vec<u8>>,
    /// Environment variables, `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
    /// The files of the image; each of its preopens becomes a descriptor.
    pub baked_tree: BakedTree<'static>,
    /// Memory that new and changed files may use, in bytes.
    pub file_memory_limit_bytes: u64,
}

/// What WASI calls act on.
pub struct Context {
    pub(crate) platform: Box<dyn Platform>,
    pub(crate) memory: GuestMemory,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) environment: Vec<Vec<u8>>,
    pub(crate) descriptors: DescriptorTable,
    pub(crate) mounts: Mounts,
    pub(crate) random: RandomSource,
    pub(crate) clock: Clock,
}

impl Context {
    /// Makes a context: descriptors 0, 1 and 2 are the standard streams; then follow the image's preopens, and `/tmp` and `/dev`
    /// where the image does not have directories of these names.
    ///
    /// # Errors
    /// If there is no memory for the descriptors.
    pub fn new(options: ContextOptions) -> Result<Self, Errno> {
        let mut platform = options.platform;
        let now_ns = platform.wall_clock_ns();
        let mut context = Context {
            clock: Clock::start(&mut *platform),
            platform,
            memory: options.memory,
            arguments: options.arguments,
            environment: options.environment,
            descriptors: DescriptorTable::new(),
            mounts: Mounts::new(),
            random: RandomSource::new(),
        };
        for device in [Device::Stdin, Device::Stdout, Device::Stderr] {
            context.descriptors.insert(Descriptor::stream(device))?;
        }
        let mut files = MemoryFs::new(options.baked_tree, options.file_memory_limit_bytes);
        let tmp = files.add_root(now_ns);
        let mount = context.mounts.add(Box::new(files));
        for preopen in options.baked_tree.preopens() {
            let id = NodeId(u64::from(preopen.node));
            context.add_preopen(Node { mount, id }, preopen.guest_path)?;
        }
        let is_baked = |path: &[u8]| options.baked_tree.preopens().any(|preopen| preopen.guest_path == path);
        if let (Ok(id), false) = (tmp, is_baked(b"/tmp")) {
            context.add_preopen(Node { mount, id }, b"/tmp")?;
        }
        if !is_baked(b"/dev") {
            let mount = context.mounts.add(Box::new(DeviceFs::new(now_ns)));
            let id = device_fs::ROOT;
            context.add_preopen(Node { mount, id }, b"/dev")?;
        }
        Ok(context)
    }

    /// Mounts a file system whose directory `root` the program finds under `guest_path`.
    ///
    /// # Errors
    /// If there is no memory for the descriptor, or the file system cannot open its root.
    pub fn mount(&mut self, system: Box<dyn fs::FileSystem>, root: NodeId, guest_path: &[u8]) -> Result<(), Errno> {
        let mount = self.mounts.add(system);
        self.add_preopen(Node { mount, id: root }, guest_path)
    }

    fn add_preopen(&mut self, node: Node, guest_path: &[u8]) -> Result<(), Errno> {
        self.mounts.get(node.mount).open(node.id)?;
        self.descriptors.insert(Descriptor {
            kind: DescriptorKind::Directory {
                node,
                preopen: Some(guest_path.into()),
            },
            can_read: true,
            can_write: true,
            flags: 0,
        })?;
        Ok(())
    }

    /// Lets go of what a descriptor stood for.
    pub(crate) fn release(&mut self, descriptor: &Descriptor) {
        if let Some(node) = descriptor.node() {
            self.mounts.get(node.mount).close(node.id);
        }
    }
}
