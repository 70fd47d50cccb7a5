//! The scenarios. Each boots a guest on a network of its own, fails if anything is not as it should be, and returns its figure.

mod browser;
mod faults;
mod load;
mod protocols;

use anyhow::{Result, anyhow};
use std::thread;

/// How much a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Seconds: for the tests.
    Short,
    /// Minutes.
    Long,
}

impl Length {
    fn choose<T>(self, short: T, long: T) -> T {
        match self {
            Length::Short => short,
            Length::Long => long,
        }
    }
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    run: fn(Length) -> Result<String>,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "dhcp",
        about: "an address, a router and a name server by DHCP (dnsmasq), and the lease renewed",
        run: protocols::dhcp,
    },
    Scenario {
        name: "dns",
        about: "names looked up, each once, thanks to the cache",
        run: protocols::dns,
    },
    Scenario {
        name: "ipv6",
        about: "an address by router advertisement; ICMP, TCP both ways and UDP over it",
        run: protocols::ipv6,
    },
    Scenario {
        name: "datagrams",
        about: "UDP and ICMP echo over IPv4",
        run: protocols::datagrams,
    },
    Scenario {
        name: "options",
        about: "socket options that act: a receive timeout, broadcast, a linger time of nothing",
        run: protocols::options,
    },
    Scenario {
        name: "lossy",
        about: "checksummed transfers both ways over a wire that loses, doubles, delays and reorders frames",
        run: faults::lossy,
    },
    Scenario {
        name: "vanish",
        about: "peers that are killed or fall silent: their connections end",
        run: faults::vanish,
    },
    Scenario {
        name: "flood",
        about: "made-up requests for connections from everywhere, beside good clients",
        run: faults::flood,
    },
    Scenario {
        name: "flap",
        about: "a link that goes and comes back, at either end, during transfers",
        run: faults::flap,
    },
    Scenario {
        name: "memory",
        about: "more connections with unread data than the machine has memory for",
        run: faults::memory,
    },
    Scenario {
        name: "churn",
        about: "800 connections that come and go under load",
        run: load::churn,
    },
    Scenario {
        name: "idle",
        about: "what a server with an open connection and nothing to do takes of the processor",
        run: load::idle,
    },
    Scenario {
        name: "browser",
        about: "a page with images, from the file server into Chromium",
        run: browser::browser,
    },
];

impl Scenario {
    /// Returns the scenario of a name.
    pub fn named(name: &str) -> Option<Scenario> {
        ALL.iter().find(|scenario| scenario.name == name).copied()
    }

    /// Runs it, in a thread of its own since that thread leaves the host's network for good.
    ///
    /// # Errors
    /// If anything is not as it should be.
    pub fn run(self, length: Length) -> Result<String> {
        let result = thread::spawn(move || (self.run)(length)).join();
        result.unwrap_or_else(|_| Err(anyhow!("the scenario has panicked")))
    }
}
