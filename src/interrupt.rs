//! Ctrl-C, SIGTERM and SIGHUP: one handler, and what the current activity asks to do first.
//!
//! The signals only wake a thread (crate `ctrlc`), so a reaction is ordinary code. While nothing is registered, the process ends
//! at once with [`EXIT_CODE`].

use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The exit code of an interrupted command: 128 + SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

type Reaction = Box<dyn FnOnce() + Send>;

static REACTION: Mutex<Option<Reaction>> = Mutex::new(None);

/// Installs the handler. Called once, at the start.
///
/// # Errors
/// If the operating system refuses.
pub fn install() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| match reaction().take() {
        Some(react) => react(),
        None => process::exit(EXIT_CODE.into()),
    })
}

/// Registers what to do on an interrupt instead of ending, for as long as the guard lives. One activity at a time.
pub fn on_interrupt(react: impl FnOnce() + Send + 'static) -> InterruptGuard {
    *reaction() = Some(Box::new(react));
    InterruptGuard(())
}

/// Takes the reaction back when dropped.
#[derive(Debug)]
pub struct InterruptGuard(());

impl Drop for InterruptGuard {
    fn drop(&mut self) {
        reaction().take();
    }
}

fn reaction() -> MutexGuard<'static, Option<Reaction>> {
    REACTION.lock().unwrap_or_else(PoisonError::into_inner)
}
