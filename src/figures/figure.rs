//! A finished figure, and its caption.

use std::fmt;
use std::fs;
use std::path::Path;

use super::drawing::{encode_small, halved};
use crate::files::{NewFolders, Partial};
use crate::{Error, Result};

/// A figure's title, and the line that names its data.
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
    pub fn save(&self, folder: impl AsRef<Path>, stem: &str) -> Result<()> {
        let folder = folder.as_ref();
        if stem.is_empty() || stem.starts_with('.') || stem.contains(['/', '\\', '\0']) {
            let problem = "not a plain file name";
            return Err(Error::input(format!("figure '{stem}'"), problem, "use letters, digits, - and _"));
        }
        let _folders = NewFolders::make(folder)?;
        self.written(folder, stem)?.into_iter().try_for_each(Partial::replace)
    }

    /// The three files, complete but for their names, in a folder that is there.
    pub(crate) fn written(&self, folder: &Path, stem: &str) -> Result<Vec<Partial>> {
        let mut partials = Vec::with_capacity(3);
        for (extension, bytes) in
            [("svg", self.svg.as_bytes()), ("png", self.png.as_slice()), ("csv", self.csv.as_bytes())]
        {
            let path = folder.join(format!("{stem}.{extension}"));
            let partial = Partial::file(&path)?;
            fs::write(partial.path(), bytes).map_err(Error::io(&path))?;
            partials.push(partial);
        }
        Ok(partials)
    }

    /// Whether a PNG has this figure's size and pixels; its record is not compared.
    pub(crate) fn has_pixels_of(&self, png: &[u8]) -> bool {
        let pixels = |png: &[u8]| {
            let mut reader = png::Decoder::new(png).read_info().ok()?;
            let size = (reader.info().width, reader.info().height);
            if size != (self.width, self.height) {
                return None;
            }
            let mut pixels = vec![0; reader.output_buffer_size()];
            let kind = reader.next_frame(&mut pixels).ok()?;
            reader.finish().ok()?;
            Some((kind.color_type, kind.bit_depth, pixels))
        };
        pixels(png).is_some_and(|found| Some(found) == pixels(&self.png))
    }

    /// The PNG at half its width and height, for a notebook: 150 pixels an inch are sharp on a screen, and a
    /// notebook that is kept with its figures stays small.
    ///
    /// # Errors
    /// A PNG that cannot be read, which would be a fault of this crate.
    pub fn for_a_screen(&self) -> Result<Vec<u8>> {
        let failed = || Error::internal("reading a figure's PNG");
        let mut reader = png::Decoder::new(self.png.as_slice()).read_info().map_err(failed())?;
        let mut rgb = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut rgb).map_err(failed())?;
        // Blocks of 2 × 2 pixels: a last odd row or column is white margin.
        let (width, row) = (self.width / 2, self.width as usize * 3);
        let even: Vec<u8> = rgb
            .chunks_exact(row)
            .take(self.height as usize / 2 * 2)
            .flat_map(|row| &row[..width as usize * 6])
            .copied()
            .collect();
        let half = halved(&even, width);
        encode_small(&half, (width, self.height / 2), 150.0)
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure({} × {} pixels)", self.width, self.height)
    }
}
