//! Running an image in a virtual machine: start QEMU, connect the streams, wait, and clean up in every case.
//!
//! Nothing is left behind: the image is a file without a name, the streams are sockets without a name, and QEMU is killed on
//! Ctrl-C, on a time limit, when the reader of standard output goes away, and by Linux when this process dies in any other way.
//! The end is noticed by the exit code's socket, which closes when QEMU does; so one channel carries every event that matters.
//!
//! Read first: [`run`], [`qemu::VmSettings`], [`exit::VmEnd`]. Limits: Linux hosts.

pub mod accelerator;
mod child;
mod clock;
pub mod disk;
pub mod exit;
pub mod machine;
pub mod mount;
pub mod network;
pub mod qemu;
pub mod share;
mod streams;

use crate::interrupt;
use exit::VmEnd;
use qemu::{Descriptors, VmSettings};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;
use streams::Stream;

/// Why a virtual machine could not be run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VmError {
    /// QEMU is not installed.
    #[error(
        "{} is not installed or not in PATH; on Debian: apt-get install qemu-system-x86",
        qemu::PROGRAM
    )]
    QemuMissing,
    /// The operating system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The machine stopped without an exit code.
    #[error("the virtual machine stopped without an exit code ({status}){messages}")]
    Died {
        /// How QEMU ended.
        status: ExitStatus,
        /// What QEMU said, each line preceded by a line break.
        messages: String,
    },
    /// KVM is demanded and does not work.
    #[error("KVM does not work here ({0}); `--accel tcg` runs everywhere")]
    KvmBroken(String),
    /// The time limit passed.
    #[error("the virtual machine did not end within {} s", .0.as_secs())]
    TimeLimit(Duration),
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read our standard output does not any more.
    #[error("cannot write the program's output: {0}")]
    OutputClosed(io::Error),
}

/// What the program's streams are connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The streams of this process.
    Inherit,
    /// Nothing: input is empty, output is dropped.
    Discard,
}

/// What ends the wait for a virtual machine.
enum Event {
    /// QEMU closed the exit code's socket, after sending this.
    Ended(Vec<u8>),
    OutputClosed(io::Error),
    Interrupted,
    TimeLimit(Duration),
}

/// The streams of one virtual machine.
struct Streams {
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    console: Stream,
    exit_code: Stream,
    clock: Stream,
}

/// Runs `image` to its end and returns the program's exit code.
///
/// # Errors
/// If QEMU is missing, the machine ends without an exit code, or `time_limit` passes; QEMU has ended in all cases.
pub fn run(
    image: &[u8],
    settings: &VmSettings,
    connection: Connection,
    time_limit: Option<Duration>,
) -> Result<u32, VmError> {
    let image = unnamed_file(image).map_err(system("write the image to a temporary file"))?;
    let words = unnamed_file(&qemu::words_text(settings)).map_err(system("write arguments to a temporary file"))?;
    let streams = Streams::new().map_err(system("make a socket"))?;
    let mut child = child::spawn(settings, &streams.descriptors(&image, &words))?;
    let messages = streams::collect_output(child.stderr.take().expect("QEMU's standard error is piped"));
    let (sender, receiver) = mpsc::channel();
    let interrupt_sender = sender.clone();
    let _interrupt = interrupt::on_interrupt(move || {
        // A receiver that is gone has seen the end already.
        let _ = interrupt_sender.send(Event::Interrupted);
    });
    let copies = match streams.connect(connection, sender) {
        Ok(copies) => copies,
        Err(error) => {
            stop(&mut child)?;
            return Err(system("connect the streams")(error));
        }
    };
    let mut event = wait_for_event(&receiver, time_limit);
    if !matches!(event, Event::Ended(_)) {
        stop(&mut child)?;
    }
    let status = child.wait().map_err(system("wait for QEMU"))?;
    if matches!(event, Event::Ended(_)) {
        for copy in copies {
            copy.join().expect("a copying thread does not panic");
        }
        event = receiver.try_recv().unwrap_or(event);
    }
    match event {
        Event::Interrupted => Err(VmError::Interrupted),
        Event::TimeLimit(limit) => Err(VmError::TimeLimit(limit)),
        Event::OutputClosed(error) => Err(VmError::OutputClosed(error)),
        Event::Ended(channel) => match VmEnd::new(&channel, status) {
            VmEnd::Exited(code) => Ok(code),
            VmEnd::Died(status) => {
                let messages = messages.join().expect("a collecting thread does not panic");
                Err(VmError::Died {
                    status,
                    messages: quote_lines(&messages),
                })
            }
        },
    }
}

impl Streams {
    fn new() -> io::Result<Streams> {
        Ok(Streams {
            stdin: Stream::new()?,
            stdout: Stream::new()?,
            stderr: Stream::new()?,
            console: Stream::new()?,
            exit_code: Stream::new()?,
            clock: Stream::new()?,
        })
    }

    fn descriptors(&self, image: &File, words: &File) -> Descriptors {
        Descriptors {
            image: image.as_raw_fd(),
            words: words.as_raw_fd(),
            stdin: self.stdin.descriptor(),
            stdout: self.stdout.descriptor(),
            stderr: self.stderr.descriptor(),
            console: self.console.descriptor(),
            exit_code: self.exit_code.descriptor(),
            clock: self.clock.descriptor(),
        }
    }

    /// Closes QEMU's ends and starts the copying threads; returns those that carry output.
    fn connect(self, connection: Connection, events: Sender<Event>) -> io::Result<Vec<JoinHandle<()>>> {
        let input: Box<dyn Read + Send> = match connection {
            Connection::Inherit => Box::new(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
            Connection::Discard => Box::new(io::empty()),
        };
        // The exit code's thread keeps the sending half of the input from being closed before QEMU ends.
        let stdin = Arc::new(self.stdin.into_ours());
        streams::copy_input(input, Arc::clone(&stdin));
        let exit_code = self.exit_code.into_ours();
        let exit_events = events.clone();
        std::thread::spawn(move || {
            let bytes = streams::read_to_end(exit_code);
            drop(stdin);
            // A receiver that is gone has stopped waiting.
            let _ = exit_events.send(Event::Ended(bytes));
        });
        clock::answer(self.clock.into_ours());
        let mut copies = Vec::new();
        for (stream, is_stdout) in [(self.stdout, true), (self.stderr, false), (self.console, false)] {
            let output: Box<dyn Write + Send> = match connection {
                Connection::Discard => Box::new(io::sink()),
                // A copy of the descriptor, for `io::stdout()` would cut the output at line breaks.
                Connection::Inherit if is_stdout => Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
                Connection::Inherit => Box::new(File::from(io::stderr().as_fd().try_clone_to_owned()?)),
            };
            let events = events.clone();
            copies.push(streams::copy_output(stream.into_ours(), output, move |error| {
                let _ = events.send(Event::OutputClosed(error));
            }));
        }
        Ok(copies)
    }
}

fn wait_for_event(receiver: &Receiver<Event>, time_limit: Option<Duration>) -> Event {
    let event = match time_limit {
        Some(limit) => receiver.recv_timeout(limit).or(Ok(Event::TimeLimit(limit))),
        None => receiver.recv(),
    };
    event.expect("the thread of the exit code sends an event before it drops its sender")
}

/// Kills QEMU and waits for its end.
fn stop(child: &mut Child) -> Result<(), VmError> {
    // It may have ended in this moment, which is as good.
    let _ = child.kill();
    child.wait().map(drop).map_err(system("wait for QEMU"))
}

/// Returns a file that holds `bytes` and vanishes with its last descriptor.
fn unnamed_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}

fn system(action: &'static str) -> impl FnOnce(io::Error) -> VmError {
    move |source| VmError::System { action, source }
}

fn quote_lines(messages: &[u8]) -> String {
    String::from_utf8_lossy(messages)
        .lines()
        .map(|line| format!("\n  {line}"))
        .collect()
}
