//! How the interface gets its addresses: the words `ip=`, `gateway=`, `dns=` and `listen=` of the kernel command line.
//!
//! `ip=10.0.0.2/24 gateway=10.0.0.1` (an address of each family may be given), or `ip=dhcp`, which also holds when no `ip=` is
//! given. IPv6 has a link-local address and takes router advertisements in either case.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use smoltcp::wire::{IpAddress, IpCidr, Ipv6Cidr};

/// How the IPv4 address is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressConfiguration {
    /// By the addresses given.
    Static,
    /// By DHCP.
    Dhcp,
}

/// Addresses and what belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// How the IPv4 address is found.
    pub ipv4: AddressConfiguration,
    pub(super) addresses: Vec<IpCidr>,
    pub(super) gateways: Vec<IpAddress>,
    pub(super) name_servers: Vec<IpAddress>,
    /// Where sockets listen before the program starts.
    pub listen: Vec<SocketAddr>,
}

/// A word that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// Not `A.B.C.D/len`, an IPv6 prefix or `dhcp`.
    #[error("ip={0} is neither an address with a prefix length, such as 10.0.0.2/24, nor dhcp")]
    Address(String),
    /// Not an address.
    #[error("gateway={0} is not an address")]
    Gateway(String),
    /// No address of ours reaches it.
    #[error("gateway={0} is not within the network of any ip=")]
    GatewayUnreachable(String),
    /// Not an address.
    #[error("dns={0} is not an address")]
    NameServer(String),
    /// Not `ADDRESS:PORT`.
    #[error("listen={0} is not an address and a port, such as 0.0.0.0:80")]
    Listen(String),
}

impl Configuration {
    /// Reads the words that concern the network; a later `ip=` or `gateway=` of a family replaces an earlier one, so that the
    /// command line overrides what is baked in.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Configuration, ConfigurationError> {
        let mut configuration = Configuration {
            ipv4: AddressConfiguration::Dhcp,
            addresses: Vec::new(),
            gateways: Vec::new(),
            name_servers: Vec::new(),
            listen: Vec::new(),
        };
        for word in words {
            if let Some(value) = word.strip_prefix("ip=") {
                configuration.parse_address(value)?;
            } else if let Some(value) = word.strip_prefix("gateway=") {
                let gateway: IpAddr = value
                    .parse()
                    .map_err(|_| ConfigurationError::Gateway(value.to_string()))?;
                configuration
                    .gateways
                    .retain(|old| IpAddr::from(*old).is_ipv4() != gateway.is_ipv4());
                configuration.gateways.push(gateway.into());
            } else if let Some(value) = word.strip_prefix("dns=") {
                for server in value.split(',') {
                    let server: IpAddr = server
                        .parse()
                        .map_err(|_| ConfigurationError::NameServer(server.to_string()))?;
                    configuration.name_servers.push(server.into());
                }
            } else if let Some(value) = word.strip_prefix("listen=") {
                let address = value
                    .parse()
                    .map_err(|_| ConfigurationError::Listen(value.to_string()))?;
                configuration.listen.push(address);
            }
        }
        configuration.check_gateways()?;
        Ok(configuration)
    }

    fn parse_address(&mut self, value: &str) -> Result<(), ConfigurationError> {
        if value == "dhcp" {
            self.ipv4 = AddressConfiguration::Dhcp;
            self.addresses.retain(|old| matches!(old, IpCidr::Ipv6(_)));
            return Ok(());
        }
        let error = || ConfigurationError::Address(value.to_string());
        let (address, prefix_len) = value.split_once('/').ok_or_else(error)?;
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let prefix_len: u8 = prefix_len.parse().map_err(|_| error())?;
        let is_host = match address {
            IpAddr::V4(address) => {
                let host_bits = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
                let host = address.to_bits() & host_bits;
                let names_network = host_bits > 1 && (host == 0 || host == host_bits);
                !(address.is_unspecified() || address.is_multicast() || address.is_broadcast() || names_network)
            }
            IpAddr::V6(address) => !(address.is_unspecified() || address.is_multicast()),
        };
        if prefix_len > if address.is_ipv4() { 32 } else { 128 } || !is_host {
            return Err(error());
        }
        if address.is_ipv4() {
            self.ipv4 = AddressConfiguration::Static;
        }
        self.addresses
            .retain(|old| IpAddr::from(old.address()).is_ipv4() != address.is_ipv4());
        self.addresses.push(IpCidr::new(address.into(), prefix_len));
        Ok(())
    }

    fn check_gateways(&self) -> Result<(), ConfigurationError> {
        for gateway in &self.gateways {
            let is_near = match gateway {
                // DHCP brings a gateway of its own.
                IpAddress::Ipv4(_) if self.ipv4 == AddressConfiguration::Dhcp => true,
                IpAddress::Ipv6(address) if address.is_unicast_link_local() => true,
                _ => self.addresses.iter().any(|own| own.contains_addr(gateway)),
            };
            if !is_near {
                return Err(ConfigurationError::GatewayUnreachable(gateway.to_string()));
            }
        }
        Ok(())
    }
}

/// Returns the link-local address that belongs to a hardware address (RFC 4291, appendix A).
pub(super) fn link_local(mac: [u8; 6]) -> IpCidr {
    let bytes = [mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]];
    let interface = u64::from_be_bytes(bytes);
    IpCidr::Ipv6(Ipv6Cidr::new(
        Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(interface)),
        64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Configuration, ConfigurationError> {
        Configuration::parse(line.split(' '))
    }

    #[test]
    fn the_form_of_urunc_is_understood() {
        let configuration = parse("ip=10.0.0.2/24 gateway=10.0.0.1 env.A=B").unwrap();
        assert_eq!(configuration.ipv4, AddressConfiguration::Static);
        assert_eq!(configuration.addresses, [IpCidr::new(IpAddress::v4(10, 0, 0, 2), 24)]);
        assert_eq!(configuration.gateways, [IpAddress::v4(10, 0, 0, 1)]);
    }

    #[test]
    fn dhcp_holds_unless_an_ipv4_address_is_given() {
        assert_eq!(parse("log=debug").unwrap().ipv4, AddressConfiguration::Dhcp);
        assert_eq!(parse("ip=fd00::2/64").unwrap().ipv4, AddressConfiguration::Dhcp);
        assert_eq!(
            parse("ip=10.0.0.2/24 ip=dhcp").unwrap().ipv4,
            AddressConfiguration::Dhcp
        );
    }

    #[test]
    fn a_later_address_replaces_an_earlier_one_of_its_family() {
        let configuration = parse("ip=10.0.0.2/24 ip=fd00::2/64 ip=10.0.0.3/24").unwrap();
        assert_eq!(configuration.addresses.len(), 2);
        assert!(
            configuration
                .addresses
                .contains(&IpCidr::new(IpAddress::v4(10, 0, 0, 3), 24))
        );
    }

    #[test]
    fn addresses_that_no_host_can_have_are_refused() {
        for word in [
            "10.0.0.2",
            "10.0.0.0/24",
            "10.0.0.255/24",
            "0.0.0.0/0",
            "224.0.0.1/4",
            "10.0.0.2/33",
            "fd00::1/129",
            "x/1",
            "",
        ] {
            assert!(
                matches!(parse(&["ip=", word].concat()), Err(ConfigurationError::Address(_))),
                "{word}"
            );
        }
        assert!(parse("ip=10.0.0.0/31").is_ok());
    }

    #[test]
    fn a_gateway_out_of_reach_is_refused() {
        assert!(matches!(
            parse("ip=10.0.0.2/24 gateway=10.0.1.1"),
            Err(ConfigurationError::GatewayUnreachable(_))
        ));
        assert!(matches!(parse("gateway=none"), Err(ConfigurationError::Gateway(_))));
    }

    #[test]
    fn the_link_local_address_follows_the_hardware_address() {
        let expected = IpCidr::new(IpAddress::Ipv6("fe80::5054:ff:fe12:3456".parse().unwrap()), 64);
        assert_eq!(link_local([0x52, 0x54, 0, 0x12, 0x34, 0x56]), expected);
    }
}
