//! Tiles with the class of every pixel, split by blocks of ground.

use ndarray::{Array2, Array3, Array4, Axis};

use super::blocks::{BlockSplit, KeptTile, class_counts};
use super::tiles::{Fate, Overview, Tile, TileGrid, Tiling, nothing_left};
use super::{CloudFilter, Cutting, DateReport, Grid, LabelRaster, Part, Raster, Scene};
use crate::data::so2sat::{Rows, Writer};
use crate::{Error, Progress, Result};

/// Which tiles are cut, from which dates, for which part. Pixels are read twice, some rows at a time: to judge the tiles,
/// and to write those that are kept.
#[derive(Debug)]
pub(super) struct TilePlan<'a> {
    cutting: &'a Cutting,
    tiling: Tiling,
    dates: &'a [Scene],
    labels: &'a LabelRaster,
    grid: Grid,
    /// The class of each pixel.
    classes: Array2<u8>,
    /// All tiles of each date.
    tiles: Vec<Vec<Tile>>,
    /// Of the tiles kept, date by date: block and part.
    assigned: Vec<(i32, Option<Part>)>,
}

impl<'a> TilePlan<'a> {
    pub fn new(
        cutting: &'a Cutting,
        (stride, block): (usize, usize),
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Vec<DateReport>)> {
        let tiling = Tiling {
            patch_size: cutting.patch_size,
            stride,
            radiometry: cutting.radiometry.clone(),
            area: cutting.area,
        };
        let (grid, classes) = {
            let first = tiling.over(&dates[0])?;
            (first.grid().clone(), first.classes(labels)?)
        };
        let names = labels.classes().len();
        let mut tiles: Vec<Vec<Tile>> = Vec::with_capacity(dates.len());
        let mut kept = Vec::new();
        for date in dates {
            let over = tiling.over(date)?;
            check_grid(&over, &grid, date)?;
            let mut of_date = Vec::new();
            over.each_row("looking at tiles", &classes, sky(cutting, date), progress, &mut |_, row| {
                for (tile, mask) in row {
                    of_date.push(tile);
                    if let Some(mask) = mask {
                        kept.push(KeptTile { corner: tile.corner, pixels: class_counts(mask.iter(), names) });
                    }
                }
                Ok(())
            })?;
            tiles.push(of_date);
        }
        if kept.is_empty() {
            let filter = dates.iter().find_map(Scene::scene_classes).map(|_| &cutting.clouds);
            return Err(nothing_left(dates[0].files()[0].path(), &tiles.concat(), filter));
        }
        let blocks = BlockSplit { side: block, shares: cutting.shares, seed: cutting.seed };
        let assigned = blocks.assign(&kept, cutting.patch_size)?;

        let mut reports = Vec::with_capacity(dates.len());
        let mut each = kept.iter().zip(&assigned);
        for (date, tiles) in dates.iter().zip(&tiles) {
            let mut report = DateReport::new(date, &cutting.radiometry, names)?;
            let count = |fate: Fate| tiles.iter().filter(|tile| tile.fate == fate).count();
            report.without_data = count(Fate::NoData);
            report.cloudy = count(Fate::Cloud);
            report.unlabelled = count(Fate::Unlabelled);
            for (tile, (_, part)) in each.by_ref().take(count(Fate::Kept)) {
                let Some(part) = part else {
                    report.across_blocks += 1;
                    continue;
                };
                let of_part = report.part_mut(*part);
                of_part.patches += 1;
                of_part.classes.iter_mut().zip(&tile.pixels).for_each(|(sum, pixels)| *sum += pixels);
            }
            reports.push(report);
        }
        Ok((Self { cutting, tiling, dates, labels, grid, classes, tiles, assigned }, reports))
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// All tiles of a date.
    pub fn tiles(&self, date: usize) -> &[Tile] {
        &self.tiles[date]
    }

    /// A date and the classes in few pixels.
    pub fn overview(&self, date: usize) -> Result<Overview> {
        self.tiling.over(&self.dates[date])?.overview(Some(self.labels))
    }

    /// The upper left pixels (row, column of the scene or the box) of the tiles of one date and part.
    pub fn corners(&self, date: usize, part: Part) -> Vec<[usize; 2]> {
        let kept = |tiles: &&Tile| tiles.fate == Fate::Kept;
        let before: usize = self.tiles[..date].iter().map(|tiles| tiles.iter().filter(kept).count()).sum();
        let each = self.tiles[date].iter().filter(kept).zip(&self.assigned[before..]);
        each.filter(|(_, (_, of))| *of == Some(part)).map(|(tile, _)| tile.corner).collect()
    }

    pub fn write(&self, writers: &mut [(Part, Writer)], progress: &mut dyn Progress) -> Result<()> {
        let (size, bands) = (self.tiling.patch_size, self.dates[0].bands().len());
        let mut assigned = self.assigned.iter();
        for date in self.dates {
            let over = self.tiling.over(date)?;
            let sky = sky(self.cutting, date);
            over.each_row("cutting patches", &self.classes, sky, progress, &mut |strip, row| {
                let kept: Vec<_> = row.into_iter().filter_map(|(tile, mask)| Some((tile, mask?))).collect();
                let of_row: Vec<_> = kept.into_iter().zip(assigned.by_ref()).collect();
                for (part, writer) in &mut *writers {
                    let chosen: Vec<_> = of_row.iter().filter(|(_, (_, of))| *of == Some(*part)).collect();
                    let mut images = Array4::<f32>::zeros((chosen.len(), size, size, bands));
                    let mut masks = Array3::<u8>::zeros((chosen.len(), size, size));
                    for (n, ((tile, mask), _)) in chosen.iter().enumerate() {
                        images.index_axis_mut(Axis(0), n).assign(&over.of_tile(strip, *tile));
                        masks.index_axis_mut(Axis(0), n).assign(mask);
                    }
                    let groups: Vec<i32> = chosen.iter().map(|(_, (block, _))| *block).collect();
                    writer.append(Rows {
                        groups: Some(&groups),
                        masks: Some(masks.view()),
                        ..Rows::new(images.view())
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The scene classes of a date and what of them counts as cloud.
fn sky<'a>(cutting: &'a Cutting, date: &'a Scene) -> Option<(&'a Raster, &'a CloudFilter)> {
    date.scene_classes().map(|scl| (scl, &cutting.clouds))
}

/// Dates of one place share its blocks of ground, so they must share its pixels.
fn check_grid(over: &TileGrid<'_>, grid: &Grid, date: &Scene) -> Result<()> {
    if (over.grid().rows, over.grid().columns) == (grid.rows, grid.columns) {
        return Ok(());
    }
    let size = |grid: &Grid| format!("{} x {} pixels", grid.rows, grid.columns);
    let problem = format!("{}, where the first date has {}", size(over.grid()), size(grid));
    Err(Error::file(date.files()[0].path(), problem, "bring all dates to one grid: gdalwarp -te and -tr"))
}
