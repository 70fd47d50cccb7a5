//! Load on a web server: wrk with one thread, in the guest's namespace.

use crate::client::HTTP_PORT;
use crate::guest::Guest;
use crate::network::{GUEST, run};
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// What is asked, and by how many at once.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Path of the request.
    pub path: &'a str,
    /// Connections at once.
    pub connections: u32,
    /// Each connection is for one request.
    pub is_one_request: bool,
    /// How long.
    pub seconds: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Complete answers.
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// Half of the answers came within this time.
    pub median: Duration,
    /// All but one in a hundred came within this time.
    pub percentile_99: Duration,
    /// Connections that failed, answers that were late or of another status.
    pub errors: u64,
}

impl Load<'_> {
    /// Returns the length of one answer, whose body must be `body`.
    fn answer_len(&self, guest: &Guest, body: &[u8]) -> Result<u64> {
        let mut arguments = vec!["ask", self.path];
        if self.is_one_request {
            arguments.push("--close");
        }
        let output = guest.client(&arguments)?.output()?;
        ensure!(
            output.status.success() && output.stdout.ends_with(body),
            "the answer for {} is wrong",
            self.path
        );
        Ok(output.stdout.len() as u64)
    }

    /// Puts the load on a guest. The bytes that came must be those of the answers, but for what was under way at the end.
    pub fn run(&self, guest: &Guest, body: &[u8]) -> Result<Outcome> {
        let answer_len = self.answer_len(guest, body)?;
        let mut command = guest.namespace.command("wrk");
        command
            .arg("-t1")
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{}s", self.seconds))
            .args(["-s", concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/http/outcome.lua")]);
        if self.is_one_request {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(format!("http://{GUEST}:{HTTP_PORT}{}", self.path));
        let output = run(&mut command)?;
        let line = output.lines().find_map(|line| line.strip_prefix("outcome "));
        let numbers: Option<Vec<u64>> = line.map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect());
        let Some(&[requests, bytes, duration_us, median_us, percentile_99_us, errors]) = numbers.as_deref() else {
            anyhow::bail!("wrk says something else than expected: {output}");
        };
        let under_way = (u64::from(self.connections) + 1) * answer_len;
        ensure!(
            bytes.abs_diff(requests * answer_len) <= under_way,
            "{requests} answers of {answer_len} bytes are not {bytes} bytes"
        );
        Ok(Outcome {
            requests,
            rate: requests as f64 / Duration::from_micros(duration_us).as_secs_f64(),
            median: Duration::from_micros(median_us),
            percentile_99: Duration::from_micros(percentile_99_us),
            errors,
        })
    }
}

/// Returns the median of values, of which there must be one.
pub fn median(values: impl IntoIterator<Item = f64>) -> Result<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle).context("nothing was measured")?;
    Ok(if values.len().is_multiple_of(2) {
        (values[middle - 1] + upper) / 2.0
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_ones() {
        assert_eq!(median([4.0, 1.0, 3.0]).ok(), Some(3.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]).ok(), Some(2.5));
        assert!(median([]).is_err());
    }
}
