//! What a scene is, and how much of it has no data.

use ndarray::Axis;
use serde::Serialize;

use super::bands::Scene;
use super::clouds::CloudFilter;
use super::grid::Window;
use super::radiometry::Radiometry;
use super::raster::Raster;
use crate::{Result, Sensor};

/// Rows that are read at a time.
const ROWS: usize = 512;

/// What a scene is.
#[derive(Debug, Clone, Serialize)]
pub struct SceneSummary {
    /// A product's name, or that of the first file.
    pub name: String,
    /// The sensor, as far as a product or the names of files tell.
    pub sensor: Option<Sensor>,
    /// Where it is from.
    pub provenance: String,
    /// The coordinate system of its first file.
    pub crs: String,
    /// The unit of its pixels as the files state them.
    pub unit: String,
    /// Its bands, in order.
    pub bands: Vec<BandSummary>,
    /// Share of the pixels with data under clouds and their shadows, where there are scene classes.
    pub clouds: Option<f64>,
}

/// A band of a scene.
#[derive(Debug, Clone, Serialize)]
pub struct BandSummary {
    /// Its name.
    pub name: String,
    /// Metres per pixel, where they are known.
    pub metres: Option<f64>,
    /// Rows and columns.
    pub size: [usize; 2],
    /// A pixel is `scale` · value in the file + `offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// The value that means no data.
    pub no_data: Option<f64>,
    /// Whether a mask or opacity marks pixels without data.
    pub masked: bool,
    /// The share of pixels without data.
    pub without_data: f64,
    /// The file, or how many parts.
    pub file: String,
}

impl Scene {
    /// Describes the scene; reads all pixels, some rows at a time.
    ///
    /// # Errors
    /// A file that cannot be read, or that states a scale of 0.
    pub fn summary(&self, clouds: &CloudFilter) -> Result<SceneSummary> {
        let radiometry = Radiometry::default();
        let scaling = self.scaling(&radiometry)?;
        let mut of_files = Vec::new();
        for file in self.files() {
            let lacking = shares(file, f32::is_nan)?;
            of_files
                .extend(lacking.into_iter().map(|[lacking, all]| (file, lacking as f64 / all.max(1) as f64)));
        }
        let channels = self.bands().names().iter().zip(self.channels()).zip(scaling);
        let bands = channels.map(|((name, &channel), scaling)| {
            let (file, without_data) = of_files[channel];
            let grid = file.grid();
            let shown = file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            BandSummary {
                name: name.clone(),
                metres: grid.ground_sampling_distance(),
                size: [grid.rows, grid.columns],
                scale: scaling.scale,
                offset: scaling.offset,
                no_data: file.no_data(),
                masked: file.has_mask(),
                without_data,
                file: match file {
                    Raster::Mosaic(parts) => format!("{shown} and {} more parts", parts.parts().count() - 1),
                    _ => shown,
                },
            }
        });
        let bands = bands.collect();
        let clouds = match self.scene_classes() {
            None => None,
            Some(classes) => {
                // As `u8`, NaN is 0: no data, too.
                let hidden = shares(classes, |class| clouds.hidden.contains(&(class as u8)))?;
                let lacking = shares(classes, |class| class as u8 == 0)?;
                let [[hidden, all], [lacking, _]] = [hidden[0], lacking[0]];
                Some(hidden as f64 / (all - lacking).max(1) as f64)
            }
        };
        Ok(SceneSummary {
            name: self.file_names()[0].clone(),
            sensor: self.sensor(),
            provenance: self.provenance(),
            crs: self.files()[0].grid().crs.to_string(),
            unit: self.unit(&radiometry),
            bands,
            clouds,
        })
    }
}

/// How many pixels of each band are such, and how many there are.
fn shares(file: &Raster, is_such: impl Fn(f32) -> bool) -> Result<Vec<[usize; 2]>> {
    let (grid, mut counts) = (file.grid(), vec![[0; 2]; file.bands()]);
    for first in (0..grid.rows).step_by(ROWS) {
        let window = Window { rows: first..grid.rows.min(first + ROWS), columns: 0..grid.columns };
        let pixels = file.read(&window, file.no_data())?;
        for (band, [such, all]) in pixels.axis_iter(Axis(0)).zip(&mut counts) {
            *such += band.iter().filter(|value| is_such(**value)).count();
            *all += band.len();
        }
    }
    Ok(counts)
}
