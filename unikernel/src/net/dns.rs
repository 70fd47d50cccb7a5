//! Name lookups by DNS, with a cache.
//!
//! smoltcp's DNS socket asks, repeats and follows aliases, but does not tell how long an answer is good for: answers are kept for
//! [`CACHE_LIFETIME`], shorter than nearly all lifetimes in use. A name that is an address needs no server, nor does `localhost`.

use super::device::EthernetDevice;
use super::stack::{Stack, instant};
use super::{Family, LookupId, NetError};
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::dns;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{DnsQueryType, IpAddress};

/// How long an answer is used again.
const CACHE_LIFETIME: Duration = Duration::from_secs(30);
const MAX_CACHED: usize = 64;
/// smoltcp's limit, set by its feature `dns-max-server-count-4`.
const MAX_NAME_SERVERS: usize = 4;

struct Cached {
    name: String,
    family: Family,
    addresses: Vec<IpAddr>,
    expiry: Instant,
}

enum Lookup {
    Known(Vec<IpAddr>),
    Running {
        query: dns::QueryHandle,
        name: String,
        family: Family,
    },
}

/// The state of name lookups.
pub(super) struct Resolver {
    handle: SocketHandle,
    name_servers: Vec<IpAddress>,
    lookups: Vec<Option<Lookup>>,
    cache: VecDeque<Cached>,
}

impl Resolver {
    /// Adds the DNS socket to the general set.
    pub fn new(general: &mut SocketSet<'static>, name_servers: &[IpAddress]) -> Self {
        let handle = general.add(dns::Socket::new(&[], vec![]));
        let mut resolver = Resolver {
            handle,
            name_servers: Vec::new(),
            lookups: Vec::new(),
            cache: VecDeque::new(),
        };
        resolver.add_name_servers(general, name_servers);
        resolver
    }

    /// Adds name servers after those that are known.
    pub fn add_name_servers(&mut self, general: &mut SocketSet<'static>, name_servers: &[IpAddress]) {
        for server in name_servers {
            if !self.name_servers.contains(server) && self.name_servers.len() < MAX_NAME_SERVERS {
                self.name_servers.push(*server);
            }
        }
        general
            .get_mut::<dns::Socket<'static>>(self.handle)
            .update_servers(&self.name_servers);
    }

    fn find_cached(&mut self, name: &str, family: Family, now: Instant) -> Option<Vec<IpAddr>> {
        self.cache.retain(|cached| cached.expiry > now);
        let is_same = |cached: &&Cached| cached.family == family && cached.name.eq_ignore_ascii_case(name);
        self.cache.iter().find(is_same).map(|cached| cached.addresses.clone())
    }

    fn keep(&mut self, cached: Cached) {
        if self.cache.len() >= MAX_CACHED {
            self.cache.pop_front();
        }
        self.cache.push_back(cached);
    }

    fn add(&mut self, lookup: Lookup) -> LookupId {
        let free = self.lookups.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.lookups.push(None);
            self.lookups.len() - 1
        });
        self.lookups[place] = Some(lookup);
        LookupId(place as u32)
    }
}

/// Returns the addresses of a name that no server needs to be asked for.
fn well_known(name: &str, family: Family) -> Option<Result<Vec<IpAddr>, NetError>> {
    let address = match (name.parse::<IpAddr>(), family) {
        (Ok(address), _) => address,
        (Err(_), Family::Ipv4) if name.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
        (Err(_), Family::Ipv6) if name.eq_ignore_ascii_case("localhost") => Ipv6Addr::LOCALHOST.into(),
        (Err(_), _) => return None,
    };
    let fits = address.is_ipv4() == (family == Family::Ipv4);
    Some(if fits {
        Ok(vec![address])
    } else {
        Err(NetError::NameNotFound)
    })
}

impl<D: EthernetDevice> Stack<D> {
    pub(super) fn begin_lookup(&mut self, name: &str, family: Family, now_ns: u64) -> Result<LookupId, NetError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let now = instant(now_ns);
        if let Some(known) = well_known(name, family) {
            return known.map(|addresses| self.resolver.add(Lookup::Known(addresses)));
        }
        if let Some(addresses) = self.resolver.find_cached(name, family, now) {
            return Ok(self.resolver.add(Lookup::Known(addresses)));
        }
        if self.resolver.name_servers.is_empty() {
            return Err(NetError::NameServerFailure);
        }
        let query_type = match family {
            Family::Ipv4 => DnsQueryType::A,
            Family::Ipv6 => DnsQueryType::Aaaa,
        };
        let socket = self.general.get_mut::<dns::Socket<'static>>(self.resolver.handle);
        let query = match socket.start_query(self.interface.context(), name, query_type) {
            Ok(query) => query,
            Err(dns::StartQueryError::NoFreeSlot) => return Err(NetError::WouldBlock),
            Err(dns::StartQueryError::InvalidName | dns::StartQueryError::NameTooLong) => {
                return Err(NetError::NameNotFound);
            }
        };
        self.general_due = Some(self.now);
        Ok(self.resolver.add(Lookup::Running {
            query,
            name: name.to_string(),
            family,
        }))
    }

    pub(super) fn end_lookup(&mut self, lookup: LookupId, now_ns: u64) -> Result<Vec<IpAddr>, NetError> {
        let place = self
            .resolver
            .lookups
            .get_mut(lookup.0 as usize)
            .ok_or(NetError::BadSocket)?;
        let (query, name, family) = match place.take() {
            None => return Err(NetError::BadSocket),
            Some(Lookup::Known(addresses)) => return Ok(addresses),
            Some(Lookup::Running { query, name, family }) => (query, name, family),
        };
        let socket = self.general.get_mut::<dns::Socket<'static>>(self.resolver.handle);
        match socket.get_query_result(query) {
            Ok(addresses) => {
                let addresses: Vec<IpAddr> = addresses.into_iter().map(IpAddr::from).collect();
                let expiry = instant(now_ns) + CACHE_LIFETIME;
                self.resolver.keep(Cached {
                    name,
                    family,
                    addresses: addresses.clone(),
                    expiry,
                });
                Ok(addresses)
            }
            Err(dns::GetQueryResultError::Pending) => {
                *place = Some(Lookup::Running { query, name, family });
                Err(NetError::WouldBlock)
            }
            Err(dns::GetQueryResultError::Failed) => Err(NetError::NameNotFound),
        }
    }
}
