//! Waiting: `poll_oneoff`.
//!
//! Subscriptions are looked at where they lie, again after each sleep, but for those that wait to receive from an idle socket
//! ([`InterestList`](super::interest_list::InterestList)). A descriptor that cannot be polled is an event with an error. Read first:
//! [`Readiness`], [`readiness`], which is where a kind of descriptor says when it is ready. Limits: a subscription list that
//! overlaps its own events gives nonsense, though never a fault.

use super::clock::Clockid;
use super::context::Context;
use super::descriptor_table::{DescriptorKind, SocketState};
use super::errno::Errno;
use super::guest_memory::GuestValue;
use super::types::{Block, EVENT_FD_READWRITE_HANGUP, Fd, SUBSCRIPTION_CLOCK_ABSTIME};
use crate::fs::Device;
use crate::net::Direction;
use crate::platform::Platform;

/// What a subscription waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A clock.
    Clock {
        /// Number of the clock.
        id: u32,
        /// Nanoseconds, from now on or absolute.
        timeout_ns: u64,
        /// `subclockflags`.
        flags: u16,
    },
    /// A descriptor can be read.
    Read(Fd),
    /// A descriptor can be written.
    Write(Fd),
}

/// A subscription.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// A number that comes back in the event.
    pub userdata: u64,
    /// What it waits for.
    pub interest: Interest,
}

/// Whether a descriptor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A call would have to wait.
    Pending,
    /// A call would not wait.
    Ready {
        /// Bytes that can be read or written at least.
        len_bytes: u64,
        /// The other side has closed, or the end is reached.
        is_hangup: bool,
    },
    /// It cannot be polled.
    Failed(Errno),
}

/// An event: userdata, u16 error, u8 type, u64 bytes, u16 flags.
type RawEvent = Block<32>;

/// Event of a clock.
const EVENT_CLOCK: u8 = 0;
/// Event of a descriptor that can be read.
pub(super) const EVENT_FD_READ: u8 = 1;
/// Event of a descriptor that can be written.
const EVENT_FD_WRITE: u8 = 2;

/// Waits until at least one subscription is ready, writes an event for each that is, and the number of events.
///
/// # Errors
/// `Errno::Inval` without subscriptions, `Errno::Fault`.
pub fn poll_oneoff(
    context: &mut Context,
    subscriptions: u32,
    events: u32,
    count: u32,
    event_count: u32,
) -> Result<(), Errno> {
    poll::<48, 16>(context, subscriptions, events, count, event_count)
}

/// As [`poll_oneoff`], for subscriptions of `LEN_BYTES` bytes in which a clock's number is at `CLOCK`.
///
/// # Errors
/// As `poll_oneoff`.
pub(super) fn poll<const LEN_BYTES: usize, const CLOCK: usize>(
    context: &mut Context,
    subscriptions: u32,
    events: u32,
    count: u32,
    event_count: u32,
) -> Result<(), Errno> {
    let subscriptions = context.memory.slice::<Block<LEN_BYTES>>(subscriptions, count)?;
    let events = context.memory.slice::<RawEvent>(events, count)?;
    let event_count = context.memory.pointer::<u32>(event_count)?;
    if count == 0 {
        return Err(Errno::Inval);
    }
    let started_ns = context.platform.monotonic_ns();
    if let Some(network) = context.network.as_deref_mut() {
        network.poll(started_ns);
        context.interests.update(context.memory.blocks(subscriptions));
    }
    loop {
        if let Some(network) = context.network.as_deref_mut() {
            network.take_woken(&mut |socket| context.interests.wake(socket));
        }
        let mut ready_count = 0;
        let mut deadline_ns: Option<u64> = None;
        let mut index = context.interests.next(0);
        while index < count {
            let subscription = decode::<LEN_BYTES, CLOCK>(&context.memory.read(subscriptions.get(index)))?;
            let readiness = match subscription.interest {
                Interest::Read(fd) => readiness(context, index, fd, Direction::Receive),
                Interest::Write(fd) => readiness(context, index, fd, Direction::Send),
                Interest::Clock { id, timeout_ns, flags } => {
                    match clock_remaining_ns(context, id, timeout_ns, flags, started_ns) {
                        Ok(0) => Readiness::Ready {
                            len_bytes: 0,
                            is_hangup: false,
                        },
                        Ok(remaining_ns) => {
                            let until_ns = context.platform.monotonic_ns().saturating_add(remaining_ns);
                            deadline_ns = Some(deadline_ns.map_or(until_ns, |earliest| earliest.min(until_ns)));
                            Readiness::Pending
                        }
                        Err(errno) => Readiness::Failed(errno),
                    }
                }
            };
            if readiness != Readiness::Pending {
                let event = encode_event(&subscription, readiness);
                context.memory.write_here(events.get(ready_count), event);
                ready_count += 1;
            }
            index = context.interests.next(index + 1);
        }
        if ready_count > 0 {
            context.memory.write(event_count, ready_count);
            return Ok(());
        }
        context.wait(deadline_ns);
    }
}

/// Returns the nanoseconds that a clock still has to run.
fn clock_remaining_ns(
    context: &mut Context,
    id: u32,
    timeout_ns: u64,
    flags: u16,
    started_ns: u64,
) -> Result<u64, Errno> {
    let is_absolute = flags & SUBSCRIPTION_CLOCK_ABSTIME != 0;
    let (end_ns, now_ns) = match (Clockid::from_number(id)?, is_absolute) {
        (Clockid::CpuTime, _) => return Err(Errno::Notsup),
        (Clockid::Realtime, true) => (timeout_ns, context.platform.wall_clock_ns()),
        (Clockid::Monotonic, true) => (timeout_ns, context.platform.monotonic_ns()),
        (_, false) => (started_ns.saturating_add(timeout_ns), context.platform.monotonic_ns()),
    };
    Ok(end_ns.saturating_sub(now_ns))
}

/// Tells whether a descriptor is ready, which the subscription of that index asks. A socket is asked often, so sockets come first.
#[inline(always)]
fn readiness(context: &mut Context, index: u32, fd: Fd, direction: Direction) -> Readiness {
    let kind = context.descriptors.get(fd).map(|descriptor| &descriptor.kind);
    let Ok(&DescriptorKind::Socket(SocketState::Open { socket, .. })) = kind else {
        return file_readiness(context, fd, direction);
    };
    let Some(network) = context.network.as_deref_mut() else {
        return Readiness::Failed(Errno::Netdown);
    };
    match network.readiness(socket, direction) {
        Ok(None) => {
            if direction == Direction::Receive {
                context.interests.rest(index, socket);
            }
            Readiness::Pending
        }
        Ok(Some(ready)) => Readiness::Ready {
            len_bytes: ready.len_bytes,
            is_hangup: ready.is_hangup,
        },
        Err(error) => Readiness::Failed(error.into()),
    }
}

/// As [`readiness`], for descriptors that are not open sockets.
fn file_readiness(context: &mut Context, fd: Fd, direction: Direction) -> Readiness {
    let descriptor = match context.descriptors.get(fd) {
        Ok(descriptor) => descriptor,
        Err(errno) => return Readiness::Failed(errno),
    };
    let is_read = direction == Direction::Receive;
    match descriptor.kind {
        // The first attempt to accept makes it listen.
        DescriptorKind::Socket(_) if is_read => Readiness::Ready {
            len_bytes: 0,
            is_hangup: false,
        },
        DescriptorKind::Socket(_) => Readiness::Failed(Errno::Notconn),
        DescriptorKind::Directory { .. } => Readiness::Failed(Errno::Badf),
        DescriptorKind::Device(_) if is_read && !descriptor.can_read => Readiness::Failed(Errno::Badf),
        DescriptorKind::Device(_) if !is_read && !descriptor.can_write => Readiness::Failed(Errno::Badf),
        DescriptorKind::Device(Device::Stdin) if !context.platform.is_stdin_ready() => Readiness::Pending,
        DescriptorKind::Device(_) => Readiness::Ready {
            len_bytes: 1,
            is_hangup: false,
        },
        DescriptorKind::File { node, offset } if is_read => match context.mounts.get(node.mount).metadata(node.id) {
            Ok(metadata) => Readiness::Ready {
                len_bytes: metadata.length_bytes.saturating_sub(offset),
                is_hangup: metadata.length_bytes <= offset,
            },
            Err(error) => Readiness::Failed(error.into()),
        },
        DescriptorKind::File { .. } => Readiness::Ready {
            len_bytes: 1,
            is_hangup: false,
        },
    }
}

#[inline(always)]
fn decode<const LEN_BYTES: usize, const CLOCK: usize>(raw: &Block<LEN_BYTES>) -> Result<Subscription, Errno> {
    let bytes = &raw.0;
    let interest = match bytes[8] {
        EVENT_CLOCK => Interest::Clock {
            id: u32::decode(&bytes[CLOCK..CLOCK + 4]),
            timeout_ns: u64::decode(&bytes[CLOCK + 8..CLOCK + 16]),
            flags: u16::decode(&bytes[CLOCK + 24..CLOCK + 26]),
        },
        EVENT_FD_READ => Interest::Read(u32::decode(&bytes[16..20])),
        EVENT_FD_WRITE => Interest::Write(u32::decode(&bytes[16..20])),
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription {
        userdata: u64::decode(&bytes[0..8]),
        interest,
    })
}

fn encode_event(subscription: &Subscription, readiness: Readiness) -> RawEvent {
    let (errno, len_bytes, flags) = match readiness {
        Readiness::Failed(errno) => (errno as u16, 0, 0),
        Readiness::Ready { len_bytes, is_hangup } => {
            (0, len_bytes, if is_hangup { EVENT_FD_READWRITE_HANGUP } else { 0 })
        }
        Readiness::Pending => (0, 0, 0),
    };
    let mut bytes = [0; 32];
    bytes[0..8].copy_from_slice(&subscription.userdata.to_le_bytes());
    bytes[8..10].copy_from_slice(&errno.to_le_bytes());
    bytes[10] = match subscription.interest {
        Interest::Clock { .. } => EVENT_CLOCK,
        Interest::Read(_) => EVENT_FD_READ,
        Interest::Write(_) => EVENT_FD_WRITE,
    };
    bytes[16..24].copy_from_slice(&len_bytes.to_le_bytes());
    bytes[24..26].copy_from_slice(&flags.to_le_bytes());
    Block(bytes)
}
