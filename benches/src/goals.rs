//! What is asked of the figures: `benches/goals.toml`, with whose state `docs/performance.md` begins.
//!
//! A [`Goal`] is about one column of a saved [`Table`], and of the rows with its label, if it has one; of several, the worst
//! counts. Read first: [`summary`], [`check`]. Limits: the tables may come from different machines and commits; each says which.

use crate::results::{self, Table};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fmt::Write;

/// Something asked of a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Goal {
    what: String,
    table: String,
    row: Option<String>,
    column: String,
    /// What must be reached.
    required: f64,
    /// What is aimed at beyond that.
    aim: Option<f64>,
    #[serde(default)]
    more_is_better: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Goals {
    goal: Vec<Goal>,
}

impl Goal {
    /// Returns the worst figure that counts.
    ///
    /// # Errors
    /// Returns an error if the table has none.
    fn figure(&self, table: &Table) -> Result<f64> {
        let missing = || format!("the table {} has no figure for the goal `{}`", self.table, self.what);
        let column = table.column(&self.column).with_context(missing)?;
        let counts = |label: &str| self.row.as_ref().is_none_or(|row| row == label);
        let rows = table.rows.iter().filter(|row| counts(&row.label));
        let figures = rows.filter_map(|row| row.values[column]);
        let worst = figures.reduce(if self.more_is_better { f64::min } else { f64::max });
        worst.with_context(missing)
    }

    fn reaches(&self, figure: f64, limit: f64) -> bool {
        if self.more_is_better {
            figure >= limit
        } else {
            figure <= limit
        }
    }

    fn limit(&self, limit: f64) -> String {
        let sign = if self.more_is_better { '≥' } else { '≤' };
        format!("{sign} {}", number(limit))
    }

    /// Writes the goal's line of the summary.
    fn line(&self, table: Option<&Table>) -> Result<String> {
        let figure = table.map(|table| self.figure(table)).transpose()?;
        let state = match figure {
            None => "",
            Some(figure) if !self.reaches(figure, self.required) => "**missed**",
            Some(figure) if self.aim.is_none_or(|aim| self.reaches(figure, aim)) => "reached",
            Some(_) => "required reached, aim not",
        };
        Ok(format!(
            "| {} | {} | {} | {} | {state} |",
            self.what,
            figure.map_or("not measured".to_owned(), number),
            self.limit(self.required),
            self.aim.map(|aim| self.limit(aim)).unwrap_or_default(),
        ))
    }
}

/// Writes ratios with two digits behind the point, and counts with none.
fn number(value: f64) -> String {
    let decimals = if value < 1000.0 { 2 } else { 0 };
    format!("{value:.decimals$}")
}

fn goals() -> Vec<Goal> {
    let goals: Goals = toml::from_str(include_str!("../goals.toml")).expect("a test reads the goals, too");
    goals.goal
}

/// Returns the state of all goals as a table in Markdown.
///
/// # Errors
/// Returns an error if a saved table cannot be read or lacks the figure of a goal.
pub fn summary() -> Result<String> {
    let mut text = "| what | measured | required | aim | state |\n|---|--:|--:|--:|---|\n".to_owned();
    for goal in goals() {
        let path = results::path(&goal.table);
        let table = path.exists().then(|| Table::read(&path)).transpose()?;
        writeln!(text, "{}", goal.line(table.as_ref())?)?;
    }
    Ok(text)
}

/// Fails if a table misses what is required of it.
///
/// # Errors
/// Returns an error that tells all that is missed, or that a figure is not there.
pub fn check(table: &Table) -> Result<()> {
    let mut missed = Vec::new();
    for goal in goals().iter().filter(|goal| goal.table == table.name) {
        let figure = goal.figure(table)?;
        if !goal.reaches(figure, goal.required) {
            missed.push(format!(
                "{} is {}, not {}",
                goal.what,
                number(figure),
                goal.limit(goal.required)
            ));
        }
    }
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Column;

    fn goal(row: Option<&str>, aim: Option<f64>, more_is_better: bool) -> Goal {
        Goal {
            what: "speed".to_owned(),
            table: "example".to_owned(),
            row: row.map(str::to_owned),
            column: "/ peer".to_owned(),
            required: 1.0,
            aim,
            more_is_better,
        }
    }

    fn table() -> Table {
        let mut table = Table::new("example", "Example", "program", [Column::new("/ peer", "", 2)]);
        for (label, value) in [
            ("slow", Some(1.25)),
            ("fast", Some(0.5)),
            ("fast", Some(0.75)),
            ("absent", None),
        ] {
            table.push(label, [value]);
        }
        table
    }

    #[test]
    fn the_worst_of_the_rows_counts() {
        for (row, more_is_better, worst) in [
            (None, false, 1.25),
            (None, true, 0.5),
            (Some("fast"), false, 0.75),
            (Some("fast"), true, 0.5),
        ] {
            let figure = goal(row, None, more_is_better).figure(&table());
            assert_eq!(figure.expect("a figure"), worst);
        }
    }

    #[test]
    fn a_goal_of_which_nothing_is_measured_is_an_error() {
        assert!(goal(Some("absent"), None, false).figure(&table()).is_err());
        assert!(goal(Some("unknown"), None, false).figure(&table()).is_err());
    }

    #[test]
    fn the_summary_says_what_is_missed_and_what_is_left() {
        let line = |goal: Goal| goal.line(Some(&table())).expect("a line");
        assert_eq!(
            line(goal(None, None, false)),
            "| speed | 1.25 | ≤ 1.00 |  | **missed** |"
        );
        assert_eq!(
            line(goal(Some("fast"), None, false)),
            "| speed | 0.75 | ≤ 1.00 |  | reached |"
        );
        assert_eq!(
            line(goal(Some("fast"), Some(0.6), false)),
            "| speed | 0.75 | ≤ 1.00 | ≤ 0.60 | required reached, aim not |"
        );
        assert_eq!(
            line(goal(Some("slow"), None, true)),
            "| speed | 1.25 | ≥ 1.00 |  | reached |"
        );
        let unmeasured = goal(None, None, false).line(None).expect("a line");
        assert_eq!(unmeasured, "| speed | not measured | ≤ 1.00 |  |  |");
    }

    #[test]
    fn the_goals_can_be_read() {
        assert!(!goals().is_empty());
    }
}
