//! A scene as a model sees it: the chosen window with converted values, resampled to another ground sampling distance
//! where requested.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, ArrayView2, Axis};
use rayon::prelude::*;

use super::bands::{Scene, Shared};
use super::clouds::{CloudFilter, Sky};
use super::resampling::Resampling;
use super::{GeoBox, Grid, Radiometry, Scaling, Transform, Window};
use crate::bands::STANDARDISED_UNIT;
use crate::data::reflectance::{Origin, PixelSample, REFLECTANCE};
use crate::data::{BandStatistics, Moments};
use crate::{Error, Imagery, Result};

/// Ground sampling distances, and sides of a pixel, that differ by less than this share count as one, as they do for a model.
pub(super) const TOLERANCE: f64 = 0.05;

/// Rows of values that are standardised together.
const STANDARDISED: usize = 512;

/// Rows and columns of the squares that are looked at before anything is computed.
const SAMPLED: usize = 64;

/// A scene as a model sees it.
#[derive(Debug, Clone)]
pub struct SceneView<'a> {
    scene: &'a Scene,
    radiometry: &'a Radiometry,
    /// Of each band.
    scaling: Vec<Scaling>,
    shared: Shared,
    /// The part of the finest grid that counts.
    window: Window,
    source: Grid,
    grid: Grid,
    /// Metres per pixel, as a model is told.
    told: Option<f64>,
    /// Whether pixels are in standard deviations of the scene's own values.
    standardised: bool,
    rows: Resampling,
    columns: Resampling,
    /// What counts as cloud, where clouds are looked for.
    clouds: Option<&'a CloudFilter>,
}

/// Some rows of a view.
#[derive(Debug)]
pub struct SceneRows {
    /// Pixels; of no use where data are lacking. Shape: (rows, columns, bands).
    pub pixels: Array3<f32>,
    /// Whether a band has no data. Shape: (rows, columns).
    pub lacking: Array2<bool>,
    /// Whether a cloud or its shadow hides the ground, where the view [looks for them](SceneView::with_clouds).
    /// Shape: (rows, columns).
    pub hidden: Option<Array2<bool>>,
}

impl<'a> SceneView<'a> {
    /// The part of a scene in a box, or all of it. Where a ground sampling distance is given and that of the scene
    /// differs by more than 5 %, the scene is brought to it: bilinearly if that is finer, by the mean if it is coarser.
    ///
    /// # Errors
    /// Bands that do not fit together, a radiometry that makes no sense, a box outside the scene, a scene that does not
    /// say how large its pixels are.
    pub fn new(
        scene: &'a Scene,
        radiometry: &'a Radiometry,
        area: Option<&GeoBox>,
        ground_sampling_distance: Option<f64>,
    ) -> Result<Self> {
        let scaling = scene.scaling(radiometry)?;
        let shared = Shared::of_bands(std::slice::from_ref(scene))?;
        let whole = shared.grid();
        let window = match area {
            None => Window::whole(whole),
            Some(area) => area.window(shared.path(), whole)?,
        };
        let source = whole.part(&window);
        let grid = match ground_sampling_distance {
            None => source.clone(),
            Some(wanted) => resampled(&source, wanted, shared.path())?,
        };
        let rows = Resampling::new(source.rows, grid.rows);
        let columns = Resampling::new(source.columns, grid.columns);
        let told = grid.ground_sampling_distance();
        Ok(Self {
            scene,
            radiometry,
            scaling,
            shared,
            window,
            source,
            grid,
            told,
            standardised: false,
            rows,
            columns,
            clouds: None,
        })
    }

    /// The same view, whose pixels a model takes whatever their size.
    pub(crate) fn of_any_size(self) -> Self {
        Self { told: None, ..self }
    }

    /// The same view in standard deviations from the mean: of each band over the whole scene, whatever part of it is viewed, where no
    /// band lacks data. So the So2Sat project brings the radar images of a city to its Sentinel-1 network. A constant band is only
    /// centred. Warns of pixels that are 0 in all bands, which are hardly data.
    ///
    /// # Errors
    /// A file that cannot be read, no pixel with data.
    pub(crate) fn standardised(mut self) -> Result<Self> {
        let mut moments = Moments::none(self.scaling.len());
        let whole = Window::whole(self.shared.grid());
        let mut zeros = 0;
        for first in whole.rows.clone().step_by(STANDARDISED) {
            let rows = first..whole.rows.end.min(first + STANDARDISED);
            let window = Window { rows, columns: whole.columns.clone() };
            let bands = self.scene.read(&self.shared, &window, self.radiometry.no_data)?;
            let each = (0..bands[0].len()).map(|k| (k / bands[0].ncols(), k % bands[0].ncols()));
            zeros += each.clone().filter(|&at| bands.iter().all(|band| band[at] == 0.0)).count();
            let known = each.filter(|&at| bands.iter().all(|band| band[at].is_finite()));
            let values: Vec<f32> = known
                .flat_map(|at| {
                    self.scaling.iter().zip(&bands).map(move |(scaling, band)| scaling.pixel(band[at]))
                })
                .collect();
            if let Some(pixels) = ArrayView2::from_shape((values.len() / bands.len(), bands.len()), &values)
                .ok()
                .filter(|pixels| !pixels.is_empty())
            {
                moments.merge(&Moments::of(pixels));
            }
        }
        if zeros > 0 {
            tracing::warn!(
                "{}: {zeros} pixels are 0 in all bands, and count in the mean: if they have no data, say so (gdal_edit.py -a_nodata 0)",
                self.path().display()
            );
        }
        let deviations = moments.standard_deviation();
        if deviations.iter().any(|deviation| !deviation.is_finite()) {
            let advice = "give another part of the scene, or name the value that means no data: --nodata";
            return Err(Error::file(self.path(), "no pixel has data in all bands", advice));
        }
        for ((scaling, mean), deviation) in self.scaling.iter_mut().zip(&moments.mean).zip(deviations) {
            let deviation = if deviation > 0.0 { deviation } else { 1.0 };
            *scaling =
                Scaling { scale: scaling.scale / deviation, offset: (scaling.offset - mean) / deviation };
        }
        Ok(Self { standardised: true, ..self })
    }

    /// The same view of other bands of the scene.
    pub(crate) fn with_scene<'b>(&'b self, scene: &'b Scene) -> Result<SceneView<'b>> {
        Ok(SceneView { scene, scaling: scene.scaling(self.radiometry)?, standardised: false, ..self.clone() })
    }

    /// The same view, which also tells where clouds hide the ground, if the scene has scene classes.
    #[must_use]
    pub fn with_clouds(self, filter: &'a CloudFilter) -> Self {
        Self { clouds: self.scene.scene_classes().map(|_| filter), ..self }
    }

    /// The grid of the pixels.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The grid of the scene's finest band, before resampling.
    pub fn source(&self) -> &Grid {
        &self.source
    }

    /// The bands.
    pub fn scene(&self) -> &Scene {
        self.scene
    }

    /// The finest grid, and the file that has it.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The file of the finest band, for messages.
    pub(super) fn path(&self) -> &Path {
        self.shared.path()
    }

    /// The part of the scene's finest grid that counts.
    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    /// What patches of this size are.
    pub fn imagery(&self, patch_size: usize) -> Imagery {
        Imagery {
            patch_size,
            bands: self.scene.bands().clone(),
            ground_sampling_distance: self.told,
            unit: if self.standardised {
                STANDARDISED_UNIT.to_owned()
            } else {
                self.scene.unit(self.radiometry)
            },
            sensor: self.scene.sensor(),
        }
    }

    /// Some rows, from the left to the right end.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, rows: Range<usize>) -> Result<SceneRows> {
        let sources = self.rows.sources(&rows);
        let first = self.window.rows.start;
        let window =
            Window { rows: first + sources.start..first + sources.end, columns: self.window.columns.clone() };
        let bands = self.scene.read(&self.shared, &window, self.radiometry.no_data)?;
        let (count, columns) = (rows.len(), self.grid.columns);
        let mut pixels = Array3::zeros((count, columns, bands.len()));
        let mut lacking = Array2::from_elem((count, columns), false);
        let each = pixels.axis_iter_mut(Axis(0)).into_par_iter().zip(lacking.axis_iter_mut(Axis(0)));
        each.enumerate().for_each(|(k, (mut line, mut lacking))| {
            for (c, band) in bands.iter().enumerate() {
                let values = self.line(band, rows.start + k, sources.start);
                for ((value, pixel), lacking) in values.zip(line.column_mut(c)).zip(&mut lacking) {
                    *pixel = self.scaling[c].pixel(value);
                    *lacking |= !pixel.is_finite();
                }
            }
        });
        let hidden = self.hidden(rows, &window)?;
        Ok(SceneRows { pixels, lacking, hidden })
    }

    /// Which pixels of these rows clouds hide; each has the scene class at its centre. `window` covers the rows.
    fn hidden(&self, rows: Range<usize>, window: &Window) -> Result<Option<Array2<bool>>> {
        let (Some(filter), Some(classes)) = (self.clouds, self.scene.scene_classes()) else {
            return Ok(None);
        };
        let sky = filter.read(classes, &self.shared, window)?;
        let first = window.rows.start - self.window.rows.start;
        Ok(Some(Array2::from_shape_fn((rows.len(), self.grid.columns), |(row, column)| {
            let row = centre(rows.start + row, self.grid.rows, self.source.rows) - first;
            sky[[row, centre(column, self.grid.columns, self.source.columns)]] == Sky::Hidden
        })))
    }

    /// Refuses a scene in reflectance whose values cannot be reflectance. Other units are not checked. Looks at the pixels of
    /// 16 squares of 64 × 64, evenly spread.
    ///
    /// `trained` describes what a model was trained on: a band whose mean is
    /// more than two deviations away is a warning.
    ///
    /// # Errors
    /// Digital numbers, values scaled twice, an offset of −0.1 that is not applied or applied twice: says the numbers and
    /// what to do. A file that cannot be read.
    pub fn check_reflectance(&self, trained: Option<&BandStatistics>) -> Result<()> {
        if self.scene.unit(self.radiometry) != REFLECTANCE {
            return Ok(());
        }
        let offsets = self.scene.tags().filter_map(|(_, tags)| tags.offset);
        let stated = offsets.into_iter().find(|offset| offset.is_finite() && *offset != 0.0);
        self.sample()?.guard(&self.path().display().to_string(), Origin::Scene(stated), trained)
    }

    /// Pixels of 4 × 4 squares, evenly spread, before resampling.
    fn sample(&self) -> Result<PixelSample> {
        let bands = self.scene.bands();
        let mut values = vec![Vec::new(); bands.len()];
        let places = |range: &Range<usize>| {
            let (first, side) = (range.start, SAMPLED.min(range.len()));
            let room = range.len() - side;
            let mut starts: Vec<usize> = (0..4).map(|k| first + k * room / 3).collect();
            starts.dedup();
            starts.into_iter().map(move |start| start..start + side).collect::<Vec<_>>()
        };
        for rows in places(&self.window.rows) {
            for columns in places(&self.window.columns) {
                let window = Window { rows: rows.clone(), columns };
                let squares = self.scene.read(&self.shared, &window, self.radiometry.no_data)?;
                for ((values, square), scaling) in values.iter_mut().zip(&squares).zip(&self.scaling) {
                    values.extend(
                        square.iter().filter(|value| value.is_finite()).map(|&value| scaling.pixel(value)),
                    );
                }
            }
        }
        Ok(PixelSample::new(bands.clone(), values))
    }

    /// The values of a row, before scale and offset; `first` is the first row of `band`.
    fn line<'b>(&'b self, band: &'b Array2<f32>, row: usize, first: usize) -> impl Iterator<Item = f32> + 'b {
        let rows = self.rows.sources(&(row..row + 1));
        let lines: Vec<_> = rows.clone().map(|source| band.row(source - first)).collect();
        (0..self.grid.columns).map(move |column| {
            let in_line = |source: usize| self.columns.pixel(column, |k| lines[source - rows.start][k]);
            self.rows.pixel(row, in_line)
        })
    }
}

impl SceneRows {
    /// Rows in memory: not finite where data are lacking.
    pub fn from_pixels(pixels: Array3<f32>) -> Self {
        let lacking = pixels.map_axis(Axis(2), |bands| bands.iter().any(|value| !value.is_finite()));
        Self { pixels, lacking, hidden: None }
    }
}

/// The pixel of `from` in which the centre of the k-th of `of` pixels lies.
pub(super) fn centre(k: usize, of: usize, from: usize) -> usize {
    (2 * k + 1) * from / (2 * of)
}

/// The grid with pixels of about `wanted` metres.
pub(super) fn resampled(grid: &Grid, wanted: f64, path: &Path) -> Result<Grid> {
    let Some([across, down]) = grid.pixel_metres() else {
        let problem = "it does not say how large its pixels are on the ground";
        let advice = "set it with gdal_edit.py -a_srs and -a_ullr, or take them as they are: --resample none";
        return Err(Error::file(path, problem, advice));
    };
    let differs = |given: f64| (given / wanted - 1.0).abs() > TOLERANCE;
    if !differs(across) && !differs(down) {
        return Ok(grid.clone());
    }
    let resized = |pixels: usize, metres: f64| ((pixels as f64 * metres / wanted).round() as usize).max(1);
    let (rows, columns) = (resized(grid.rows, down), resized(grid.columns, across));
    let (x, y) = (grid.columns as f64 / columns as f64, grid.rows as f64 / rows as f64);
    let transform =
        grid.transform.map(|Transform(t)| Transform([t[0], t[1] * x, t[2] * y, t[3], t[4] * x, t[5] * y]));
    Ok(Grid { rows, columns, transform, crs: grid.crs.clone() })
}
