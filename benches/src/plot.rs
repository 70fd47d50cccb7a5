//! Draws a [`Table`] as SVG.
//!
//! Bars lie, so that names of programs can be read however many there are. Colours are of one palette that the colour-blind can
//! tell apart. Limits: a plot whose column the table lacks, or without any value, is an error.

use crate::results::{Column, Plot, Table};
use anyhow::{Context, Result, bail, ensure};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const WIDTH: u32 = 900;
const LINES_HEIGHT: u32 = 420;
const FONT: (&str, i32) = ("sans-serif", 13);
const SMALL_FONT: (&str, i32) = ("sans-serif", 11);
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// Space of bar plots: left of the bars for labels, right of them for values, and above for the legend.
const LABEL_WIDTH: i32 = 240;
const VALUE_WIDTH: i32 = 70;
const LEGEND_HEIGHT: i32 = 30;
const BAR_HEIGHT: i32 = 14;
const GAP_HEIGHT: i32 = 6;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws the plot that a table asks for, if it asks for one, and says whether it did.
///
/// # Errors
/// Returns an error if the plot names a column that is not there, if there is nothing to draw, or if the file cannot be written.
pub fn draw(table: &Table, path: &Path) -> Result<bool> {
    match &table.plot {
        None => return Ok(false),
        Some(Plot::Bars { columns, reference }) => draw_bars(table, columns, *reference, path)?,
        Some(Plot::Lines { x, y, logarithmic }) => draw_lines(table, [x, y], *logarithmic, path)?,
    }
    Ok(true)
}

fn column(table: &Table, name: &str) -> Result<usize> {
    let missing = || format!("the plot of {} names a column `{name}`, which is not there", table.name);
    table.column(name).with_context(missing)
}

fn color(series: usize) -> RGBColor {
    COLORS[series % COLORS.len()]
}

fn draw_bars(table: &Table, names: &[String], reference: Option<f64>, path: &Path) -> Result<()> {
    let columns: Vec<usize> = names.iter().map(|name| column(table, name)).collect::<Result<_>>()?;
    let value_of = |row: usize, column: usize| table.rows[row].values[column].filter(|value| value.is_finite());
    let group = BAR_HEIGHT * i32::try_from(columns.len())? + GAP_HEIGHT;
    let has_values = |&row: &usize| columns.iter().any(|&column| value_of(row, column).is_some());
    let rows: Vec<usize> = (0..table.rows.len()).filter(has_values).collect();
    let bottom = LEGEND_HEIGHT + group * i32::try_from(rows.len())?;
    let all = rows
        .iter()
        .flat_map(|&row| columns.iter().filter_map(move |&column| value_of(row, column)));
    let largest = all.chain(reference).fold(0.0, f64::max);
    ensure!(largest > 0.0, "the plot of {} has nothing to draw", table.name);
    let width = f64::from(i32::try_from(WIDTH)? - LABEL_WIDTH - VALUE_WIDTH);
    let end = |value: f64| LABEL_WIDTH + (value.max(0.0) / largest * width) as i32;

    let area = SVGBackend::new(path, (WIDTH, u32::try_from(bottom + GAP_HEIGHT)?)).into_drawing_area();
    area.fill(&WHITE)?;
    draw_legend(&area, columns.iter().map(|&column| table.columns[column].heading()))?;
    for (index, &row) in rows.iter().enumerate() {
        let top = LEGEND_HEIGHT + group * i32::try_from(index)?;
        let middle = top + (group - GAP_HEIGHT) / 2;
        text(
            &area,
            &table.rows[row].label,
            (LABEL_WIDTH - 8, middle),
            HPos::Right,
            FONT,
        )?;
        for (series, &column) in columns.iter().enumerate() {
            let Some(value) = value_of(row, column) else { continue };
            let top = top + BAR_HEIGHT * i32::try_from(series)?;
            let corners = [(LABEL_WIDTH, top), (end(value), top + BAR_HEIGHT - 2)];
            area.draw(&Rectangle::new(corners, color(series).filled()))?;
            let label = format!("{value:.*}", table.columns[column].decimals);
            text(
                &area,
                &label,
                (end(value) + 4, top + BAR_HEIGHT / 2 - 1),
                HPos::Left,
                SMALL_FONT,
            )?;
        }
    }
    if let Some(reference) = reference {
        let line = [(end(reference), LEGEND_HEIGHT - 4), (end(reference), bottom)];
        area.draw(&PathElement::new(line, BLACK.stroke_width(1)))?;
    }
    Ok(area.present()?)
}

fn draw_legend(area: &Area<'_>, names: impl Iterator<Item = String>) -> Result<()> {
    let mut left = LABEL_WIDTH;
    for (series, name) in names.enumerate() {
        area.draw(&Rectangle::new([(left, 8), (left + 12, 20)], color(series).filled()))?;
        text(area, &name, (left + 18, 14), HPos::Left, FONT)?;
        left += 40 + 8 * i32::try_from(name.chars().count())?;
    }
    Ok(())
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), side: HPos, font: (&str, i32)) -> Result<()> {
    let style = TextStyle::from(font.into_font()).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text, at, style))?)
}

/// Points of one label.
struct Series<'a> {
    label: &'a str,
    points: Vec<(f64, f64)>,
}

fn draw_lines(table: &Table, axes: [&String; 2], logarithmic: bool, path: &Path) -> Result<()> {
    let [x, y] = [column(table, axes[0])?, column(table, axes[1])?];
    let mut series: Vec<Series<'_>> = Vec::new();
    for row in &table.rows {
        let (Some(x), Some(y)) = (row.values[x], row.values[y]) else {
            continue;
        };
        if !x.is_finite() || !y.is_finite() || (logarithmic && (x <= 0.0 || y <= 0.0)) {
            bail!("the plot of {} cannot show {x}, {y}", table.name);
        }
        match series.iter_mut().find(|series| series.label == row.label) {
            Some(series) => series.points.push((x, y)),
            None => series.push(Series {
                label: &row.label,
                points: vec![(x, y)],
            }),
        }
    }
    let points = || series.iter().flat_map(|series| series.points.iter().copied());
    ensure!(
        points().next().is_some(),
        "the plot of {} has nothing to draw",
        table.name
    );
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        if logarithmic {
            least / 1.2..most * 1.2
        } else {
            least.min(0.0)..most * 1.05 + f64::EPSILON
        }
    };
    let (horizontal, vertical) = (
        range(&mut points().map(|point| point.0)),
        range(&mut points().map(|point| point.1)),
    );
    let columns = [&table.columns[x], &table.columns[y]];
    let area = SVGBackend::new(path, (WIDTH, LINES_HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    match logarithmic {
        true => draw_chart(&area, horizontal.log_scale(), vertical.log_scale(), columns, &series)?,
        false => draw_chart(&area, horizontal, vertical, columns, &series)?,
    }
    Ok(area.present()?)
}

/// Draws axes, lines and legend.
fn draw_chart<X, Y>(
    area: &Area<'_>,
    horizontal: X,
    vertical: Y,
    columns: [&Column; 2],
    series: &[Series<'_>],
) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(horizontal, vertical)?;
    let label = |value: &f64| format!("{}", (value * 1e3).round() / 1e3);
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(columns[0].heading())
        .y_desc(columns[1].heading())
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    for (index, Series { label, points }) in series.iter().enumerate() {
        let color = color(index);
        chart
            .draw_series(std::iter::once(PathElement::new(points.clone(), color.stroke_width(2))))?
            .label(*label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn table(plot: Plot) -> Table {
        let columns = [Column::new("size", "B", 0), Column::new("time", "ms", 1)];
        let mut table = Table::new("example", "Example", "program", columns);
        table.push("first & best", [Some(1.0), Some(2.5)]);
        table.push("first & best", [Some(100.0), Some(40.0)]);
        table.push("last", [Some(10.0), None]);
        table.plot = Some(plot);
        table
    }

    fn drawn(plot: Plot) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("plot.svg");
        assert!(draw(&table(plot), &path)?);
        Ok(fs::read_to_string(path)?)
    }

    fn bars(column: &str) -> Plot {
        Plot::Bars {
            columns: vec![column.to_owned()],
            reference: Some(1.0),
        }
    }

    #[test]
    fn bars_show_every_value_with_its_label() {
        let svg = drawn(bars("time")).expect("a plot");
        for text in ["first &amp; best", "2.5", "40.0", "time, ms"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(!svg.contains("last"), "a row without a value is in {svg}");
    }

    #[test]
    fn lines_join_the_points_of_one_label() {
        for logarithmic in [false, true] {
            let plot = Plot::Lines {
                x: "size".to_owned(),
                y: "time".to_owned(),
                logarithmic,
            };
            let svg = drawn(plot).expect("a plot");
            assert_eq!(svg.matches("<circle").count(), 2);
            assert!(svg.contains("first &amp; best") && svg.contains("size, B"));
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_an_error() {
        let error = drawn(bars("speed")).expect_err("no such column");
        assert!(error.to_string().contains("`speed`"), "{error}");
    }
}
