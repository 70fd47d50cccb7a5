//! What the running process has used: time of all its threads, and memory. Read from `/proc`.
//!
//! Limits: Linux only; a thread that has ended no longer counts, which those of rayon's pool do not do.

use std::fs;
use std::io;
use std::time::Duration;

/// Returns the time that CPUs have spent on the process's threads.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn cpu_time() -> io::Result<Duration> {
    let mut total_ns = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let spent = text.split(' ').next().and_then(|spent| spent.parse::<u64>().ok());
        total_ns += spent.ok_or_else(|| io::Error::other("schedstat starts with no number"))?;
    }
    Ok(Duration::from_nanos(total_ns))
}

/// Lets [`peak_memory_kib`] count from here.
///
/// # Errors
/// If `/proc` cannot be written.
pub fn reset_peak_memory() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// Returns the most memory that the process has had, in KiB.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn peak_memory_kib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = field.and_then(|field| field.trim().trim_end_matches(" kB").parse().ok());
    number.ok_or_else(|| io::Error::other("no VmHWM in /proc/self/status"))
}
