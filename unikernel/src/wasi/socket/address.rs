//! Addresses in linear memory, as WasmEdge lays them out.
//!
//! A call names a pair of pointer and length. The area it points at is either the bare address (4 bytes for IPv4, 16 for IPv6) or,
//! if it has 128 bytes, a little-endian `u16` family (1 for IPv4, 2 for IPv6) followed by the address. Ports travel apart, in the
//! processor's byte order.

use crate::wasi::errno::Errno;
use crate::wasi::guest_memory::{GuestMemory, GuestSlice};
use crate::wasi::types::Iovec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// From this length on, an area starts with the family.
const WITH_FAMILY_LEN_BYTES: usize = 128;
const FAMILY_IPV4: u16 = 1;
const FAMILY_IPV6: u16 = 2;

/// How an address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressForm {
    /// The address alone, whatever the length of the area.
    Bare,
    /// The family before the address if the area is long enough for that form.
    WithFamily,
}

/// An area for an address. Holding it proves that it lies within linear memory.
#[derive(Clone, Copy, Debug)]
pub struct GuestAddress(GuestSlice<u8>);

impl GuestAddress {
    /// Checks the pair of pointer and length at `pair`.
    ///
    /// # Errors
    /// `Errno::Fault`, `Errno::Inval`.
    pub fn check(memory: &GuestMemory, pair: u32) -> Result<Self, Errno> {
        let area = memory.read(memory.pointer::<Iovec>(pair)?);
        Ok(GuestAddress(memory.slice(area.buf, area.buf_len)?))
    }

    /// Reads the address and joins it with a port.
    ///
    /// # Errors
    /// `Errno::Inval` for a length or port that is none, `Errno::Afnosupport` for another family.
    pub fn read(self, memory: &GuestMemory, port: u32) -> Result<SocketAddr, Errno> {
        let port = u16::try_from(port).map_err(|_| Errno::Inval)?;
        Ok(SocketAddr::new(parse(memory.bytes(self.0))?, port))
    }

    /// Writes an address.
    ///
    /// # Errors
    /// `Errno::Inval` if the area is too short.
    pub fn write(self, memory: &mut GuestMemory, address: IpAddr, form: AddressForm) -> Result<(), Errno> {
        let bytes = memory.bytes_mut(self.0);
        let place = match form {
            AddressForm::WithFamily if bytes.len() >= WITH_FAMILY_LEN_BYTES => {
                let family = if address.is_ipv4() { FAMILY_IPV4 } else { FAMILY_IPV6 };
                bytes[..2].copy_from_slice(&family.to_le_bytes());
                &mut bytes[2..]
            }
            _ => bytes,
        };
        match address {
            IpAddr::V4(address) => place
                .get_mut(..4)
                .ok_or(Errno::Inval)?
                .copy_from_slice(&address.octets()),
            IpAddr::V6(address) => place
                .get_mut(..16)
                .ok_or(Errno::Inval)?
                .copy_from_slice(&address.octets()),
        }
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<IpAddr, Errno> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(octets).into());
    }
    if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        return Ok(Ipv6Addr::from(octets).into());
    }
    let (family, address) = bytes.split_first_chunk::<2>().ok_or(Errno::Inval)?;
    if bytes.len() < WITH_FAMILY_LEN_BYTES {
        return Err(Errno::Inval);
    }
    match u16::from_le_bytes(*family) {
        FAMILY_IPV4 => Ok(Ipv4Addr::from(*address.first_chunk::<4>().ok_or(Errno::Inval)?).into()),
        FAMILY_IPV6 => Ok(Ipv6Addr::from(*address.first_chunk::<16>().ok_or(Errno::Inval)?).into()),
        _ => Err(Errno::Afnosupport),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_the_form() {
        assert_eq!(parse(&[10, 0, 0, 2]), Ok(IpAddr::from([10, 0, 0, 2])));
        let mut long = [0; 128];
        long[..6].copy_from_slice(&[1, 0, 10, 0, 0, 2]);
        assert_eq!(parse(&long), Ok(IpAddr::from([10, 0, 0, 2])));
        long[0] = 2;
        assert!(parse(&long).unwrap().is_ipv6());
        assert_eq!(parse(&long[..16]).map(|address| address.is_ipv6()), Ok(true));
    }

    #[test]
    fn other_lengths_and_families_are_refused() {
        assert_eq!(parse(&[1, 0, 10, 0, 0, 2]), Err(Errno::Inval));
        assert_eq!(parse(&[]), Err(Errno::Inval));
        assert_eq!(parse(&[9; 128]), Err(Errno::Afnosupport));
    }
}
