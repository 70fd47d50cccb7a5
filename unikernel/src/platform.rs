//! What the portable layers (`wasi`, `fs`, later `net`) need from the machine below them.
//!
//! Two implementations exist: the kernel's, over `arch` and `drivers`, and the one of the `host` crate, over a Linux process.
//! The trait is the border: nothing above it names a register, a device or an operating system.

/// A stream that the program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The outcome of an attempt to read standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinRead {
    /// So many bytes were read, at least one.
    Bytes(usize),
    /// Nothing has arrived yet.
    Pending,
    /// The stream has ended.
    End,
}

/// The platform of this build. In the kernel it is the bare machine itself, not something behind a table of functions: calls are
/// direct, and what no function of the program leads to is left out of the image.
#[cfg(feature = "kernel")]
pub type Installed = crate::machine::Machine;
/// The platform of this build: the one that whoever embeds the crate brings.
#[cfg(not(feature = "kernel"))]
pub type Installed = alloc::boxed::Box<dyn Platform>;

/// The machine, as the portable layers see it. One thread calls it.
pub trait Platform {
    /// Returns nanoseconds since an arbitrary start; never goes back.
    fn monotonic_ns(&mut self) -> u64;

    /// Returns nanoseconds since 1970-01-01 00:00 UTC.
    fn wall_clock_ns(&mut self) -> u64;

    /// Fills `seed` with entropy for the random number generator.
    fn fill_entropy(&mut self, seed: &mut [u8; 32]);

    /// Writes all of `bytes`, waiting where the device is slow.
    fn write(&mut self, stream: OutputStream, bytes: &[u8]);

    /// Tells whether descriptor 0, 1 or 2 is a terminal.
    fn is_terminal(&self, fd: u32) -> bool;

    /// Reads standard input without waiting. `buffer` is not empty.
    fn read_stdin(&mut self, buffer: &mut [u8]) -> StdinRead;

    /// Tells whether [`read_stdin`](Self::read_stdin) would return something else than `Pending`.
    fn is_stdin_ready(&mut self) -> bool;

    /// Sleeps until an event arrives or the monotonic clock reaches `deadline_ns` (never, where `None`). May return early.
    fn wait(&mut self, deadline_ns: Option<u64>);

    /// Ends the program with an exit code. Does not return to the caller.
    fn exit(&mut self, code: u32) -> !;
}

impl<P: Platform + ?Sized> Platform for alloc::boxed::Box<P> {
    fn monotonic_ns(&mut self) -> u64 {
        (**self).monotonic_ns()
    }

    fn wall_clock_ns(&mut self) -> u64 {
        (**self).wall_clock_ns()
    }

    fn fill_entropy(&mut self, seed: &mut [u8; 32]) {
        (**self).fill_entropy(seed);
    }

    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        (**self).write(stream, bytes);
    }

    fn is_terminal(&self, fd: u32) -> bool {
        (**self).is_terminal(fd)
    }

    fn read_stdin(&mut self, buffer: &mut [u8]) -> StdinRead {
        (**self).read_stdin(buffer)
    }

    fn is_stdin_ready(&mut self) -> bool {
        (**self).is_stdin_ready()
    }

    fn wait(&mut self, deadline_ns: Option<u64>) {
        (**self).wait(deadline_ns);
    }

    fn exit(&mut self, code: u32) -> ! {
        (**self).exit(code)
    }
}
