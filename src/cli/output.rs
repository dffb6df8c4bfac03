//! Output of a verb on stdout: lines, aligned tables, JSON. Each returns an error when stdout is closed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use lcz::display::Table;
use lcz::display::{fixed, printable};
use serde::Serialize;

/// Lines, each as a terminal may show it.
///
/// # Errors
/// A stdout that is closed or cannot be written.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    let lines: Vec<_> = text.as_ref().split('\n').map(|line| printable(line, usize::MAX)).collect();
    let written = writeln!(io::stdout(), "{}", lines.join("\n"));
    Ok(written.map_err(lcz::Error::io(Path::new("standard output")))?)
}

/// Names what was written, if anything.
pub fn wrote<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> anyhow::Result<()> {
    let names: Vec<String> = paths.map(|path| path.display().to_string()).collect();
    if names.is_empty() { Ok(()) } else { line(format!("\nwrote {}", names.join(", "))) }
}

/// Names the folder of figures, if any were drawn.
pub fn figures_in(folder: Option<&PathBuf>) -> anyhow::Result<()> {
    folder.map_or(Ok(()), |folder| line(format!("\nfigures in {}", folder.display())))
}

/// A number with N decimals; one that is not defined is a dash.
pub fn number(value: impl Into<Option<f64>>, decimals: usize) -> String {
    let value = value.into().filter(|value| value.is_finite());
    value.map_or_else(|| "-".to_owned(), |value| fixed(value, decimals))
}

/// An object with the version that wrote it.
#[derive(Serialize)]
struct Versioned<'a, T> {
    lcz_version: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

/// A value as indented JSON, for machines.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(&Versioned { lcz_version: env!("CARGO_PKG_VERSION"), value })?)
}

/// A list under a name as indented JSON.
pub fn json_list(name: &str, values: &[impl Serialize]) -> anyhow::Result<()> {
    json(&BTreeMap::from([(name, values)]))
}
