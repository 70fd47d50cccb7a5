//! Socket options: `sock_getsockopt` and `sock_setsockopt`, level 0, with WasmEdge's numbers.
//!
//! Flags and sizes are 32-bit integers, timeouts a `timeval` of two 64-bit words (seconds, microseconds), the linger time a pair of
//! 32-bit integers (on, seconds). There is one network card, so binding to a device takes any name and keeps none.

use super::{network, socket};
use crate::net::SocketOption;
use crate::wasi::context::Context;
use crate::wasi::errno::Errno;
use crate::wasi::guest_memory::GuestValue;

const LEVEL_SOCKET: u32 = 0;

const REUSE_ADDRESS: u32 = 0;
const TYPE: u32 = 1;
const ERROR: u32 = 2;
const DONT_ROUTE: u32 = 3;
const BROADCAST: u32 = 4;
const SEND_BUFFER: u32 = 5;
const RECEIVE_BUFFER: u32 = 6;
const KEEP_ALIVE: u32 = 7;
const OOB_INLINE: u32 = 8;
const LINGER: u32 = 9;
const RECEIVE_LOW_WATER: u32 = 10;
const RECEIVE_TIMEOUT: u32 = 11;
const SEND_TIMEOUT: u32 = 12;
const ACCEPT_CONNECTIONS: u32 = 13;
const BIND_TO_DEVICE: u32 = 14;

const TYPE_DATAGRAM: u32 = 1;
const TYPE_STREAM: u32 = 2;

/// Writes the value of an option to `value`, and its length over the length of the area, which `len` points at.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`, `Errno::Noprotoopt`, `Errno::Inval` if the area is too short.
pub fn sock_getsockopt(
    context: &mut Context,
    fd: u32,
    level: u32,
    name: u32,
    value: u32,
    len: u32,
) -> Result<(), Errno> {
    let len = context.memory.pointer::<u32>(len)?;
    let area = context.memory.slice::<u8>(value, context.memory.read(len))?;
    let socket = socket(context, fd)?;
    if level != LEVEL_SOCKET {
        return Err(Errno::Noprotoopt);
    }
    let network = network(context)?;
    let options = network.options(socket)?;
    let encoded = match name {
        REUSE_ADDRESS => word(options.reuse_address),
        TYPE => word(if options.is_stream { TYPE_STREAM } else { TYPE_DATAGRAM }),
        ERROR => word(network.take_error(socket)?.map_or(0, |error| Errno::from(error) as u32)),
        DONT_ROUTE | OOB_INLINE => word(false),
        BROADCAST => word(options.broadcast),
        SEND_BUFFER => word(options.send_buffer_len_bytes as u32),
        RECEIVE_BUFFER => word(options.receive_buffer_len_bytes as u32),
        KEEP_ALIVE => word(options.keep_alive),
        LINGER => {
            pair(u64::from(options.linger_seconds.is_some()) | u64::from(options.linger_seconds.unwrap_or(0)) << 32)
        }
        RECEIVE_LOW_WATER => word(options.receive_low_water_bytes as u32),
        RECEIVE_TIMEOUT => timeval(options.receive_timeout_ns),
        SEND_TIMEOUT => timeval(options.send_timeout_ns),
        ACCEPT_CONNECTIONS => word(options.is_listener),
        BIND_TO_DEVICE => Encoded {
            bytes: [0; 16],
            len_bytes: 0,
        },
        _ => return Err(Errno::Noprotoopt),
    };
    let place = context.memory.bytes_mut(area);
    place
        .get_mut(..encoded.len_bytes)
        .ok_or(Errno::Inval)?
        .copy_from_slice(&encoded.bytes[..encoded.len_bytes]);
    context.memory.write(len, encoded.len_bytes as u32);
    Ok(())
}

/// Sets an option to the value of `len_bytes` bytes at `value`.
///
/// # Errors
/// `Errno::Badf`, `Errno::Notsock`, `Errno::Fault`, `Errno::Noprotoopt` for what cannot be set, `Errno::Inval` for a value that is
/// too short or out of range.
pub fn sock_setsockopt(
    context: &mut Context,
    fd: u32,
    level: u32,
    name: u32,
    value: u32,
    len_bytes: u32,
) -> Result<(), Errno> {
    let area = context.memory.slice::<u8>(value, len_bytes)?;
    let socket = socket(context, fd)?;
    if level != LEVEL_SOCKET {
        return Err(Errno::Noprotoopt);
    }
    let bytes = context.memory.bytes(area);
    let integer = || bytes.get(..4).map(u32::decode).ok_or(Errno::Inval);
    let size = || Ok::<usize, Errno>(integer()?.min(i32::MAX as u32) as usize);
    let option = match name {
        REUSE_ADDRESS => SocketOption::ReuseAddress(integer()? != 0),
        BROADCAST => SocketOption::Broadcast(integer()? != 0),
        SEND_BUFFER => SocketOption::SendBuffer(size()?),
        RECEIVE_BUFFER => SocketOption::ReceiveBuffer(size()?),
        KEEP_ALIVE => SocketOption::KeepAlive(integer()? != 0),
        LINGER => {
            let seconds = bytes.get(4..8).map(u32::decode).ok_or(Errno::Inval)?;
            SocketOption::Linger((integer()? != 0).then_some(seconds))
        }
        RECEIVE_LOW_WATER => SocketOption::ReceiveLowWater(size()?),
        RECEIVE_TIMEOUT => SocketOption::ReceiveTimeout(parse_timeval(bytes)?),
        SEND_TIMEOUT => SocketOption::SendTimeout(parse_timeval(bytes)?),
        DONT_ROUTE | OOB_INLINE if integer()? == 0 => return Ok(()),
        BIND_TO_DEVICE => return Ok(()),
        _ => return Err(Errno::Noprotoopt),
    };
    Ok(network(context)?.set_option(socket, option)?)
}

struct Encoded {
    bytes: [u8; 16],
    len_bytes: usize,
}

fn word(value: impl Into<u32>) -> Encoded {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&value.into().to_le_bytes());
    Encoded { bytes, len_bytes: 4 }
}

fn pair(value: u64) -> Encoded {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    Encoded { bytes, len_bytes: 8 }
}

fn timeval(timeout_ns: Option<u64>) -> Encoded {
    let timeout_us = timeout_ns.unwrap_or(0) / 1000;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(timeout_us / 1_000_000).to_le_bytes());
    bytes[8..].copy_from_slice(&(timeout_us % 1_000_000).to_le_bytes());
    Encoded { bytes, len_bytes: 16 }
}

/// Parses a `timeval`; zero stands for no timeout.
fn parse_timeval(bytes: &[u8]) -> Result<Option<u64>, Errno> {
    let word = |start: usize| bytes.get(start..start + 8).map(u64::decode).ok_or(Errno::Inval);
    let (seconds, microseconds) = (word(0)?, word(8)?);
    if microseconds >= 1_000_000 || seconds > i64::MAX as u64 {
        return Err(Errno::Dom);
    }
    let timeout_ns = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(microseconds * 1000);
    Ok((timeout_ns != 0).then_some(timeout_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeval_round_trips_and_zero_is_no_timeout() {
        assert_eq!(
            parse_timeval(&timeval(Some(5_000_250_000)).bytes),
            Ok(Some(5_000_250_000))
        );
        assert_eq!(parse_timeval(&[0; 16]), Ok(None));
        assert_eq!(parse_timeval(&[0; 15]), Err(Errno::Inval));
        assert_eq!(parse_timeval(&[0xff; 16]), Err(Errno::Dom));
    }
}
