//! Links objects and archives given as files into an image: `link OUTPUT INPUT…`. Prints the link map.
//!
//! The library does no I/O; this shows what its caller has to do.

use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().ok_or("usage: link OUTPUT INPUT…")?;
    let names: Vec<String> = arguments.collect();
    let files = names.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let inputs: Vec<linker::Input> = names
        .iter()
        .zip(&files)
        .map(|(name, bytes)| linker::Input { name, bytes })
        .collect();
    let options = linker::LinkOptions {
        link_map: true,
        symbols: true,
        ..Default::default()
    };
    let image = linker::link(&inputs, &options)?;
    std::fs::write(output, &image.bytes)?;
    print!("{}", image.link_map.expect("asked for"));
    Ok(())
}
