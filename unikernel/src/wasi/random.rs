//! Random numbers: `random_get`.

use super::context::Context;
use super::errno::Errno;

/// Fills a buffer with random bytes.
///
/// # Errors
/// `Errno::Fault`.
pub fn random_get(context: &mut Context, buf: u32, buf_len: u32) -> Result<(), Errno> {
    let slice = context.memory.slice::<u8>(buf, buf_len)?;
    context
        .random
        .fill(&mut context.platform, context.memory.bytes_mut(slice));
    Ok(())
}
