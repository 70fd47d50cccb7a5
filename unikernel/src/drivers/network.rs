//! The network of the machine: the stack over the first virtio network card.
//!
//! Only socket functions lead here, so an image without them has neither the stack nor the driver.

use super::virtio::net::VirtioNet;
use crate::memory;
use crate::net::{Configuration, Network, Stack};
use alloc::boxed::Box;

/// Connections' buffers may take this part of the memory that is free when the network comes up.
const BUFFER_MEMORY_SHARE: u64 = 4;

/// Brings the stack up on the card.
///
/// # Errors
/// What is missing, in words.
pub fn attach(configuration: &Configuration, seed: [u64; 2], now_ns: u64) -> Result<Box<dyn Network>, &'static str> {
    let device = VirtioNet::open()?;
    let buffer_budget_bytes = (memory::available_bytes() / BUFFER_MEMORY_SHARE) as usize;
    Ok(Box::new(Stack::new(
        device,
        configuration,
        seed,
        buffer_budget_bytes,
        now_ns,
    )))
}
