//! What a verb prints on stdout: lines, aligned tables, JSON. Each says so when stdout is closed.

use std::io::{self, Write};

pub use lcz::display::Table;
use serde::Serialize;

/// A line.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{}", text.as_ref())?)
}

/// A value as indented JSON, for machines.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?)
}
