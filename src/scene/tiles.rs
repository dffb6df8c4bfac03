//! Square tiles on a fixed grid over a scene, each with the class of every pixel: what segmentation learns from.
//!
//! Tiles begin at the upper left corner of the scene, or of the box that is cut from it, and lie a stride apart. Each
//! has one [`Fate`]: it is kept, or left out for the first reason of these that holds: a pixel without data, too many
//! pixels in cloud or its shadow, no pixel with a class.

use std::ops::Range;

use ndarray::{Array2, Array3, Array4, s};
use rayon::prelude::*;

use super::area::GeoBox;
use super::bands::{Scene, Shared};
use super::geotiff::GeoTiff;
use super::grid::{Grid, Transform, Window};
use super::regions::LabelRaster;
use crate::data::{Masks, Patches};
use crate::{Bands, Error, Imagery, Progress, Result};

/// The last of Sentinel-2's scene classes.
const LAST_SCENE_CLASS: f32 = 11.0;
/// A picture of a whole scene has at most so many pixels across or down.
const MOST_PIXELS: usize = 1200;

/// How tiles lie, and what their pixels are.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiling {
    /// Rows and columns of a tile.
    pub patch_size: usize,
    /// Pixels from one tile to the next; less than `patch_size` makes them overlap.
    pub stride: usize,
    /// A pixel is `scale` · value in the file + `offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// What a pixel's number then is: `reflectance`, `digital number`, ….
    pub unit: String,
    /// The value that means no data, in place of what the files name; NaN never is data.
    pub no_data: Option<f64>,
    /// The part of the scene that counts; all of it if `None`.
    pub area: Option<GeoBox>,
}

impl Default for Tiling {
    /// 64 × 64 pixels side by side, of Sentinel-2's reflectance times 10,000.
    fn default() -> Self {
        Self {
            patch_size: 64,
            stride: 64,
            scale: 1e-4,
            offset: 0.0,
            unit: "reflectance".to_owned(),
            no_data: None,
            area: None,
        }
    }
}

/// Which scene classes (Sentinel-2's SCL band) hide the ground, and how much of a tile they may hide.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudFilter {
    /// Classes 0–11 that count as cloud.
    pub hidden: Vec<u8>,
    /// The largest share of a tile's pixels that may be hidden.
    pub most: f64,
}

impl Default for CloudFilter {
    /// Clouds of medium and high probability (8, 9), thin cirrus (10) and cloud shadow (3), at most 15 %. The shadow
    /// counts since its pixels show the ground no better than cirrus does.
    fn default() -> Self {
        Self { hidden: vec![3, 8, 9, 10], most: 0.15 }
    }
}

impl CloudFilter {
    fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.most) {
            let problem = format!("{} of a tile", self.most);
            return Err(Error::input("most cloud", problem, "choose a share from 0 to 1, such as 0.15"));
        }
        if let Some(class) = self.hidden.iter().find(|&&class| f32::from(class) > LAST_SCENE_CLASS) {
            return Err(Error::input("scene class", class.to_string(), "choose among SCL's classes 0 to 11"));
        }
        Ok(())
    }
}

/// What becomes of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is cut.
    Kept,
    /// A pixel of it has no data in a band, or is no data by its scene class.
    NoData,
    /// Clouds and their shadows hide too much of it.
    Cloud,
    /// None of its pixels has a class.
    Unlabelled,
}

impl Fate {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Kept, Self::NoData, Self::Cloud, Self::Unlabelled];

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NoData => "no data",
            Self::Cloud => "discarded by cloud",
            Self::Unlabelled => "no label",
        }
    }
}

/// A tile of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Row and column of its upper left pixel, in the scene or the box cut from it.
    pub corner: [usize; 2],
    /// What becomes of it.
    pub fate: Fate,
}

/// The tiles of a scene: see [`Tiling::over`].
pub struct TileGrid<'a> {
    tiling: &'a Tiling,
    scene: &'a Scene,
    shared: Shared,
    /// The part of the finest grid that counts.
    window: Window,
    grid: Grid,
}

/// What a scene was cut into.
pub struct Cut {
    /// All tiles, row by row.
    pub tiles: Vec<Tile>,
    /// The pixels of the tiles kept, in their order.
    pub patches: Patches,
    /// The classes of their pixels; those without a class, or hidden by a cloud, are ignored.
    pub masks: Masks,
}

/// A whole scene in few enough pixels for a picture: every `step`-th one.
pub struct Overview {
    /// From one pixel to the next, in pixels of the scene.
    pub step: usize,
    /// Red, green and blue; NaN where there are no data. Shape: (rows, columns, 3).
    pub colours: Option<Array3<f32>>,
    /// The class of each pixel, where it has one.
    pub classes: Option<Array2<Option<usize>>>,
}

impl Tiling {
    /// The tiles over this scene.
    ///
    /// # Errors
    /// Settings that make no sense, bands that do not fit together, a box outside the scene, a scene or box
    /// smaller than a tile.
    pub fn over<'a>(&'a self, scene: &'a Scene) -> Result<TileGrid<'a>> {
        for (name, value) in [("patch size", self.patch_size), ("stride", self.stride)] {
            if value == 0 {
                return Err(Error::input(name, "0 pixels", "choose 1 or more, such as 64"));
            }
        }
        if !self.scale.is_finite() || self.scale == 0.0 || !self.offset.is_finite() {
            let place = format!("scale {}, offset {}", self.scale, self.offset);
            let problem = "they would make every pixel alike or infinite";
            return Err(Error::input(place, problem, "for Sentinel-2's reflectance give 1e-4 and 0"));
        }
        let shared = Shared::of_bands(std::slice::from_ref(scene))?;
        let whole = shared.grid();
        let window = match &self.area {
            None => Window::whole(whole),
            Some(area) => area.window(shared.path(), whole)?,
        };
        let (rows, columns) = (window.rows.len(), window.columns.len());
        if rows < self.patch_size || columns < self.patch_size {
            let cut = if self.area.is_some() { " in the box" } else { "" };
            let problem =
                format!("{rows} x {columns} pixels{cut} are less than a patch of {0} x {0}", self.patch_size);
            return Err(Error::file(
                shared.path(),
                problem,
                "give a larger scene or box, or smaller patches",
            ));
        }
        let transform = whole.transform.map(|transform| {
            let (x, y) = transform.coordinates(window.rows.start as f64, window.columns.start as f64);
            let t = transform.0;
            Transform([x, t[1], t[2], y, t[4], t[5]])
        });
        let grid = Grid { rows, columns, transform, crs: whole.crs.clone() };
        Ok(TileGrid { tiling: self, scene, shared, window, grid })
    }

    /// Cuts the tiles of a scene that have data, a clear sky and a class.
    ///
    /// `sky` is Sentinel-2's SCL band of the same date and what of it counts as cloud; without it no tile is left out
    /// for clouds.
    ///
    /// # Errors
    /// As [`over`](Self::over), labels or scene classes on another grid than the bands, a value that is no scene class,
    /// files that cannot be read, or no tile that is left (says how many were left out for which reason).
    pub fn cut(
        &self,
        scene: &Scene,
        labels: &LabelRaster,
        sky: Option<(&GeoTiff, &CloudFilter)>,
        progress: &mut dyn Progress,
    ) -> Result<Cut> {
        self.over(scene)?.cut(labels, sky, progress)
    }
}

impl TileGrid<'_> {
    /// The grid of the scene, or of the box that is cut from it.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Rows and columns of tiles that lie a stride apart.
    pub fn shape(&self) -> [usize; 2] {
        [self.grid.rows, self.grid.columns]
            .map(|length| (length - self.tiling.patch_size) / self.tiling.stride + 1)
    }

    /// The first rows, and the first columns, of tiles that together cover every pixel: a stride apart, the last ones
    /// at the end of the scene.
    pub fn covering(&self) -> [Vec<usize>; 2] {
        let Tiling { patch_size, stride, .. } = *self.tiling;
        [self.grid.rows, self.grid.columns].map(|length| {
            let mut firsts: Vec<usize> = (0..=length - patch_size).step_by(stride).collect();
            if firsts.last().is_some_and(|last| last + patch_size < length) {
                firsts.push(length - patch_size);
            }
            firsts
        })
    }

    /// What the tiles' pixels are.
    pub fn imagery(&self) -> Imagery {
        Imagery {
            patch_size: self.tiling.patch_size,
            bands: self.scene.bands().clone(),
            ground_sampling_distance: self.grid.ground_sampling_distance(),
            unit: self.tiling.unit.clone(),
        }
    }

    /// The pixels of some rows, from the left to the right end; NaN where a band has no data. Shape: (rows, columns,
    /// bands).
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, rows: Range<usize>) -> Result<Array3<f32>> {
        let bands = self.scene.read(&self.shared, &self.place(&rows), self.tiling.no_data)?;
        let mut pixels = Array3::zeros((rows.len(), self.grid.columns, bands.len()));
        for (c, band) in bands.iter().enumerate() {
            let scaled =
                band.mapv(|value| (f64::from(value) * self.tiling.scale + self.tiling.offset) as f32);
            pixels.slice_mut(s![.., .., c]).assign(&scaled);
        }
        Ok(pixels)
    }

    /// Rows of the grid as a window of the scene.
    fn place(&self, rows: &Range<usize>) -> Window {
        let first = self.window.rows.start;
        Window { rows: first + rows.start..first + rows.end, columns: self.window.columns.clone() }
    }

    fn cut(
        &self,
        labels: &LabelRaster,
        sky: Option<(&GeoTiff, &CloudFilter)>,
        progress: &mut dyn Progress,
    ) -> Result<Cut> {
        let size = self.tiling.patch_size;
        let classes = self.classes(labels)?;
        if let Some((_, filter)) = sky {
            filter.check()?;
        }
        let [down, across] = self.shape();
        let channels = self.scene.bands().len();
        let (mut tiles, mut pixels, mut masks) = (Vec::new(), Vec::<f32>::new(), Vec::<u8>::new());
        progress.begin("cutting tiles", (down * across) as u64);
        for top in (0..down).map(|k| k * self.tiling.stride) {
            let rows = top..top + size;
            let strip = self.read(rows.clone())?;
            let sky = sky.map(|(scl, filter)| self.sky(scl, filter, &rows)).transpose()?;
            let judged = (0..across).into_par_iter().map(|k| {
                let columns = k * self.tiling.stride..k * self.tiling.stride + size;
                let corner = [top, columns.start];
                let seen = strip.slice(s![.., columns.clone(), ..]);
                let sky = sky.as_ref().map(|(sky, most)| (sky.slice(s![.., columns.clone()]), *most));
                let mut mask = classes.slice(s![rows.clone(), columns]).to_owned();
                let count = |wanted: Sky| {
                    sky.as_ref().map_or(0, |(sky, _)| sky.iter().filter(|&&of| of == wanted).count())
                };
                let fate = if seen.iter().any(|value| !value.is_finite()) || count(Sky::NoData) > 0 {
                    Fate::NoData
                } else if sky
                    .as_ref()
                    .is_some_and(|(_, most)| count(Sky::Hidden) as f64 > most * (size * size) as f64)
                {
                    Fate::Cloud
                } else {
                    if let Some((sky, _)) = &sky {
                        let hide = |class: &mut u8, sky: &Sky| {
                            if *sky == Sky::Hidden {
                                *class = Masks::IGNORED;
                            }
                        };
                        ndarray::Zip::from(&mut mask).and(sky).for_each(hide);
                    }
                    let labelled = mask.iter().any(|&class| class != Masks::IGNORED);
                    if labelled { Fate::Kept } else { Fate::Unlabelled }
                };
                let kept = (fate == Fate::Kept).then(|| (seen.iter().copied().collect::<Vec<_>>(), mask));
                (Tile { corner, fate }, kept)
            });
            for (tile, kept) in judged.collect::<Vec<_>>() {
                tiles.push(tile);
                if let Some((seen, mask)) = kept {
                    pixels.extend(seen);
                    masks.extend(mask);
                }
            }
            progress.advance(across as u64, "");
        }
        progress.end("");
        let kept = masks.len() / (size * size);
        if kept == 0 {
            return Err(self.nothing_left(&tiles, sky.map(|(_, filter)| filter)));
        }
        let shaped =
            |error: ndarray::ShapeError| Error::Internal { what: "cutting tiles", detail: error.to_string() };
        let images = Array4::from_shape_vec((kept, size, size, channels), pixels).map_err(shaped)?;
        let masks = Array3::from_shape_vec((kept, size, size), masks).map_err(shaped)?;
        let patches = Patches::in_memory(self.imagery(), labels.classes().clone(), images)?;
        let patches = patches.with_provenance(self.scene.description().unwrap_or("not stated"));
        Ok(Cut { tiles, patches, masks: Masks::new(labels.classes().clone(), masks)? })
    }

    /// Why no tile is left.
    fn nothing_left(&self, tiles: &[Tile], filter: Option<&CloudFilter>) -> Error {
        let count = |fate: Fate| tiles.iter().filter(|tile| tile.fate == fate).count();
        let clouds = filter.map_or_else(String::new, |filter| {
            let classes: Vec<String> = filter.hidden.iter().map(u8::to_string).collect();
            let most = 100.0 * filter.most;
            format!(", {} with more than {most} % of cloud (SCL {})", count(Fate::Cloud), classes.join(", "))
        });
        let problem = format!(
            "none of its {} tiles is left: {} without data{clouds}, {} without a class",
            tiles.len(),
            count(Fate::NoData),
            count(Fate::Unlabelled)
        );
        let advice = if count(Fate::Cloud) > 0 {
            "give a clearer date, or allow more cloud (--most-cloud)"
        } else {
            "check that labels and scene show the same place, and which value means no data"
        };
        Error::file(self.shared.path(), problem, advice)
    }

    /// The class of each pixel of the grid; [`Masks::IGNORED`] where it has none.
    fn classes(&self, labels: &LabelRaster) -> Result<Array2<u8>> {
        if labels.classes().len() >= usize::from(Masks::IGNORED) {
            let problem = format!("{} classes do not fit into a mask's bytes", labels.classes().len());
            return Err(Error::file(labels.path(), problem, "group them to 254 at most"));
        }
        let factor = self.shared.multiple(labels.path(), labels.grid())?;
        let mut classes = Array2::from_elem((self.grid.rows, self.grid.columns), Masks::IGNORED);
        let within = |site: usize, range: &Range<usize>| {
            let pixels = (site * factor).max(range.start)..((site + 1) * factor).min(range.end);
            (pixels.start < pixels.end).then(|| pixels.start - range.start..pixels.end - range.start)
        };
        for site in labels.sites() {
            let rows = within(site.row, &self.window.rows);
            let columns = within(site.column, &self.window.columns);
            if let (Some(rows), Some(columns)) = (rows, columns) {
                classes.slice_mut(s![rows, columns]).fill(site.class as u8);
            }
        }
        Ok(classes)
    }

    /// What the scene classes say of each pixel of some rows, and how much of a tile may be hidden.
    fn sky(&self, scl: &GeoTiff, filter: &CloudFilter, rows: &Range<usize>) -> Result<(Array2<Sky>, f64)> {
        let refuse = |problem: String, advice: &str| Err(Error::file(scl.path(), problem, advice));
        if scl.bands() != 1 {
            let problem = format!("{} bands, where one of scene classes is expected", scl.bands());
            return refuse(problem, "give Sentinel-2's SCL band");
        }
        let factor = self.shared.multiple(scl.path(), scl.grid())?;
        let window = self.place(rows);
        let coarse = window.coarser(factor);
        let values = scl.read(&coarse, scl.no_data())?;
        let known = |value: f32| {
            value.is_nan() || (value.fract() == 0.0 && (0.0..=LAST_SCENE_CLASS).contains(&value))
        };
        if let Some(((_, row, column), value)) = values.indexed_iter().find(|(_, value)| !known(**value)) {
            let (row, column) = (row + coarse.rows.start, column + coarse.columns.start);
            let problem =
                format!("{value} at row {row}, column {column} is none of the scene classes 0 to 11");
            return refuse(problem, "give Sentinel-2's SCL band");
        }
        let sky = Array2::from_shape_fn((rows.len(), self.grid.columns), |(row, column)| {
            let (row, column) = (window.rows.start + row, window.columns.start + column);
            let value = values[[0, row / factor - coarse.rows.start, column / factor - coarse.columns.start]];
            match value {
                value if value.is_nan() || value == 0.0 => Sky::NoData,
                value if filter.hidden.contains(&(value as u8)) => Sky::Hidden,
                _ => Sky::Clear,
            }
        });
        Ok((sky, filter.most))
    }

    /// The scene, and its classes, in few pixels.
    ///
    /// # Errors
    /// Files that cannot be read, labels that do not fit.
    pub fn overview(&self, labels: Option<&LabelRaster>) -> Result<Overview> {
        let step = self.grid.rows.max(self.grid.columns).div_ceil(MOST_PIXELS);
        let size = (self.grid.rows.div_ceil(step), self.grid.columns.div_ceil(step));
        let colours = if self.scene.bands().true_colour().is_some() {
            let scene = self.scene.clone().only(&Bands::named(["B4", "B3", "B2"])?)?;
            let (shared, window, grid) = (self.shared.clone(), self.window.clone(), self.grid.clone());
            let visible = TileGrid { tiling: self.tiling, scene: &scene, shared, window, grid };
            let mut colours = Array3::zeros((size.0, size.1, 3));
            // As many lines as make whole steps.
            let lines = 256_usize.div_ceil(step) * step;
            for first in (0..self.grid.rows).step_by(lines) {
                let strip = visible.read(first..self.grid.rows.min(first + lines))?;
                let thin = strip.slice(s![..;step, ..;step, ..]);
                let at = first / step;
                colours.slice_mut(s![at..at + thin.dim().0, .., ..]).assign(&thin);
            }
            Some(colours)
        } else {
            None
        };
        let classes = labels.map(|labels| self.classes(labels)).transpose()?.map(|classes| {
            let class = |&class: &u8| (class != Masks::IGNORED).then_some(usize::from(class));
            classes.slice(s![..;step, ..;step]).map(class)
        });
        Ok(Overview { step, colours, classes })
    }
}

/// What the scene classes say of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sky {
    Clear,
    Hidden,
    NoData,
}
