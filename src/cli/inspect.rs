//! `wasmetal inspect`: prints what an image tells about itself.

use super::files;
use super::flags::InspectFlags;
use super::size::format_size;
use anyhow::Context;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use wasmetal::{ImageReport, MemoryFloor};

/// Prints the report of an image.
pub fn inspect(flags: &InspectFlags) -> anyhow::Result<ExitCode> {
    let image = files::read(&flags.image)?;
    let report = ImageReport::read(&image).with_context(|| flags.image.display().to_string())?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(format_report(&report, image.len()).as_bytes())?;
    stdout.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn format_report(report: &ImageReport, file_len_bytes: usize) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name:<15}{value}");
        }
    };
    line("ABI version", report.abi_version.to_string());
    line("boots through", report.boot_protocols.join(", "));
    line("entry", format!("{:#x}", report.entry));
    line("file", format_size(file_len_bytes as u64));
    line("least RAM", format_floor(&report.memory_floor));
    line("arguments", join(&report.arguments));
    line("environment", join(&report.environment));
    line("stack", report.stack_size_bytes.map_or_else(String::new, format_size));
    line("kernel options", report.kernel_options.join(" "));
    line("baked folders", join(&report.baked_folders));
    text.push_str("\nsections\n");
    for section in report.sections.iter().filter(|section| section.size_bytes > 0) {
        let address = if section.permissions.is_empty() {
            String::new()
        } else {
            format!("{:#x}", section.address)
        };
        let (size, permissions, name) = (section.size_bytes, section.permissions, &section.name);
        let _ = writeln!(text, "  {address:>18} {size:>10} {permissions:>3}  {name}");
    }
    text.push_str("\nloaded bytes by owner\n");
    for content in &report.contents {
        let (size, section, owner) = (content.size_bytes, &content.section, &content.owner);
        let _ = writeln!(text, "  {size:>10}  {section:<12}  {owner}");
    }
    text.push_str("\nimports\n");
    for import in &report.imports {
        let _ = writeln!(text, "  {import}");
    }
    text
}

fn format_floor(floor: &MemoryFloor) -> String {
    let parts = [
        ("image", floor.image_bytes),
        ("stack", floor.stack_bytes),
        ("linear memory", floor.linear_memory_bytes),
        ("kernel", floor.kernel_bytes),
    ];
    let parts = parts.map(|(name, size_bytes)| format!("{name} {}", format_size(size_bytes)));
    format!("{}: {}", format_size(floor.machine_bytes()), parts.join(", "))
}

/// Joins byte strings with spaces, quoting those that need it.
fn join(strings: &[Vec<u8>]) -> String {
    let quote = |string: &Vec<u8>| {
        let escaped = string.escape_ascii().to_string();
        if escaped.is_empty() || escaped.contains(' ') {
            format!("\"{escaped}\"")
        } else {
            escaped
        }
    };
    strings.iter().map(quote).collect::<Vec<_>>().join(" ")
}
