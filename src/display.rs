//! Tables as text and as HTML, and how a value shows itself below a notebook cell.
//!
//! A notebook kernel (evcxr) calls `evcxr_display` on the value that a cell ends with, and reads what to
//! show from stdout, between two marks. It keeps the last content of each kind: one figure a cell.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use base64::Engine as _;

/// A share in per cent, with one decimal; what is there but would be none of them is `<0.1 %`.
///
/// ```
/// use lcz::display::percent;
/// assert_eq!([percent(0.1234), percent(0.0), percent(0.0004)], ["12.3 %", "0.0 %", "<0.1 %"]);
/// ```
pub fn percent(share: f64) -> String {
    let text = format!("{:.1} %", 100.0 * share);
    if share > 0.0 && text == "0.0 %" { "<0.1 %".to_owned() } else { text }
}

/// Rows under a header; columns of numbers are aligned right, others left.
///
/// ```
/// use lcz::display::Table;
/// let mut table = Table::new(["zone", "patches"]);
/// table.row(["A dense trees", "1200"]);
/// assert_eq!(table.to_string(), "zone           patches\nA dense trees     1200\n");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    caption: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column names (empty ones where the column needs none).
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { caption: String::new(), rows: vec![header.into_iter().map(Into::into).collect()] }
    }

    /// The same table, with a line above it.
    #[must_use]
    pub fn captioned(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Adds a row, a cell a column.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The same table, but only the rows whose first cell begins so.
    #[must_use]
    pub fn beginning(mut self, with: &str) -> Self {
        let mut first = true;
        self.rows.retain(|row| {
            std::mem::take(&mut first) || row.first().is_some_and(|cell| cell.starts_with(with))
        });
        self
    }

    /// Prints it on stdout, and nothing if it has no row.
    ///
    /// # Errors
    /// A stdout that is closed.
    pub fn print(&self) -> io::Result<()> {
        if self.rows.len() > 1 { write!(io::stdout(), "{self}") } else { Ok(()) }
    }

    /// Shows it below a notebook cell.
    pub fn evcxr_display(&self) {
        show(&[("text/html", &self.html()), ("text/plain", &self.to_string())]);
    }

    /// The columns, each with whether it holds numbers.
    fn columns(&self) -> impl Iterator<Item = (Vec<&str>, bool)> {
        (0..self.rows[0].len()).map(|c| {
            let cells: Vec<&str> =
                self.rows.iter().map(|row| row.get(c).map_or("", String::as_str)).collect();
            let numbers = cells[1..].iter().all(|cell| cell.is_empty() || is_number(cell));
            (cells, numbers)
        })
    }

    /// One `<table>`, as code hosts and notebooks render it.
    fn html(&self) -> String {
        let columns: Vec<_> = self.columns().collect();
        let mut html = "<table>".to_owned();
        if !self.caption.is_empty() {
            let _ = write!(html, "<caption style=\"text-align:left\">{}</caption>", escaped(&self.caption));
        }
        for row in 0..self.rows.len() {
            html.push_str("<tr>");
            for (cells, numbers) in &columns {
                let (tag, side) =
                    (if row == 0 { "th" } else { "td" }, if *numbers { "right" } else { "left" });
                let cell = escaped(cells[row]);
                let _ = write!(html, "<{tag} style=\"text-align:{side}\">{cell}</{tag}>");
            }
            html.push_str("</tr>");
        }
        html + "</table>"
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.caption.is_empty() {
            writeln!(f, "{}", self.caption)?;
        }
        let mut lines = vec![Vec::new(); self.rows.len()];
        for (cells, numbers) in self.columns() {
            let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or_default();
            for (line, cell) in lines.iter_mut().zip(cells) {
                line.push(if numbers { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
            }
        }
        lines.iter().try_for_each(|cells| writeln!(f, "{}", cells.join("  ").trim_end()))
    }
}

/// `12`, `1,200`, `-0.5`, `12.5 %`, `NaN`, `-`
fn is_number(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches(" %").replace(',', "").parse::<f64>().is_ok()
}

/// A whole number with its thousands apart: `352,366`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text as HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Shows a PNG below a notebook cell.
pub(crate) fn show_png(png: &[u8]) {
    show(&[("image/png", &base64::engine::general_purpose::STANDARD.encode(png))]);
}

/// Shows content of several kinds, of which the notebook takes the best, below a cell.
pub(crate) fn show(contents: &[(&str, &str)]) {
    let mut out = io::stdout().lock();
    for (kind, content) in contents {
        // A notebook that closed its pipe has nobody to tell.
        let _ = writeln!(out, "EVCXR_BEGIN_CONTENT {kind}\n{}\nEVCXR_END_CONTENT", content.trim_end());
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["class", "patches", "share"]);
        table.row(["A dense trees", "1,200", "92.3 %"]);
        table.row(["G <water>", "100", "7.7 %"]);
        table
    }

    #[test]
    fn numbers_are_aligned_right_and_words_left() {
        let wanted = "class          patches   share\n\
                      A dense trees    1,200  92.3 %\n\
                      G <water>          100   7.7 %\n";
        assert_eq!(table().to_string(), wanted);
        assert_eq!(table().captioned("Made up").to_string(), format!("Made up\n{wanted}"));
    }

    #[test]
    fn rows_are_chosen_by_their_beginning_and_the_header_stays() {
        assert_eq!(table().beginning("A ").to_string().lines().count(), 2);
        assert_eq!(table().beginning("x").to_string(), "class  patches  share\n");
    }

    #[test]
    fn html_holds_every_cell_and_no_mark_of_its_own_making() {
        let html = table().captioned("a & b").html();
        let document = roxmltree::Document::parse(&html).unwrap();
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for cell in ["a & b", "class", "A dense trees", "1,200", "G <water>", "7.7 %"] {
            assert!(texts.contains(&cell), "no '{cell}' in {html}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1_000, 352_366, 1_234_567].map(grouped),
            ["0", "999", "1,000", "352,366", "1,234,567"]
        );
    }
}
