//! Tables in every format that `lcz` writes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::files::write_whole;
use crate::{Error, Result};

/// Metres to the centimetre: `10 m`, `6.72 m`.
///
/// ```
/// assert_eq!(lcz::display::metres(6.720_84), "6.72 m");
/// assert_eq!(lcz::display::metres(10.0), "10 m");
/// ```
pub fn metres(metres: f64) -> String {
    format!("{} m", (metres * 100.0).round() / 100.0)
}

/// A share in per cent, with one decimal; a share above 0 that rounds to 0 is `<0.1 %`.
///
/// ```
/// use lcz::display::percent;
/// assert_eq!([percent(0.1234), percent(0.0), percent(0.0004)], ["12.3 %", "0.0 %", "<0.1 %"]);
/// ```
pub fn percent(share: f64) -> String {
    let text = format!("{:.1} %", 100.0 * share);
    if share > 0.0 && text == "0.0 %" { "<0.1 %".to_owned() } else { text }
}

/// A number with this many decimals; one that rounds to zero has no sign.
///
/// ```
/// use lcz::display::fixed;
/// assert_eq!([fixed(-0.0004, 3), fixed(-0.0006, 3)], ["0.000", "-0.001"]);
/// ```
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|b| matches!(b, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    }
}

/// A duration: `8 s`, `2 min 5 s` or `3 h 20 min`.
///
/// ```
/// use std::time::Duration;
/// use lcz::display::duration;
/// let texts = [0, 125, 12_345].map(|seconds| duration(Duration::from_secs(seconds)));
/// assert_eq!(texts, ["0 s", "2 min 5 s", "3 h 25 min"]);
/// ```
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// One cell of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    bold: bool,
}

impl Cell {
    /// The same cell in bold type, where a format has it.
    #[must_use]
    pub fn bold(mut self, bold: bool) -> Self {
        self.bold = bold;
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), bold: false }
    }
}

impl From<Option<f64>> for Cell {
    /// With all its digits; empty where there is none.
    fn from(value: Option<f64>) -> Self {
        value.map_or_else(Self::default, Self::from)
    }
}

macro_rules! cell_from {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Cell {
            fn from(value: $kind) -> Self {
                Self { text: value.to_string(), bold: false }
            }
        }
    )*};
}
cell_from!(String, &String, f64, f32, u64, usize, u8);

/// Cells of several types, as a row of a [`Table`].
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { [$($crate::display::Cell::from($cell)),*] };
}
pub(crate) use cells;

/// Rows below a header. Columns of numbers are aligned right, others left.
///
/// It is written as aligned text (`to_string`), HTML, Markdown, LaTeX or CSV. Each escapes what has a meaning in
/// it, so that a cell shows the characters that it was given.
///
/// ```
/// use lcz::display::{Cell, Table};
/// let mut table = Table::new(["zone", "patches"]);
/// table.row(["A dense trees", "1200"]);
/// assert_eq!(table.to_string(), "zone           patches\nA dense trees     1200\n");
/// assert_eq!(table.csv(), "zone,patches\nA dense trees,1200\n");
/// table.row(["all".into(), Cell::from(1200_usize).bold(true)]);
/// assert!(table.markdown().ends_with("| all | **1200** |\n"));
/// assert!(table.latex().contains("all & \\textbf{1200} \\\\\n"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    caption: String,
    rows: Vec<Vec<Cell>>,
    /// Rows that a rule precedes in LaTeX.
    ruled: Vec<usize>,
}

impl Table {
    /// A table with these column names (empty ones where the column needs none).
    pub fn new<C: Into<Cell>>(header: impl IntoIterator<Item = C>) -> Self {
        let header = header.into_iter().map(Into::into).collect();
        Self { caption: String::new(), rows: vec![header], ruled: Vec::new() }
    }

    /// The same table with a caption above it; a comment in LaTeX and CSV.
    #[must_use]
    pub fn captioned(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// Adds a row, one cell per column.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Adds a rule (LaTeX only) before the next row.
    pub fn rule(&mut self) {
        self.ruled.push(self.rows.len());
    }

    /// The same table, but only the rows whose first cell begins so.
    #[must_use]
    pub fn beginning(mut self, with: &str) -> Self {
        let mut first = true;
        self.rows.retain(|row| {
            std::mem::take(&mut first) || row.first().is_some_and(|cell| cell.text.starts_with(with))
        });
        self.ruled.clear();
        self
    }

    /// Prints it on stdout, and nothing if it has no row.
    ///
    /// # Errors
    /// A stdout that is closed or cannot be written.
    pub fn print(&self) -> Result<()> {
        let text = if self.rows.len() > 1 { self.to_string() } else { String::new() };
        io::stdout().write_all(text.as_bytes()).map_err(Error::io(Path::new("standard output")))
    }

    /// Whether each column holds numbers; as many columns as the widest row has.
    fn numeric(&self) -> Vec<bool> {
        let width = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let is_number = |row: &Vec<Cell>, c: usize| row.get(c).is_none_or(|cell| is_number(&cell.text));
        (0..width).map(|c| self.rows[1..].iter().all(|row| is_number(row, c))).collect()
    }

    /// All rows, as wide as the widest, each cell with whether its column holds numbers.
    fn cells(&self) -> impl Iterator<Item = impl Iterator<Item = (&Cell, bool)>> {
        const EMPTY: &Cell = &Cell { text: String::new(), bold: false };
        let numeric = self.numeric();
        self.rows.iter().map(move |row| {
            let numeric = numeric.clone().into_iter().enumerate();
            numeric.map(|(c, numbers)| (row.get(c).unwrap_or(EMPTY), numbers))
        })
    }

    /// One `<table>`, as code hosts and notebooks render it.
    pub fn html(&self) -> String {
        let mut html = "<table>".to_owned();
        if !self.caption.is_empty() {
            let _ = write!(html, "<caption style=\"text-align:left\">{}</caption>", escaped(&self.caption));
        }
        for (row, cells) in self.cells().enumerate() {
            html.push_str("<tr>");
            for (cell, numbers) in cells {
                let (tag, side) =
                    (if row == 0 { "th" } else { "td" }, if numbers { "right" } else { "left" });
                let text = wrapped(cell, escaped(&cell.text), ["<strong>", "</strong>"]);
                let _ = write!(html, "<{tag} style=\"text-align:{side}\">{text}</{tag}>");
            }
            html.push_str("</tr>");
        }
        html + "</table>"
    }

    /// GitHub's Markdown.
    pub fn markdown(&self) -> String {
        let escaped = |text: &str| {
            let mut escaped = String::with_capacity(text.len());
            for letter in one_line(text).chars() {
                if "\\|*_`<&[~$".contains(letter) {
                    escaped.push('\\');
                }
                escaped.push(letter);
            }
            escaped
        };
        let mut markdown = String::new();
        if !self.caption.is_empty() {
            markdown = format!("{}\n\n", escaped(&self.caption));
        }
        for (row, cells) in self.cells().enumerate() {
            markdown.push('|');
            for (cell, _) in cells {
                let _ = write!(markdown, " {} |", wrapped(cell, escaped(&cell.text), ["**", "**"]));
            }
            markdown.push('\n');
            if row == 0 {
                let rule = self.numeric().into_iter().map(|numbers| if numbers { "---:|" } else { "---|" });
                markdown.push('|');
                markdown.extend(rule);
                markdown.push('\n');
            }
        }
        markdown
    }

    /// A LaTeX `tabular` that needs no package.
    pub fn latex(&self) -> String {
        let columns = self.numeric().into_iter().map(|numbers| if numbers { 'r' } else { 'l' });
        let columns: String = columns.collect();
        let mut latex = String::new();
        for line in self.caption.lines() {
            let _ = writeln!(latex, "% {line}");
        }
        let _ = writeln!(latex, "\\begin{{tabular}}{{{columns}}}\n\\hline");
        for (row, cells) in self.cells().enumerate() {
            if row == 1 || self.ruled.contains(&row) {
                latex.push_str("\\hline\n");
            }
            let cells = cells.map(|(cell, _)| wrapped(cell, in_latex(&cell.text), ["\\textbf{", "}"]));
            let _ = writeln!(latex, "{} \\\\", cells.collect::<Vec<_>>().join(" & "));
        }
        latex + "\\hline\n\\end{tabular}\n"
    }

    /// CSV (RFC 4180), the caption as comment lines that begin with `#`.
    pub fn csv(&self) -> String {
        let mut csv = String::new();
        for line in self.caption.lines() {
            let _ = writeln!(csv, "# {line}");
        }
        for cells in self.cells() {
            let fields: Vec<String> = cells.map(|(cell, _)| csv_field(&cell.text)).collect();
            csv.push_str(&fields.join(","));
            csv.push('\n');
        }
        csv
    }

    /// Writes it into a file, in the format of its extension: `md`, `tex`, `csv`, `html`, else text.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("md") => self.markdown(),
            Some("tex") => self.latex(),
            Some("csv") => self.csv(),
            Some("html") => self.html(),
            _ => self.to_string(),
        };
        write_whole(path, text.as_bytes())
    }
}

/// As Markdown, one string.
impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.markdown())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.caption.is_empty() {
            writeln!(f, "{}", self.caption)?;
        }
        let shown = |cell: &Cell| printable(&cell.text, LONGEST_CELL).into_owned();
        let mut widths = vec![0; self.numeric().len()];
        for cells in self.cells() {
            for (width, (cell, _)) in widths.iter_mut().zip(cells) {
                *width = shown(cell).chars().count().max(*width);
            }
        }
        for cells in self.cells() {
            let aligned = cells.zip(&widths).map(|((cell, numbers), &width)| {
                let text = shown(cell);
                if numbers { format!("{text:>width$}") } else { format!("{text:<width$}") }
            });
            writeln!(f, "{}", aligned.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A cell's text, between these marks if it is bold.
fn wrapped(cell: &Cell, text: String, [before, after]: [&str; 2]) -> String {
    if cell.bold && !text.is_empty() { format!("{before}{text}{after}") } else { text }
}

/// ``, `12`, `1,200`, `-0.5`, `12.5 %`, `NaN`, `-`, `0.71 ± 0.02`
fn is_number(cell: &str) -> bool {
    let number = |text: &str| text.trim_end_matches(" %").replace(',', "").parse::<f64>().is_ok();
    matches!(cell, "" | "-" | "–") || cell.split(" ± ").all(number)
}

/// Characters of a cell at most, where a terminal shows it.
const LONGEST_CELL: usize = 1000;

/// A text from a file as a terminal may show it: control characters, which could move the cursor or rename the window, as
/// `\u001b`, and at most `most` characters.
///
/// ```
/// use lcz::display::printable;
/// assert_eq!(printable("a\u{1b}[2Jb", 100), "a\\u001b[2Jb");
/// assert_eq!(printable("0123456789", 6), "01234…");
/// ```
pub fn printable(text: &str, most: usize) -> Cow<'_, str> {
    // Line separators and what turns the direction of writing are none of `is_control`.
    let hidden = |letter: char| {
        letter.is_control() || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.len() <= most && !text.chars().any(hidden) {
        return text.into();
    }
    let mut shown = String::new();
    for letter in text.chars().take(most.saturating_add(1)) {
        if hidden(letter) {
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    if shown.chars().count() > most {
        shown = shown.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
    shown.into()
}

/// A text without line breaks and other characters that XML forbids.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'), " ")
}

/// A text as one field of a CSV.
pub(crate) fn csv_field(text: &str) -> String {
    let text = one_line(text);
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A text in LaTeX.
fn in_latex(text: &str) -> String {
    let mut latex = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '\\' => latex.push_str("\\textbackslash{}"),
            '~' => latex.push_str("\\textasciitilde{}"),
            '^' => latex.push_str("\\textasciicircum{}"),
            '<' => latex.push_str("\\textless{}"),
            '>' => latex.push_str("\\textgreater{}"),
            '|' => latex.push_str("\\textbar{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => latex.extend(['\\', letter]),
            '±' => latex.push_str("$\\pm$"),
            '−' => latex.push_str("$-$"),
            '×' => latex.push_str("$\\times$"),
            '²' => latex.push_str("$^2$"),
            '↑' => latex.push_str("$\\uparrow$"),
            '↓' => latex.push_str("$\\downarrow$"),
            'κ' => latex.push_str("$\\kappa$"),
            '–' => latex.push_str("--"),
            letter => latex.push(letter),
        }
    }
    latex
}

/// A whole number with its thousands apart: `352,366`.
///
/// ```
/// use lcz::display::grouped;
/// assert_eq!([0, 999, 352_366, 1_234_567].map(grouped), ["0", "999", "352,366", "1,234,567"]);
/// ```
pub fn grouped(count: u64) -> String {
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
///
/// ```
/// assert_eq!(lcz::display::escaped("a < b"), "a &lt; b");
/// ```
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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
        assert_eq!(table().captioned("Synthetic").to_string(), format!("Synthetic\n{wanted}"));
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

    /// Rows with every character that has a meaning in one of the formats.
    fn awkward() -> Table {
        let mut table = Table::new(["a|b", "50 % & more", "mean ± sd"]).captioned("data: x\nseed: 1");
        table.row(cells!["bush, \"scrub\"", r"a_b*c\d$", Cell::from("0.70 ± 0.10").bold(true)]);
        table.rule();
        table.row(cells!["<i>\n~^{}#", "`x` [y]", None]);
        table
    }

    #[test]
    fn markdown_shows_the_characters_that_it_was_given() {
        let wanted = "data: x seed: 1\n\n\
                      | a\\|b | 50 % \\& more | mean ± sd |\n|---|---|---:|\n\
                      | bush, \"scrub\" | a\\_b\\*c\\\\d\\$ | **0.70 ± 0.10** |\n\
                      | \\<i> \\~^{}# | \\`x\\` \\[y] |  |\n";
        assert_eq!(awkward().markdown(), wanted);
    }

    #[test]
    fn latex_shows_the_characters_that_it_was_given() {
        let wanted = r#"% data: x
% seed: 1
\begin{tabular}{llr}
\hline
a\textbar{}b & 50 \% \& more & mean $\pm$ sd \\
\hline
bush, "scrub" & a\_b*c\textbackslash{}d\$ & \textbf{0.70 $\pm$ 0.10} \\
\hline
\textless{}i\textgreater{} \textasciitilde{}\textasciicircum{}\{\}\# & `x` [y] &  \\
\hline
\end{tabular}
"#;
        assert_eq!(awkward().latex(), wanted);
    }

    #[test]
    fn csv_quotes_commas_and_quotes_and_has_no_line_break_in_a_field() {
        let wanted = "# data: x\n# seed: 1\na|b,50 % & more,mean ± sd\n\
                      \"bush, \"\"scrub\"\"\",a_b*c\\d$,0.70 ± 0.10\n<i> ~^{}#,`x` [y],\n";
        assert_eq!(awkward().csv(), wanted);
    }

    #[test]
    fn a_file_has_the_format_of_its_extension() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.md", awkward().markdown()),
            ("a.tex", awkward().latex()),
            ("a.csv", awkward().csv()),
            ("a.html", awkward().html()),
            ("a.txt", awkward().to_string()),
        ] {
            awkward().write(&folder.path().join(name)).unwrap();
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text, "{name}");
        }
    }
}
