//! What a verb prints on stdout: lines, aligned tables, JSON. Each says so when stdout is closed.

use std::io::{self, Write};
use std::path::Path;

pub use lcz::display::Table;
use lcz::display::printable;
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

/// A value as indented JSON, for machines.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}
