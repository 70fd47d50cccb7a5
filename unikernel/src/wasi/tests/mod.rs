//! Tests of the WASI functions against a machine made of memory: a clock that only sleeping advances, scripted input, captured
//! output.
//!
//! Read first: [`Guest`], which plays the program: it calls functions by name and keeps its values in linear memory.

mod arbitrary;
mod directories;
mod files;
mod layouts;
mod paths;
mod polling_sockets;
mod streams;
mod transfers;
mod waiting;

use super::exports::{call_preview0, call_preview1};
use super::types::oflags;
use super::{Context, ContextOptions, Errno, GuestMemory, rights};
use crate::platform::{OutputStream, Platform, StdinRead};
use abi::baked_tree::{BakedTree, Builder};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

pub(super) const MEMORY_LEN_BYTES: usize = 128 * 1024;

/// The fake machine's state, which the test shares.
#[derive(Default)]
pub(super) struct Machine {
    pub now_ns: u64,
    pub sleeps: Vec<Option<u64>>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// What has arrived on standard input.
    pub stdin: VecDeque<u8>,
    /// What will arrive, one part for each sleep without a deadline that is reached first; then comes the end.
    pub stdin_later: VecDeque<(u64, Vec<u8>)>,
    pub seeds: u8,
}

const WALL_CLOCK_START_NS: u64 = 1_700_000_000_000_000_000;

struct FakePlatform(Rc<RefCell<Machine>>);

impl Platform for FakePlatform {
    fn monotonic_ns(&mut self) -> u64 {
        self.0.borrow().now_ns
    }

    fn wall_clock_ns(&mut self) -> u64 {
        WALL_CLOCK_START_NS + self.0.borrow().now_ns
    }

    fn fill_entropy(&mut self, seed: &mut [u8; 32]) {
        let mut machine = self.0.borrow_mut();
        machine.seeds += 1;
        seed.fill(machine.seeds);
    }

    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        let mut machine = self.0.borrow_mut();
        match stream {
            OutputStream::Stdout => machine.stdout.extend_from_slice(bytes),
            OutputStream::Stderr => machine.stderr.extend_from_slice(bytes),
        }
    }

    fn is_terminal(&self, fd: u32) -> bool {
        fd == 2
    }

    fn read_stdin(&mut self, buffer: &mut [u8]) -> StdinRead {
        let mut machine = self.0.borrow_mut();
        if machine.stdin.is_empty() {
            return if machine.stdin_later.is_empty() {
                StdinRead::End
            } else {
                StdinRead::Pending
            };
        }
        let count = buffer.len().min(machine.stdin.len());
        for (slot, byte) in buffer.iter_mut().zip(machine.stdin.drain(..count)) {
            *slot = byte;
        }
        StdinRead::Bytes(count)
    }

    fn is_stdin_ready(&mut self) -> bool {
        let machine = self.0.borrow();
        !machine.stdin.is_empty() || machine.stdin_later.is_empty()
    }

    fn wait(&mut self, deadline_ns: Option<u64>) {
        let mut machine = self.0.borrow_mut();
        machine.sleeps.push(deadline_ns);
        let arrival = machine.stdin_later.front().map(|(at_ns, _)| *at_ns);
        match (arrival, deadline_ns) {
            (Some(at_ns), deadline) if deadline.is_none_or(|deadline| at_ns <= deadline) => {
                machine.now_ns = machine.now_ns.max(at_ns);
                let (_, bytes) = machine.stdin_later.pop_front().unwrap_or_default();
                machine.stdin.extend(bytes);
            }
            (_, Some(deadline)) => machine.now_ns = machine.now_ns.max(deadline),
            (_, None) => panic!("the program sleeps for ever"),
        }
    }

    fn exit(&mut self, code: u32) -> ! {
        panic!("exit code {code}")
    }
}

/// A program.
pub(super) struct Guest {
    pub context: Context,
    pub machine: Rc<RefCell<Machine>>,
    next_address: u32,
}

pub(super) type Args<'a> = &'a [u64];

impl Guest {
    /// Starts a program with an image that has one directory, `data`, which is descriptor 3.
    pub fn new() -> Self {
        Guest::with_limit(1 << 20)
    }

    /// As `new`, with a limit for the memory of files.
    pub fn with_limit(file_memory_limit_bytes: u64) -> Self {
        let mut builder = Builder::new();
        let root = builder.add_preopen(b"data", 1).unwrap();
        builder
            .add_file(root, b"hello.txt", b"hello, world".to_vec(), 7)
            .unwrap();
        builder.add_symlink(root, b"link", b"sub/inner.txt", 7).unwrap();
        builder.add_symlink(root, b"loop", b"loop", 7).unwrap();
        builder.add_symlink(root, b"out", b"../outside", 7).unwrap();
        builder.add_symlink(root, b"dangling", b"created", 7).unwrap();
        let sub = builder.add_directory(root, b"sub", 8).unwrap();
        builder.add_file(sub, b"inner.txt", b"inner".to_vec(), 9).unwrap();
        let tree = BakedTree::new(builder.encode().unwrap().leak()).unwrap();
        let machine = Rc::new(RefCell::new(Machine::default()));
        let context = Context::new(ContextOptions {
            mounts: Vec::new(),
            network_words: Vec::new(),
            platform: Box::new(FakePlatform(machine.clone())),
            memory: GuestMemory::for_tests(MEMORY_LEN_BYTES),
            arguments: [&b"program"[..], b"", b"\xff two"].map(Vec::from).to_vec(),
            environment: [&b"A=1"[..], b"B="].map(Vec::from).to_vec(),
            baked_tree: tree,
            file_memory_limit_bytes,
        })
        .unwrap();
        let mut guest = Guest {
            context,
            machine,
            next_address: 64,
        };
        // A program of a C library looks for its directories first.
        let prestat = guest.zeros(8);
        guest.call("fd_prestat_get", &[3, prestat]).unwrap();
        guest
    }

    pub fn call(&mut self, name: &str, arguments: Args<'_>) -> Result<(), Errno> {
        let mut all = [0; 10];
        all[..arguments.len()].copy_from_slice(arguments);
        call_preview1(&mut self.context, name, &all).unwrap_or_else(|| panic!("no function {name}"))
    }

    pub fn call_old(&mut self, name: &str, arguments: Args<'_>) -> Result<(), Errno> {
        let mut all = [0; 10];
        all[..arguments.len()].copy_from_slice(arguments);
        call_preview0(&mut self.context, name, &all).unwrap_or_else(|| panic!("no function {name}"))
    }

    /// Puts bytes into linear memory, aligned to 8, and returns their address.
    pub fn put(&mut self, bytes: &[u8]) -> u64 {
        let address = self.zeros(bytes.len());
        let slice = self.context.memory.slice(address as u32, bytes.len() as u32).unwrap();
        self.context.memory.bytes_mut(slice).copy_from_slice(bytes);
        address
    }

    pub fn zeros(&mut self, len_bytes: usize) -> u64 {
        if self.next_address as usize + len_bytes + 16 > MEMORY_LEN_BYTES {
            self.next_address = 64;
        }
        let address = self.next_address;
        self.next_address += (len_bytes as u32).next_multiple_of(8);
        let slice = self.context.memory.slice(address, len_bytes as u32).unwrap();
        self.context.memory.bytes_mut(slice).fill(0);
        u64::from(address)
    }

    pub fn get(&self, address: u64, len_bytes: usize) -> Vec<u8> {
        let slice = self.context.memory.slice(address as u32, len_bytes as u32).unwrap();
        self.context.memory.bytes(slice).to_vec()
    }

    pub fn get_u32(&self, address: u64) -> u32 {
        self.context
            .memory
            .read(self.context.memory.pointer(address as u32).unwrap())
    }

    pub fn get_u64(&self, address: u64) -> u64 {
        self.context
            .memory
            .read(self.context.memory.pointer(address as u32).unwrap())
    }

    /// Puts a list of buffers into linear memory and returns its address.
    pub fn iovecs(&mut self, buffers: &[(u64, u32)]) -> u64 {
        let mut bytes = Vec::new();
        for &(address, len_bytes) in buffers {
            bytes.extend_from_slice(&(address as u32).to_le_bytes());
            bytes.extend_from_slice(&len_bytes.to_le_bytes());
        }
        self.put(&bytes)
    }

    pub fn path_call(&mut self, name: &str, fd: u32, path: &str) -> Result<(), Errno> {
        let address = self.put(path.as_bytes());
        self.call(name, &[u64::from(fd), address, path.len() as u64])
    }

    pub fn open(&mut self, path: &str, oflags: u32, rights: u64, fdflags: u32) -> Result<u32, Errno> {
        self.open_at(3, path, oflags, rights, fdflags)
    }

    pub fn open_at(&mut self, fd: u32, path: &str, oflags: u32, rights: u64, fdflags: u32) -> Result<u32, Errno> {
        let address = self.put(path.as_bytes());
        let result = self.zeros(4);
        let arguments = [
            u64::from(fd),
            1,
            address,
            path.len() as u64,
            u64::from(oflags),
            rights,
            0,
            u64::from(fdflags),
            result,
        ];
        self.call("path_open", &arguments)?;
        Ok(self.get_u32(result))
    }

    /// Opens a file for reading and writing, making it if need be.
    pub fn create(&mut self, path: &str) -> u32 {
        self.open(path, oflags::CREAT, rights::FD_READ | rights::FD_WRITE, 0)
            .unwrap()
    }

    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32, Errno> {
        let address = self.put(bytes);
        let iovecs = self.iovecs(&[(address, bytes.len() as u32)]);
        let result = self.zeros(4);
        self.call("fd_write", &[u64::from(fd), iovecs, 1, result])?;
        Ok(self.get_u32(result))
    }

    pub fn read(&mut self, fd: u32, len_bytes: u32) -> Result<Vec<u8>, Errno> {
        let address = self.zeros(len_bytes as usize);
        let iovecs = self.iovecs(&[(address, len_bytes)]);
        let result = self.zeros(4);
        self.call("fd_read", &[u64::from(fd), iovecs, 1, result])?;
        let count = self.get_u32(result);
        Ok(self.get(address, count as usize))
    }

    pub fn seek(&mut self, fd: u32, offset: i64, whence: u64) -> Result<u64, Errno> {
        let result = self.zeros(8);
        self.call("fd_seek", &[u64::from(fd), offset as u64, whence, result])?;
        Ok(self.get_u64(result))
    }

    /// Returns all of a file.
    pub fn contents(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, 0, rights::FD_READ, 0)?;
        let bytes = self.read(fd, 64 * 1024)?;
        self.call("fd_close", &[u64::from(fd)])?;
        Ok(bytes)
    }

    /// Returns `filestat` as its eight words.
    pub fn stat(&mut self, path: &str, flags: u64) -> Result<[u64; 8], Errno> {
        let address = self.put(path.as_bytes());
        let stat = self.zeros(64);
        self.call("path_filestat_get", &[3, flags, address, path.len() as u64, stat])?;
        Ok(core::array::from_fn(|index| self.get_u64(stat + 8 * index as u64)))
    }
}
