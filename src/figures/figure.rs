//! A finished figure, and what is written under it.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;

use crate::files::Partial;
use crate::{Error, Result};

/// A figure's title, and the line that says which data it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// What the figure shows: `Sen2LCZ on the test set`.
    pub title: String,
    /// Where the numbers come from: `synthetic (seed 1), n = 1,000`.
    pub data: String,
}

impl Caption {
    /// A title and the provenance of the data.
    pub fn new(title: impl Into<String>, data: impl Into<String>) -> Self {
        Self { title: title.into(), data: data.into() }
    }
}

/// A finished figure: an SVG, the same as a PNG, and a CSV of exactly the numbers drawn.
#[derive(Clone, PartialEq, Eq)]
pub struct Figure {
    pub(super) svg: String,
    pub(super) png: Vec<u8>,
    pub(super) csv: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Figure {
    /// The SVG document; its size is in points.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The PNG file's bytes, 300 pixels an inch.
    pub fn png(&self) -> &[u8] {
        &self.png
    }

    /// The numbers drawn, below comment lines (`# …`) with the title and the data's provenance.
    pub fn csv(&self) -> &str {
        &self.csv
    }

    /// Width of the PNG in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height of the PNG in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Writes `stem.svg`, `stem.png` and `stem.csv` into a folder, which is made where it is missing.
    ///
    /// All three are written under temporary names first and renamed once they are complete.
    ///
    /// # Errors
    /// A stem that is not a plain file name; a folder or file that cannot be written.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<()> {
        if stem.is_empty() || stem.starts_with('.') || stem.contains(['/', '\\', '\0']) {
            let problem = "not a plain file name";
            return Err(Error::input(format!("figure '{stem}'"), problem, "use letters, digits, - and _"));
        }
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mut partials = Vec::with_capacity(3);
        for (extension, bytes) in
            [("svg", self.svg.as_bytes()), ("png", self.png.as_slice()), ("csv", self.csv.as_bytes())]
        {
            let path = folder.join(format!("{stem}.{extension}"));
            let partial = Partial::file(&path)?;
            fs::write(partial.path(), bytes).map_err(Error::io(&path))?;
            partials.push(partial);
        }
        partials.into_iter().try_for_each(Partial::replace)
    }

    /// Shows the PNG below a notebook cell (evcxr calls this for a cell's value).
    pub fn evcxr_display(&self) {
        let png = base64::engine::general_purpose::STANDARD.encode(&self.png);
        let mut out = std::io::stdout().lock();
        // A notebook that closed its pipe has nobody to tell.
        let _ = writeln!(out, "EVCXR_BEGIN_CONTENT image/png\n{png}\nEVCXR_END_CONTENT");
        let _ = out.flush();
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure({} × {} pixels)", self.width, self.height)
    }
}
