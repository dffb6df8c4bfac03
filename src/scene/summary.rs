//! What a scene is, and how much of it has no data.

use std::path::Path;

use ndarray::Axis;
use serde::Serialize;

use super::class_band::is_of_classes;
use super::{CloudFilter, Radiometry, Raster, Scene, Window, xml};
use crate::files::read_text;
use crate::{Classes, Result, Sensor};

/// Rows that are read at a time.
const ROWS: usize = 512;
/// Numbers of class maps that mean none.
const NO_CLASS: [f32; 4] = [0.0, -1.0, -999.0, 255.0];

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
    /// The classes that its first band holds, of a class map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<ClassShare>>,
}

/// A class of a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassShare {
    /// Its number in the GeoTIFF.
    pub number: u8,
    /// Its name: of the zones, or as the file describes its numbers.
    pub name: String,
    /// Pixels of this class.
    pub pixels: usize,
    /// Their share of the pixels with a class.
    pub share: f64,
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
            name: self.name(),
            sensor: self.sensor(),
            provenance: self.provenance(),
            crs: self.files()[0].grid().crs.to_string(),
            unit: self.unit(&radiometry),
            bands,
            clouds,
            classes: self.class_shares()?,
        })
    }

    /// The classes of a class map: a GeoTIFF whose first band is described as classes. Their names are those of the categories next
    /// to it (`MAP.tif.aux.xml`), else those of the zones if the description is `lcz`.
    fn class_shares(&self) -> Result<Option<Vec<ClassShare>>> {
        let [Raster::GeoTiff(file)] = self.files() else { return Ok(None) };
        let description = file.tags()[0].name.as_deref().filter(|name| is_of_classes(name));
        let (Some(description), true) = (description, file.is_integer()) else { return Ok(None) };
        let (grid, mut counts) = (file.grid(), [0_usize; 256]);
        for first in (0..grid.rows).step_by(ROWS) {
            let window = Window { rows: first..grid.rows.min(first + ROWS), columns: 0..grid.columns };
            for &value in file.read(&window, file.no_data())?.index_axis(Axis(0), 0) {
                let nothing = value.is_nan() || NO_CLASS.contains(&value);
                let number = if nothing { 0 } else { value as u8 };
                if !nothing && f32::from(number).to_bits() != value.to_bits() {
                    return Ok(None);
                }
                counts[usize::from(number)] += 1;
            }
        }
        let (zones, of_zones) = (Classes::lcz(), description.to_ascii_lowercase().starts_with("lcz"));
        let categories = categories(file.path());
        let name = |number: u8| {
            let category = categories.get(usize::from(number)).filter(|name| !name.is_empty()).cloned();
            let zone = || zones.find_number(f64::from(number)).filter(|_| of_zones).map(|k| zones.name(k));
            category.or_else(zone).unwrap_or_else(|| format!("class {number}"))
        };
        let total: usize = counts[1..].iter().sum();
        let held = (1..=u8::MAX).filter(|&number| counts[usize::from(number)] > 0);
        let classes = held.map(|number| {
            let pixels = counts[usize::from(number)];
            ClassShare { number, name: name(number), pixels, share: pixels as f64 / total as f64 }
        });
        let classes: Vec<ClassShare> = classes.collect();
        Ok(Some(classes).filter(|classes| !classes.is_empty()))
    }
}

/// The names of the numbers 0, 1, … of a map's first band, in the file that GDAL reads next to it; none where there is no such
/// file, or it cannot be read.
fn categories(map: &Path) -> Vec<String> {
    let mut next_to = map.as_os_str().to_owned();
    next_to.push(".aux.xml");
    let next_to = Path::new(&next_to);
    let Ok(text) = read_text(next_to) else { return Vec::new() };
    let Ok(document) = xml::parse(next_to, &text) else { return Vec::new() };
    let of_first = document.descendants().find(|node| node.has_tag_name("CategoryNames"));
    let names = of_first.into_iter().flat_map(|names| names.children());
    let names = names.filter(|node| node.has_tag_name("Category"));
    names.map(|node| node.text().unwrap_or_default().to_owned()).collect()
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
