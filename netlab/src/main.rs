//! The command: runs scenarios and prints the figure of each. It ends with 1 if one of them fails.

use clap::Parser;
use netlab::scenarios::{ALL, Length, Scenario};
use std::process::ExitCode;

/// Runs guests on networks of their own, good and bad; needs root
#[derive(Debug, Parser)]
struct Flags {
    /// Scenarios to run; all of them if none is named. `--list` tells their names
    #[arg(value_name = "NAME", value_parser = parse_name)]
    scenarios: Vec<Scenario>,
    /// Run the long forms: minutes instead of seconds
    #[arg(long)]
    long: bool,
    /// List the scenarios
    #[arg(long)]
    list: bool,
}

fn parse_name(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| "there is no such scenario; `--list` tells their names".to_owned())
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    if flags.list {
        for Scenario { name, about, .. } in ALL {
            println!("{name:10} {about}");
        }
        return ExitCode::SUCCESS;
    }
    let chosen = if flags.scenarios.is_empty() {
        ALL
    } else {
        &flags.scenarios
    };
    let length = if flags.long { Length::Long } else { Length::Short };
    let mut code = ExitCode::SUCCESS;
    for scenario in chosen {
        match scenario.run(length) {
            Ok(figure) => println!("{}: {figure}", scenario.name),
            Err(error) => {
                eprintln!("error: {}: {error:#}", scenario.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
