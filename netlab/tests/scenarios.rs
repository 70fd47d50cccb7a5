//! The short form of the scenarios; `netlab --long` does more. Needs root.
//!
//! Not among them: `browser`, since Chromium is a large thing to install for one page.

use netlab::lab::Lab;
use netlab::scenarios::{Length, Scenario};

fn run(name: &str) {
    if !Lab::is_possible() {
        return fixtures::skip(name, "only root may make network namespaces and TAP devices");
    }
    let scenario = Scenario::named(name).expect("it is in the list");
    match scenario.run(Length::Short) {
        Ok(figure) => println!("{name}: {figure}"),
        Err(error) => panic!("{error:#}"),
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { run($name); })*

        #[test]
        fn every_scenario_is_tested() {
            let tested = [$($name),*];
            for scenario in netlab::scenarios::ALL {
                assert!(scenario.name == "browser" || tested.contains(&scenario.name), "{}", scenario.name);
            }
        }
    };
}

scenarios! {
    an_address_comes_by_dhcp: "dhcp",
    names_are_looked_up_once: "dns",
    ipv6_configures_itself_and_carries_everything: "ipv6",
    datagrams_and_pings_are_echoed: "datagrams",
    socket_options_act: "options",
    data_arrives_whole_over_a_bad_wire: "lossy",
    connections_of_vanished_peers_end: "vanish",
    a_flood_of_requests_harms_nobody: "flood",
    transfers_survive_the_loss_of_the_link: "flap",
    a_machine_without_memory_for_connections_lives_on: "memory",
    connections_come_and_go_without_a_leak: "churn",
    an_idle_server_costs_nothing: "idle",
}
