//! The one form of every benchmark's results: a [`Table`], printed to the terminal and saved as `target/benches/NAME.json`, from
//! which `report` makes `docs/performance.md` and its plots.
//!
//! A figure names its machine, commit and command, so these belong to the table and are filled in by [`Table::new`]. A benchmark in
//! Rust makes a table, gives it rows, and calls [`Table::publish`]. One in another language writes the same JSON; `machine` and
//! `commit` may be left out there, and `plot` may be `null`:
//!
//! ```json
//! { "name": "example", "title": "Requests a second", "command": "benches/example",
//!   "label": "server", "columns": [ { "name": "connections", "unit": "", "decimals": 0 }, { "name": "rate", "unit": "1/s", "decimals": 0 } ],
//!   "rows": [ { "label": "nginx", "values": [ 1, 2800 ] }, { "label": "file_server", "values": [ 1, 11000 ] } ],
//!   "notes": [ "…" ], "plot": { "kind": "lines", "x": "connections", "y": "rate", "logarithmic": true } }
//! ```
//!
//! A cell that was not measured is `None` (`null`). Read first: [`Table`], [`Plot`]. Limits: values are numbers.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The results of one benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// File name of the table, such as `compute`.
    pub name: String,
    /// Heading, such as `Run time of compiled code`.
    pub title: String,
    /// The command that makes the table, as typed in the root of the project.
    pub command: String,
    /// Processor, number of its CPUs that this process may use, and operating system.
    #[serde(default = "machine")]
    pub machine: String,
    /// What was measured, as `git describe` names it.
    #[serde(default = "commit")]
    pub commit: String,
    /// Heading of the rows' labels, such as `program`.
    pub label: String,
    /// What the rows' values are.
    pub columns: Vec<Column>,
    /// One row for each thing measured.
    pub rows: Vec<Row>,
    /// What a reader must know to understand the figures, one sentence or more each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How to draw the table, if a drawing says more.
    pub plot: Option<Plot>,
}

/// A column of values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is, such as `/ Wasmtime`.
    pub name: String,
    /// Unit, such as `ms`; empty for ratios and counts.
    pub unit: String,
    /// Digits after the point.
    pub decimals: usize,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub label: String,
    /// A value for each column, or nothing where there is none.
    pub values: Vec<Option<f64>>,
}

/// How a table is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Plot {
    /// Horizontal bars, a group for each row.
    Bars {
        /// The columns to draw, which share a unit.
        columns: Vec<String>,
        /// A value to mark by a line, such as 1 for ratios.
        reference: Option<f64>,
    },
    /// Lines, one through all rows of the same label.
    Lines {
        /// The column from left to right.
        x: String,
        /// The column from bottom to top.
        y: String,
        /// Whether equal distances are equal factors, in both directions.
        logarithmic: bool,
    },
}

impl Column {
    /// Describes a column.
    pub fn new(name: impl Into<String>, unit: impl Into<String>, decimals: usize) -> Column {
        Column {
            name: name.into(),
            unit: unit.into(),
            decimals,
        }
    }

    /// Returns the name with its unit.
    pub fn heading(&self) -> String {
        match self.unit.as_str() {
            "" => self.name.clone(),
            unit => format!("{}, {unit}", self.name),
        }
    }
}

impl Table {
    /// Makes a table without rows, of the running benchmark program, this machine and this commit.
    pub fn new(name: &str, title: &str, label: &str, columns: impl IntoIterator<Item = Column>) -> Table {
        Table {
            name: name.to_owned(),
            title: title.to_owned(),
            command: command(),
            machine: machine(),
            commit: commit(),
            label: label.to_owned(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            notes: Vec::new(),
            plot: None,
        }
    }

    /// Adds a row, with a value for each column.
    pub fn push(&mut self, label: impl Into<String>, values: impl IntoIterator<Item = Option<f64>>) {
        self.rows.push(Row {
            label: label.into(),
            values: values.into_iter().collect(),
        });
    }

    /// Adds a row of geometric means of what was measured in the columns of ratios, which have a `/` in their names.
    pub fn push_geometric_means(&mut self) {
        let mean = |(index, column): (usize, &Column)| {
            let measured = self.rows.iter().filter_map(|row| row.values[index]);
            let logarithms: Vec<f64> = measured.filter(|_| column.name.contains('/')).map(f64::ln).collect();
            let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
            (!logarithms.is_empty()).then(|| mean.exp())
        };
        let means: Vec<_> = self.columns.iter().enumerate().map(mean).collect();
        self.push("geometric mean", means);
    }

    /// Returns the index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Prints the table to standard output and saves it for the report. (A part of what the benchmark measures is only printed.)
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn publish(&self) -> io::Result<()> {
        print!("{self}");
        let path = path(&self.name);
        fs::create_dir_all(path.parent().expect("the file lies in a folder"))?;
        fs::write(path, serde_json::to_string_pretty(self)?)
    }

    /// Reads a table that was saved.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is no table.
    pub fn read(path: &Path) -> io::Result<Table> {
        let table: Table = serde_json::from_str(&fs::read_to_string(path)?)?;
        let width = table.columns.len();
        match table.rows.iter().find(|row| row.values.len() != width) {
            Some(row) => Err(io::Error::other(format!(
                "the row {} has not {width} values",
                row.label
            ))),
            None => Ok(table),
        }
    }
}

/// The table in Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![vec![self.label.clone()]];
        lines[0].extend(self.columns.iter().map(Column::heading));
        for row in &self.rows {
            let cells = row.values.iter().zip(&self.columns).map(|(value, column)| match value {
                Some(value) => format!("{value:.*}", column.decimals),
                None => String::new(),
            });
            lines.push(std::iter::once(row.label.clone()).chain(cells).collect());
        }
        let width = |index: usize| lines.iter().map(|line| line[index].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.columns.len()).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            for (index, (cell, width)) in line.iter().zip(&widths).enumerate() {
                match index {
                    0 => write!(f, "| {cell:<width$} |")?,
                    _ => write!(f, " {cell:>width$} |")?,
                }
            }
            writeln!(f)?;
            if number == 0 {
                write!(f, "|{}|", "-".repeat(widths[0] + 2))?;
                for width in &widths[1..] {
                    write!(f, "{}:|", "-".repeat(width + 1))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// Returns the folder of the project.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the file of a saved table.
pub fn path(table: &str) -> PathBuf {
    root().join("target/benches").join(table).with_extension("json")
}

/// Returns the command that runs this program with its arguments.
fn command() -> String {
    let name = std::env::current_exe().ok().and_then(|path| {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        Some(name)
    });
    let mut command = format!("cargo run --release -p benches --bin {}", name.unwrap_or_default());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        command += &format!(" -- {}", arguments.join(" "));
    }
    command
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {model}, {} {}", std::env::consts::OS, kernel.trim())
}

fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(root())
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = [Column::new("time", "ms", 1), Column::new("/ peer", "", 2)];
        let mut table = Table::new("example", "Example", "program", columns);
        table.push("short", [Some(1.25), None]);
        table.push("a longer one", [Some(10.0), Some(0.5)]);
        table
    }

    #[test]
    fn a_table_is_printed_with_columns_in_line_and_empty_cells_for_what_is_not_measured() {
        let expected = "\
| program      | time, ms | / peer |
|--------------|---------:|-------:|
| short        |      1.2 |        |
| a longer one |     10.0 |   0.50 |
";
        assert_eq!(table().to_string(), expected);
    }

    #[test]
    fn ratios_have_means_of_what_was_measured() {
        let mut table = table();
        table.push("twice", [Some(3.0), Some(2.0)]);
        table.push_geometric_means();
        let [.., means] = &table.rows[..] else { panic!("no row") };
        assert_eq!(means.values, [None, Some(1.0)]);
    }

    #[test]
    fn a_saved_table_is_read_back_and_a_row_of_wrong_length_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("example.json");
        let mut table = table();
        table.plot = Some(Plot::Bars {
            columns: vec!["/ peer".to_owned()],
            reference: Some(1.0),
        });
        fs::write(&path, serde_json::to_string(&table).expect("a table is JSON")).expect("written");
        assert_eq!(Table::read(&path).expect("a table"), table);
        table.rows[0].values.pop();
        fs::write(&path, serde_json::to_string(&table).expect("a table is JSON")).expect("written");
        assert!(Table::read(&path).is_err());
    }

    #[test]
    fn a_table_from_another_language_may_leave_out_machine_and_commit() {
        let text = r#"{ "name": "n", "title": "t", "command": "c", "label": "l", "columns": [], "rows": [],
            "plot": { "kind": "lines", "x": "a", "y": "b", "logarithmic": true } }"#;
        let table: Table = serde_json::from_str(text).expect("a table");
        assert_eq!(table.machine, machine());
        assert_eq!(table.commit, commit());
    }
}
