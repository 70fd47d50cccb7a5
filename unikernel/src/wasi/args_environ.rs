//! Arguments and environment: `args_get`, `args_sizes_get`, `environ_get`, `environ_sizes_get`.

use super::context::Context;
use super::errno::Errno;
use super::guest_memory::GuestMemory;
use alloc::vec::Vec;

/// Writes the arguments to `argv_buf`, each ended by a zero byte, and their addresses to `argv`.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn args_get(context: &mut Context, argv: u32, argv_buf: u32) -> Result<(), Errno> {
    write_strings(&mut context.memory, &context.arguments, argv, argv_buf)
}

/// Writes the number of arguments and the length of all in bytes, zero bytes included.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn args_sizes_get(context: &mut Context, count: u32, len_bytes: u32) -> Result<(), Errno> {
    write_sizes(&mut context.memory, &context.arguments, count, len_bytes)
}

/// Writes the environment variables to `environ_buf`, each ended by a zero byte, and their addresses to `environ`.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn environ_get(context: &mut Context, environ: u32, environ_buf: u32) -> Result<(), Errno> {
    write_strings(&mut context.memory, &context.environment, environ, environ_buf)
}

/// Writes the number of environment variables and the length of all in bytes, zero bytes included.
///
/// # Errors
/// `Errno::Fault`, `Errno::Inval`.
pub fn environ_sizes_get(context: &mut Context, count: u32, len_bytes: u32) -> Result<(), Errno> {
    write_sizes(&mut context.memory, &context.environment, count, len_bytes)
}

fn sizes(strings: &[Vec<u8>]) -> Result<(u32, u32), Errno> {
    let len_bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    let count = u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?;
    Ok((count, u32::try_from(len_bytes).map_err(|_| Errno::Overflow)?))
}

fn write_sizes(memory: &mut GuestMemory, strings: &[Vec<u8>], count: u32, len_bytes: u32) -> Result<(), Errno> {
    let count_pointer = memory.pointer::<u32>(count)?;
    let len_pointer = memory.pointer::<u32>(len_bytes)?;
    let (count, len_bytes) = sizes(strings)?;
    memory.write(count_pointer, count);
    memory.write(len_pointer, len_bytes);
    Ok(())
}

fn write_strings(memory: &mut GuestMemory, strings: &[Vec<u8>], pointers: u32, buffer: u32) -> Result<(), Errno> {
    let (count, len_bytes) = sizes(strings)?;
    let pointers = memory.slice::<u32>(pointers, count)?;
    let bytes = memory.slice::<u8>(buffer, len_bytes)?;
    let mut address = buffer;
    for (pointer, string) in pointers.iter().zip(strings) {
        memory.write(pointer, address);
        address += string.len() as u32 + 1;
    }
    let mut rest = memory.bytes_mut(bytes);
    for string in strings {
        let (text, after) = rest.split_at_mut(string.len());
        text.copy_from_slice(string);
        let (end, after) = after.split_at_mut(1);
        end[0] = 0;
        rest = after;
    }
    Ok(())
}
