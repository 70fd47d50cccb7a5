//! Clocks: `clock_time_get`, `clock_res_get`.

use super::context::Context;
use super::errno::Errno;
use crate::platform::Platform;

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clockid {
    /// Nanoseconds since 1970.
    Realtime,
    /// Nanoseconds since some start; never goes back.
    Monotonic,
    /// Time that the program has used; process and thread are one.
    CpuTime,
}

impl Clockid {
    /// Decodes a clock's number.
    ///
    /// # Errors
    /// `Errno::Inval` for an unknown clock.
    pub fn from_number(number: u32) -> Result<Clockid, Errno> {
        match number {
            0 => Ok(Clockid::Realtime),
            1 => Ok(Clockid::Monotonic),
            2 | 3 => Ok(Clockid::CpuTime),
            _ => Err(Errno::Inval),
        }
    }
}

/// Writes the resolution of a clock in nanoseconds.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn clock_res_get(context: &mut Context, id: u32, resolution: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<u64>(resolution)?;
    Clockid::from_number(id)?;
    context.memory.write(pointer, 1);
    Ok(())
}

/// Writes the time of a clock in nanoseconds. The precision that the program asks for is always given.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn clock_time_get(context: &mut Context, id: u32, _precision: u64, time: u32) -> Result<(), Errno> {
    let pointer = context.memory.pointer::<u64>(time)?;
    let now_ns = match Clockid::from_number(id)? {
        Clockid::Realtime => context.platform.wall_clock_ns(),
        Clockid::Monotonic => context.platform.monotonic_ns(),
        Clockid::CpuTime => context.clock.cpu_time_ns(&mut context.platform),
    };
    context.memory.write(pointer, now_ns);
    Ok(())
}
