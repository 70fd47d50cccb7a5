//! The network comes into being when a program asks for it: a program that opens no socket does not even contain it.
//!
//! Only functions of this topic lead here, so the linker keeps the stack and the driver of the card for programs that import one
//! of them. What does not work (no card, a word of the command line that makes no sense, no lease) is said once on standard error;
//! every call that needs the network then gets an errno.

use super::transfer;
use crate::net::{Configuration, Family, Network, SocketId, SocketKind};
use crate::platform::{OutputStream, Platform};
use crate::wasi::context::Context;
use crate::wasi::errno::Errno;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

#[cfg(not(feature = "kernel"))]
mod card {
    //! Without a machine below there is no card; whoever embeds the crate installs a network in the context.

    use crate::net::{Configuration, Network};
    use alloc::boxed::Box;

    pub fn attach(_: &Configuration, _: [u64; 2], _: u64) -> Result<Box<dyn Network>, &'static str> {
        Err("there is no network card")
    }
}
#[cfg(feature = "kernel")]
use crate::drivers::network as card;

/// Connections accepted ahead of the program on a socket that listens from the start.
const PREOPENED_BACKLOG: u32 = 1024;

/// Returns the network, bringing it up if this is the first call; waits for an address where that takes time.
///
/// # Errors
/// `Errno::Netdown`.
pub fn network(context: &mut Context) -> Result<&mut dyn Network, Errno> {
    if context.network.is_none() {
        if context.network_is_down {
            return Err(Errno::Netdown);
        }
        if let Err(problem) = bring_up(context) {
            context.network_is_down = true;
            context.network = None;
            let message = format!("wasmetal: no network: {problem}\n");
            context.platform.write(OutputStream::Stderr, message.as_bytes());
            return Err(Errno::Netdown);
        }
    }
    match context.network.as_deref_mut() {
        Some(network) => Ok(network),
        None => Err(Errno::Netdown),
    }
}

fn bring_up(context: &mut Context) -> Result<(), String> {
    let words = context
        .network_words
        .iter()
        .filter_map(|word| core::str::from_utf8(word).ok());
    let configuration = Configuration::parse(words).map_err(|error| format!("{error}"))?;
    let mut seed = [0; 16];
    context.random.fill(&mut context.platform, &mut seed);
    let seed = [0, 8].map(|start| u64::from_le_bytes(core::array::from_fn(|index| seed[start + index])));
    let now_ns = context.platform.monotonic_ns();
    install(context, card::attach(&configuration, seed, now_ns)?);
    loop {
        let now_ns = context.platform.monotonic_ns();
        let Some(network) = context.network.as_deref_mut() else {
            return Ok(());
        };
        match network.configured(now_ns) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                network.poll(now_ns);
                context.wait(None);
            }
            Err(_) => return Err("no DHCP server has given an address".into()),
        }
    }
}

/// Opens a socket that listens from the start, at the address that the `listen=` word of that index names.
///
/// # Errors
/// `Errno::Netdown`, `Errno::Addrnotavail`, `Errno::Addrinuse`, `Errno::Mfile`.
pub fn listen(context: &mut Context, index: usize) -> Result<SocketId, Errno> {
    network(context)?;
    let words = context
        .network_words
        .iter()
        .filter_map(|word| core::str::from_utf8(word).ok());
    let configuration = Configuration::parse(words).map_err(|_| Errno::Netdown)?;
    let address = *configuration.listen.get(index).ok_or(Errno::Badf)?;
    let network = network(context)?;
    let family = if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let socket = network.open(family, SocketKind::Stream)?;
    let result = network
        .bind(socket, address)
        .and_then(|()| network.listen(socket, PREOPENED_BACKLOG));
    if let Err(error) = result {
        network.close(socket);
        return Err(error.into());
    }
    Ok(socket)
}

/// Installs a network in place of the machine's card.
pub fn install(context: &mut Context, network: Box<dyn Network>) {
    context.network = Some(network);
    context.sockets = Some(transfer::TRANSFER);
    context.finish_network = Some(Context::finish_network);
}
