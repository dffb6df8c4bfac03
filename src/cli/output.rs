//! What a verb prints on stdout: lines, aligned tables, JSON. Each says so when stdout is closed.

use std::io::{self, Write};

use serde::Serialize;

/// A line.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{}", text.as_ref())?)
}

/// A value as indented JSON, for machines.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}

/// Rows under a header; columns of numbers are aligned right, others left.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names (empty ones where the column needs none).
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    /// Adds a row, a cell a column.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Prints it, and nothing if it has no row.
    pub fn print(&self) -> anyhow::Result<()> {
        self.lines().iter().try_for_each(line)
    }

    fn lines(&self) -> Vec<String> {
        let (header, rows) = self.rows.split_first().expect("a table has a header");
        if rows.is_empty() {
            return Vec::new();
        }
        let column = |c: usize| move |row: &Vec<String>| row.get(c).cloned().unwrap_or_default();
        let mut lines = vec![Vec::new(); self.rows.len()];
        for c in 0..header.len() {
            let cells: Vec<String> = self.rows.iter().map(column(c)).collect();
            let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or_default();
            let numbers = cells[1..].iter().all(|cell| cell.is_empty() || is_number(cell));
            for (line, cell) in lines.iter_mut().zip(cells) {
                let cell = if numbers { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push(cell);
            }
        }
        lines.iter().map(|cells| cells.join("  ").trim_end().to_owned()).collect()
    }
}

/// `12`, `-0.5`, `12.5 %`, `NaN`, `-`
fn is_number(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches(" %").parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_right_and_words_left() {
        let mut table = Table::new(["class", "patches", "share"]);
        table.row(["A dense trees", "1200", "92.3 %"]);
        table.row(["G water", "100", "7.7 %"]);
        let wanted = [
            "class          patches   share",
            "A dense trees     1200  92.3 %",
            "G water            100   7.7 %",
        ];
        assert_eq!(table.lines(), wanted);
        assert!(Table::new(["a", "b"]).lines().is_empty());
    }
}
