//! The program itself: `proc_exit`, `proc_raise`, `sched_yield`.

use super::context::Context;
use super::errno::Errno;
use crate::platform::Platform;

/// Ends the program, once the peers of its sockets have what was sent.
pub fn proc_exit(context: &mut Context, code: u32) -> ! {
    context.finish();
    context.platform.exit(code)
}

/// Refuses to send a signal: there are none.
///
/// # Errors
/// `Errno::Notsup`, always.
pub fn proc_raise(_context: &mut Context, _signal: u32) -> Result<(), Errno> {
    Err(Errno::Notsup)
}

/// Lets others run. There are none.
///
/// # Errors
/// None.
pub fn sched_yield(_context: &mut Context) -> Result<(), Errno> {
    Ok(())
}
