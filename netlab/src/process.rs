//! A program that runs beside a scenario, and the lines that it says.

use anyhow::{Result, bail};
use std::io::{self, BufRead, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Takes over a program that was started, to be called `name`, and reads what it says.
    pub fn new(name: &'static str, child: Child, output: impl Read + Send + 'static) -> Process {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Process { name, child, lines }
    }

    /// Returns its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with `words` in it and returns it.
    ///
    /// # Errors
    /// If the program ends or says nothing of the kind in time.
    pub fn wait_for(&self, words: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let mut said = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return Ok(line),
                Ok(line) => said = said + "\n" + &line,
                Err(error) => bail!("{} does not say `{words}` ({error}), but:{said}", self.name),
            }
        }
    }

    /// Returns the lines so far that contain `words`.
    pub fn said(&self, words: &str) -> Vec<String> {
        self.lines.try_iter().filter(|line| line.contains(words)).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Words the failure to start a program.
pub fn missing(program: &str, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!(
        "cannot start {program}; on Debian: apt-get install qemu-system-x86 iproute2 dnsmasq-base iputils-ping chromium"
    ))
}
