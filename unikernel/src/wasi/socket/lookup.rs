//! Name lookup: `sock_getaddrinfo`.
//!
//! The program prepares a linked list of results and the call fills it in. In linear memory (all little-endian):
//!
//! ```text
//! addrinfo  u16 flags, u8 family, u8 socket type, u8 protocol, 3 free, u32 address length, u32 -> sockaddr,
//!           u32 -> canonical name, u32 its length, u32 -> next                                     (28 bytes)
//! sockaddr  u8 family, 3 free, u32 data length, u32 -> data                                         (12 bytes)
//! data      u16 port in network order, then the address
//! ```
//!
//! Limits: ports are numbers or one of a few well-known names; one address family per call, IPv4 if the hints name none.

use super::attach;
use crate::net::{Family, NetError};
use crate::platform::Platform;
use crate::wasi::context::Context;
use crate::wasi::errno::Errno;
use crate::wasi::guest_memory::{GuestMemory, GuestPtr, GuestSlice, GuestValue};
use core::net::IpAddr;

const SERVICES: [(&str, u16); 5] = [("http", 80), ("https", 443), ("domain", 53), ("ssh", 22), ("ftp", 21)];
const FLAG_PASSIVE: u16 = 0;
const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;
const MAX_NAME_BYTES: u32 = 1024;

/// The part of an `addrinfo` that a call reads or writes.
struct AddressInfo {
    flags: u16,
    family: u8,
    socket_type: u8,
    protocol: u8,
    address_len_bytes: u32,
    address: u32,
    canonical_name: u32,
    canonical_name_len_bytes: u32,
    next: u32,
}

impl GuestValue for AddressInfo {
    const SIZE: u32 = 28;
    const ALIGN: u32 = 4;

    fn decode(bytes: &[u8]) -> Self {
        AddressInfo {
            flags: u16::decode(&bytes[..2]),
            family: bytes[2],
            socket_type: bytes[3],
            protocol: bytes[4],
            address_len_bytes: u32::decode(&bytes[8..12]),
            address: u32::decode(&bytes[12..16]),
            canonical_name: u32::decode(&bytes[16..20]),
            canonical_name_len_bytes: u32::decode(&bytes[20..24]),
            next: u32::decode(&bytes[24..28]),
        }
    }

    fn encode(&self, bytes: &mut [u8]) {
        self.flags.encode(&mut bytes[..2]);
        bytes[2..5].copy_from_slice(&[self.family, self.socket_type, self.protocol]);
        self.address_len_bytes.encode(&mut bytes[8..12]);
        self.address.encode(&mut bytes[12..16]);
        self.canonical_name.encode(&mut bytes[16..20]);
        self.canonical_name_len_bytes.encode(&mut bytes[20..24]);
        self.next.encode(&mut bytes[24..28]);
    }
}

/// Looks up a name and a service and fills in the list that `results` points at the pointer to, at most `max_count` entries.
///
/// # Errors
/// `Errno::Ainoname` if there is no such name, `Errno::Aiservice`, `Errno::Aiagain` if no server answers, `Errno::Fault`.
#[expect(clippy::too_many_arguments, reason = "the parameters are WasmEdge's")]
pub fn sock_getaddrinfo(
    context: &mut Context,
    node: u32,
    node_len: u32,
    service: u32,
    service_len: u32,
    hints: u32,
    results: u32,
    max_count: u32,
    count: u32,
) -> Result<(), Errno> {
    let node = context.memory.slice::<u8>(node, node_len)?;
    let service = context.memory.slice::<u8>(service, service_len)?;
    let hints = context.memory.read(context.memory.pointer::<AddressInfo>(hints)?);
    let first = context.memory.read(context.memory.pointer::<u32>(results)?);
    let count = context.memory.pointer::<u32>(count)?;
    let port = parse_service(text(&context.memory, service)?)?;
    let family = if hints.family == FAMILY_IPV6 {
        Family::Ipv6
    } else {
        Family::Ipv4
    };
    let addresses = look_up(context, node, hints.flags, family)?;
    let mut next = first;
    let mut written = 0;
    for address in addresses.into_iter().take(max_count as usize) {
        if next == 0 {
            break;
        }
        let place = context.memory.pointer::<AddressInfo>(next)?;
        next = write_result(&mut context.memory, place, &hints, address, port)?;
        written += 1;
    }
    context.memory.write(count, written);
    Ok(())
}

fn look_up(
    context: &mut Context,
    node: GuestSlice<u8>,
    flags: u16,
    family: Family,
) -> Result<alloc::vec::Vec<IpAddr>, Errno> {
    let name = alloc::string::String::from(text(&context.memory, node)?);
    if name.is_empty() {
        let address = match (flags == FLAG_PASSIVE, family) {
            (true, family) => crate::net::unspecified(family),
            (false, Family::Ipv4) => IpAddr::from([127, 0, 0, 1]),
            (false, Family::Ipv6) => IpAddr::from(1u128.to_be_bytes()),
        };
        return Ok(alloc::vec![address]);
    }
    let now_ns = context.platform.monotonic_ns();
    let lookup = attach::network(context)?.start_lookup(&name, family, now_ns)?;
    loop {
        let now_ns = context.platform.monotonic_ns();
        let network = super::network(context)?;
        network.poll(now_ns);
        match network.finish_lookup(lookup, now_ns) {
            Err(NetError::WouldBlock) => context.wait(None),
            result => return Ok(result?),
        }
    }
}

/// Reads a name up to its end or its terminating zero.
fn text(memory: &GuestMemory, slice: GuestSlice<u8>) -> Result<&str, Errno> {
    if slice.count() > MAX_NAME_BYTES {
        return Err(Errno::Ainoname);
    }
    let bytes = memory.bytes(slice);
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..end]).map_err(|_| Errno::Ainoname)
}

fn parse_service(service: &str) -> Result<u16, Errno> {
    if service.is_empty() {
        return Ok(0);
    }
    let known = SERVICES
        .iter()
        .find(|(name, _)| *name == service)
        .map(|&(_, port)| port);
    known.or_else(|| service.parse().ok()).ok_or(Errno::Aiservice)
}

/// Fills in one entry of the list and returns the address of the next.
fn write_result(
    memory: &mut GuestMemory,
    place: GuestPtr<AddressInfo>,
    hints: &AddressInfo,
    address: IpAddr,
    port: u16,
) -> Result<u32, Errno> {
    let mut info = memory.read(place);
    let mut octets = [0; 18];
    octets[..2].copy_from_slice(&port.to_be_bytes());
    let (family, data_len_bytes) = match address {
        IpAddr::V4(address) => {
            octets[2..6].copy_from_slice(&address.octets());
            (FAMILY_IPV4, 6)
        }
        IpAddr::V6(address) => {
            octets[2..].copy_from_slice(&address.octets());
            (FAMILY_IPV6, 18)
        }
    };
    let sockaddr = memory.slice::<u8>(info.address, 12)?;
    let data = memory.bytes(sockaddr)[8..]
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let data = memory.slice::<u8>(data, data_len_bytes)?;
    memory
        .bytes_mut(data)
        .copy_from_slice(&octets[..data_len_bytes as usize]);
    let head = memory.bytes_mut(sockaddr);
    head[0] = family;
    head[4..8].copy_from_slice(&data_len_bytes.to_le_bytes());
    info.family = family;
    info.socket_type = hints.socket_type;
    info.protocol = hints.protocol;
    info.address_len_bytes = 16;
    info.canonical_name_len_bytes = 0;
    let next = info.next;
    memory.write(place, info);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_numbers_or_well_known_names() {
        assert_eq!(parse_service("8080"), Ok(8080));
        assert_eq!(parse_service("https"), Ok(443));
        assert_eq!(parse_service(""), Ok(0));
        assert_eq!(parse_service("70000"), Err(Errno::Aiservice));
    }

    #[test]
    fn an_entry_keeps_what_it_points_at() {
        let mut bytes = [7; 28];
        let info = AddressInfo::decode(&bytes);
        info.encode(&mut bytes);
        assert_eq!(bytes, [7; 28]);
    }
}
