//! Square tiles on a fixed grid over a scene, each with the class of every pixel: training data for segmentation.
//!
//! Tiles begin at the upper left corner of the scene, or of the box that is cut from it, and lie a stride apart. Each
//! has one [`Fate`]: it is kept, or left out for the first reason of these that holds: a pixel without data, too many
//! pixels in cloud or its shadow, no pixel with a class.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView3, s};
use rayon::prelude::*;

use super::clouds::{CloudFilter, Sky};
use super::{GeoBox, Grid, LabelRaster, Radiometry, Raster, Scene, SceneView, Window};
use crate::data::{Masks, Patches};
use crate::provenance::{self, UNKNOWN};
use crate::{Bands, Error, Progress, Result};

/// A picture of a whole scene has at most this many pixels across or down.
const MOST_PIXELS: usize = 1200;

/// How tiles lie, and what their pixels are.
#[derive(Debug, Clone, PartialEq)]
pub struct Tiling {
    /// Rows and columns of a tile.
    pub patch_size: usize,
    /// Pixels from one tile to the next; less than `patch_size` makes them overlap.
    pub stride: usize,
    /// What the values in the files mean.
    pub radiometry: Radiometry,
    /// The part of the scene that counts; all of it if `None`.
    pub area: Option<GeoBox>,
}

impl Default for Tiling {
    /// 64 × 64 pixels side by side, with the radiometry that the files state.
    fn default() -> Self {
        Self { patch_size: 64, stride: 64, radiometry: Radiometry::default(), area: None }
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
#[derive(Debug)]
pub struct TileGrid<'a> {
    tiling: &'a Tiling,
    view: SceneView<'a>,
}

/// The tiles of a row, those that are kept with the classes of their pixels.
pub(super) type TileRow = Vec<(Tile, Option<Array2<u8>>)>;

/// A scene cut into tiles, in memory.
#[derive(Debug)]
pub struct CutScene {
    /// All tiles, row by row.
    pub tiles: Vec<Tile>,
    /// The pixels of the tiles kept, in their order.
    pub patches: Patches,
    /// The classes of their pixels; those without a class, or hidden by a cloud, are ignored.
    pub masks: Masks,
}

/// A whole scene in few enough pixels for a picture: every `step`-th one.
#[derive(Debug)]
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
        let view = SceneView::new(scene, &self.radiometry, self.area.as_ref(), None)?;
        let &Grid { rows, columns, .. } = view.grid();
        if rows < self.patch_size || columns < self.patch_size {
            let cut = if self.area.is_some() { " in the box" } else { "" };
            let problem =
                format!("{rows} x {columns} pixels{cut} are less than a patch of {0} x {0}", self.patch_size);
            return Err(Error::file(view.path(), problem, "give a larger scene or box, or smaller patches"));
        }
        Ok(TileGrid { tiling: self, view })
    }

    /// Cuts the tiles of a scene that have data, a clear sky and a class.
    ///
    /// `sky` is Sentinel-2's SCL band of the same date and what of it counts as cloud; without it no tile is left out
    /// for clouds.
    ///
    /// # Errors
    /// As [`over`](Self::over), labels or scene classes on another grid than the bands, a value that is not a scene class,
    /// files that cannot be read, or no tile that is left (gives the number left out for each reason).
    pub fn cut(
        &self,
        scene: &Scene,
        labels: &LabelRaster,
        sky: Option<(&Raster, &CloudFilter)>,
        progress: &mut dyn Progress,
    ) -> Result<CutScene> {
        self.over(scene)?.cut(labels, sky, progress)
    }
}

impl TileGrid<'_> {
    /// The grid of the scene, or of the box that is cut from it.
    pub fn grid(&self) -> &Grid {
        self.view.grid()
    }

    /// Rows and columns of tiles that lie a stride apart.
    pub fn shape(&self) -> [usize; 2] {
        [self.grid().rows, self.grid().columns]
            .map(|length| (length - self.tiling.patch_size) / self.tiling.stride + 1)
    }

    /// Rows of the grid as a window of the scene.
    fn place(&self, rows: &Range<usize>) -> Window {
        let first = self.view.window().rows.start;
        Window { rows: first + rows.start..first + rows.end, columns: self.view.window().columns.clone() }
    }

    fn cut(
        &self,
        labels: &LabelRaster,
        sky: Option<(&Raster, &CloudFilter)>,
        progress: &mut dyn Progress,
    ) -> Result<CutScene> {
        let size = self.tiling.patch_size;
        let classes = self.classes(labels)?;
        let (mut tiles, mut pixels, mut masks) = (Vec::new(), Vec::<f32>::new(), Vec::<u8>::new());
        self.each_row("cutting tiles", &classes, sky, progress, &mut |strip, row| {
            for (tile, mask) in row {
                tiles.push(tile);
                if let Some(mask) = mask {
                    pixels.extend(self.of_tile(strip, tile));
                    masks.extend(mask);
                }
            }
            Ok(())
        })?;
        let kept = masks.len() / (size * size);
        if kept == 0 {
            return Err(nothing_left(self.view.path(), &tiles, sky.map(|(_, filter)| filter)));
        }
        let images = Array4::from_shape_vec((kept, size, size, self.view.scene().bands().len()), pixels)
            .map_err(Error::internal("cutting tiles"))?;
        let masks =
            Array3::from_shape_vec((kept, size, size), masks).map_err(Error::internal("cutting tiles"))?;
        let patches = Patches::in_memory(self.view.imagery(size), labels.classes().clone(), images)?;
        let scene = self.view.scene().stated_provenance();
        let stated = provenance::inherited(&[scene.as_deref(), labels.report().provenance.as_deref()]);
        let patches = patches.with_provenance(stated.as_deref().unwrap_or(UNKNOWN));
        Ok(CutScene { tiles, patches, masks: Masks::new(labels.classes().clone(), masks)? })
    }

    /// The pixels of a tile of this row.
    pub(super) fn of_tile<'a>(&self, strip: &'a Array3<f32>, tile: Tile) -> ArrayView3<'a, f32> {
        let left = tile.corner[1];
        strip.slice(s![.., left..left + self.tiling.patch_size, ..])
    }

    /// Judges all tiles, row by row. `take` gets the pixels of each row and its tiles, those that are kept with the
    /// classes of their pixels; one under a cloud has none.
    pub(super) fn each_row(
        &self,
        doing: &str,
        classes: &Array2<u8>,
        sky: Option<(&Raster, &CloudFilter)>,
        progress: &mut dyn Progress,
        take: &mut dyn FnMut(&Array3<f32>, TileRow) -> Result<()>,
    ) -> Result<()> {
        let size = self.tiling.patch_size;
        if let Some((_, filter)) = sky {
            filter.check()?;
        }
        let [down, across] = self.shape();
        progress.begin(doing, (down * across) as u64);
        for top in (0..down).map(|k| k * self.tiling.stride) {
            let rows = top..top + size;
            let strip = self.view.read(rows.clone())?.pixels;
            let sky = match sky {
                Some((scl, filter)) => {
                    Some((filter.read(scl, self.view.shared(), &self.place(&rows))?, filter))
                }
                None => None,
            };
            let judge = |k: usize| {
                let columns = k * self.tiling.stride..k * self.tiling.stride + size;
                let seen = strip.slice(s![.., columns.clone(), ..]);
                let mask = classes.slice(s![rows.clone(), columns.clone()]);
                let sky = sky.as_ref().map(|(sky, filter)| (sky.slice(s![.., columns.clone()]), *filter));
                let (fate, mask) = judge(&seen, &mask, sky);
                (Tile { corner: [top, columns.start], fate }, mask)
            };
            let row: Vec<_> = (0..across).into_par_iter().map(judge).collect();
            take(&strip, row)?;
            progress.advance(across as u64, "");
        }
        progress.end("");
        Ok(())
    }

    /// The class of each pixel of the grid; [`Masks::IGNORED`] where it has none.
    pub(super) fn classes(&self, labels: &LabelRaster) -> Result<Array2<u8>> {
        if labels.classes().len() >= usize::from(Masks::IGNORED) {
            let problem = format!("{} classes do not fit into a mask's bytes", labels.classes().len());
            return Err(Error::file(labels.path(), problem, "group them to 254 at most"));
        }
        let factor = self.view.shared().multiple(labels.path(), labels.grid())?;
        let mut classes = Array2::from_elem((self.grid().rows, self.grid().columns), Masks::IGNORED);
        let within = |site: usize, range: &Range<usize>| {
            let pixels = (site * factor).max(range.start)..((site + 1) * factor).min(range.end);
            (pixels.start < pixels.end).then(|| pixels.start - range.start..pixels.end - range.start)
        };
        for site in labels.sites() {
            let rows = within(site.row, &self.view.window().rows);
            let columns = within(site.column, &self.view.window().columns);
            if let (Some(rows), Some(columns)) = (rows, columns) {
                classes.slice_mut(s![rows, columns]).fill(site.class as u8);
            }
        }
        Ok(classes)
    }

    /// The scene, and its classes, in few pixels.
    ///
    /// # Errors
    /// Files that cannot be read, labels that do not fit.
    pub fn overview(&self, labels: Option<&LabelRaster>) -> Result<Overview> {
        let step = self.grid().rows.max(self.grid().columns).div_ceil(MOST_PIXELS);
        let size = (self.grid().rows.div_ceil(step), self.grid().columns.div_ceil(step));
        let scene = self.view.scene();
        let colours = if scene.bands().true_colour().is_some() {
            let visible = scene.clone().only(&Bands::named(["B4", "B3", "B2"])?)?;
            let visible = self.view.with_scene(&visible)?;
            let mut colours = Array3::zeros((size.0, size.1, 3));
            // As many lines as make whole steps.
            let lines = 256_usize.div_ceil(step) * step;
            for first in (0..self.grid().rows).step_by(lines) {
                let strip = visible.read(first..self.grid().rows.min(first + lines))?.pixels;
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

/// What becomes of a tile, and the classes of its pixels if it is kept.
fn judge(
    seen: &ArrayView3<'_, f32>,
    mask: &ArrayView2<'_, u8>,
    sky: Option<(ArrayView2<'_, Sky>, &CloudFilter)>,
) -> (Fate, Option<Array2<u8>>) {
    let count =
        |wanted: Sky| sky.as_ref().map_or(0, |(sky, _)| sky.iter().filter(|&&of| of == wanted).count());
    if seen.iter().any(|value| !value.is_finite()) || count(Sky::NoData) > 0 {
        return (Fate::NoData, None);
    }
    let mut mask = mask.to_owned();
    if let Some((sky, filter)) = &sky {
        if filter.refuses(count(Sky::Hidden), mask.len()) {
            return (Fate::Cloud, None);
        }
        ndarray::Zip::from(&mut mask).and(sky).for_each(|class, sky| {
            if *sky == Sky::Hidden {
                *class = Masks::IGNORED;
            }
        });
    }
    if mask.iter().all(|&class| class == Masks::IGNORED) {
        return (Fate::Unlabelled, None);
    }
    (Fate::Kept, Some(mask))
}

/// Why no tile is left.
pub(super) fn nothing_left(scene: &Path, tiles: &[Tile], filter: Option<&CloudFilter>) -> Error {
    let count = |fate: Fate| tiles.iter().filter(|tile| tile.fate == fate).count();
    let clouds = filter.map_or_else(String::new, |filter| {
        let most = 100.0 * filter.most;
        format!(", {} with more than {most} % of cloud (SCL {})", count(Fate::Cloud), filter.classes())
    });
    let problem = format!(
        "none of its {} tiles is left: {} without data{clouds}, {} without a class",
        tiles.len(),
        count(Fate::NoData),
        count(Fate::Unlabelled)
    );
    let advice = if count(Fate::Cloud) > 0 {
        "give a clearer date, or allow more cloud (--max-cloud)"
    } else {
        "check that labels and scene show the same place, and which value means no data"
    };
    Error::file(scene, problem, advice)
}
