//! The network of the virtual machine: what QEMU connects its card to, and what the kernel is told about it.
//!
//! `user` needs no privileges: QEMU itself is router, name server and translator of addresses, always with the same addresses, so
//! that the kernel need not ask for them. `tap` connects to a device of the host, which root makes.
//!
//! Read first: [`NetworkSettings`]. Limits: one card; published ports are TCP.

use super::machine::Machine;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What the card is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// QEMU's user network.
    User,
    /// A TAP device of the host, by name.
    Tap(String),
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() < 16
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        match text.split_once('=') {
            None if text == "user" => Ok(Backend::User),
            Some(("tap", name)) if is_name(name) => Ok(Backend::Tap(name.to_owned())),
            _ => Err("expected `user` or `tap=NAME`".to_owned()),
        }
    }
}

/// A port of the host that leads to a port of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Address of the host.
    pub address: IpAddr,
    /// Port of the host.
    pub host_port: u16,
    /// Port of the guest.
    pub guest_port: u16,
}

impl FromStr for Publish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (host, guest) = text.rsplit_once(':')?;
            let guest_port = guest.parse().ok()?;
            let host: SocketAddr = match host.parse::<u16>() {
                Ok(port) => SocketAddr::from(([127, 0, 0, 1], port)),
                Err(_) => host.parse().ok()?,
            };
            Some(Publish {
                address: host.ip(),
                host_port: host.port(),
                guest_port,
            })
        };
        parse().ok_or_else(|| "expected `HOST_PORT:GUEST_PORT` or `ADDRESS:HOST_PORT:GUEST_PORT`".to_owned())
    }
}

/// The guest's IPv4 or IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestAddress {
    /// By DHCP.
    Dhcp,
    /// A fixed address and the length of its network's prefix.
    Static(IpAddr, u8),
}

impl FromStr for GuestAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "dhcp" {
            return Ok(GuestAddress::Dhcp);
        }
        let parse = || {
            let (address, prefix_len) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let prefix_len: u8 = prefix_len.parse().ok()?;
            (prefix_len <= if address.is_ipv4() { 32 } else { 128 })
                .then_some(GuestAddress::Static(address, prefix_len))
        };
        parse().ok_or_else(|| "expected `dhcp` or an address with a prefix length, such as 10.0.0.2/24".to_owned())
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// What the card is connected to.
    pub backend: Backend,
    /// Ports of the host that lead to the guest; user network only.
    pub publish: Vec<Publish>,
    /// Addresses of the guest; none: what suits the backend.
    pub addresses: Vec<GuestAddress>,
    /// Its routers.
    pub gateways: Vec<IpAddr>,
    /// Its name servers.
    pub name_servers: Vec<IpAddr>,
    /// Where sockets listen before the program starts.
    pub listen: Vec<SocketAddr>,
}

impl NetworkSettings {
    /// Returns the values of QEMU's options `-netdev` and `-device`.
    pub(super) fn devices(&self, machine: Machine) -> [(&'static str, String); 2] {
        let backend = match &self.backend {
            Backend::User => {
                let forward = |publish: &Publish| {
                    let Publish {
                        address,
                        host_port,
                        guest_port,
                    } = publish;
                    format!(",hostfwd=tcp:{address}:{host_port}-:{guest_port}")
                };
                format!("user,id=net{}", self.publish.iter().map(forward).collect::<String>())
            }
            Backend::Tap(name) => format!("tap,id=net,ifname={name},script=no,downscript=no"),
        };
        let mut card = machine.virtio_device("net") + ",netdev=net";
        if machine != Machine::Microvm {
            // Without a file for network boot, which the firmware would look at.
            card += ",romfile=";
        }
        [("-netdev", backend), ("-device", card)]
    }

    /// Returns the words for the kernel.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for address in &self.addresses {
            words.push(match address {
                GuestAddress::Dhcp => "ip=dhcp".to_owned(),
                GuestAddress::Static(address, prefix_len) => format!("ip={address}/{prefix_len}"),
            });
        }
        let is_user = self.backend == Backend::User;
        if is_user && self.addresses.is_empty() {
            words.push("ip=10.0.2.15/24".to_owned());
        }
        words.extend(self.gateways.iter().map(|gateway| format!("gateway={gateway}")));
        if is_user && self.gateways.is_empty() && self.addresses.is_empty() {
            words.push("gateway=10.0.2.2".to_owned());
        }
        words.extend(self.name_servers.iter().map(|server| format!("dns={server}")));
        if is_user && self.name_servers.is_empty() {
            words.push("dns=10.0.2.3".to_owned());
        }
        words.extend(self.listen.iter().map(|address| format!("listen={address}")));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(backend: Backend) -> NetworkSettings {
        NetworkSettings {
            backend,
            publish: vec!["8080:80".parse().unwrap()],
            addresses: Vec::new(),
            gateways: Vec::new(),
            name_servers: Vec::new(),
            listen: Vec::new(),
        }
    }

    #[test]
    fn the_user_network_has_known_addresses_and_publishes_ports_locally() {
        let settings = settings(Backend::User);
        assert_eq!(
            settings.words(),
            ["ip=10.0.2.15/24", "gateway=10.0.2.2", "dns=10.0.2.3"]
        );
        let [(_, backend), (_, card)] = settings.devices(Machine::Microvm);
        assert_eq!(backend, "user,id=net,hostfwd=tcp:127.0.0.1:8080-:80");
        assert!(card.starts_with("virtio-net-device"));
    }

    #[test]
    fn a_tap_device_leaves_addresses_to_the_flags() {
        let mut settings = settings("tap=tap0".parse().unwrap());
        assert!(settings.words().is_empty());
        settings.addresses = vec!["10.0.0.2/24".parse().unwrap()];
        settings.listen = vec!["0.0.0.0:80".parse().unwrap()];
        assert_eq!(settings.words(), ["ip=10.0.0.2/24", "listen=0.0.0.0:80"]);
    }

    #[test]
    fn malformed_values_are_refused() {
        for text in ["", "tap", "tap=", "tap=a,b", "bridge"] {
            assert!(text.parse::<Backend>().is_err(), "{text}");
        }
        for text in ["80", "80:", ":80", "x:1:2", "70000:1"] {
            assert!(text.parse::<Publish>().is_err(), "{text}");
        }
        for text in ["10.0.0.2", "10.0.0.2/33", "DHCP", "a/1"] {
            assert!(text.parse::<GuestAddress>().is_err(), "{text}");
        }
    }
}
