//! All windows or tiles of a scene classified, into the pixels of a map and its files.

use std::ops::Range;
use std::time::Instant;

use ndarray::{Array2, Array3, ArrayView1, s};

use super::Traversal;
use super::blend::{Ground, blend};
use super::files::{Files, MapRows};
use super::report::{ClassNumbers, MapDate};
use crate::data::Patches;
use crate::labels::{first_largest, x_ln_y};
use crate::models::Classifier;
use crate::scene::{CloudFilter, SceneView, Windows};
use crate::{Error, Progress, Result};

/// Windows that are classified together.
const BATCH: usize = 1024;

/// The result of all windows or tiles.
pub(super) struct Classification {
    /// Numbers of the classes, 0 for none.
    pub map: Array2<u8>,
    /// Red, green and blue of the scene at the map's pixels, where it has them.
    pub seen: Option<Array3<f32>>,
    /// Pixels with a class.
    pub classified: usize,
    /// Sum of the highest probabilities.
    pub confidence: f64,
    pub seconds: f64,
    /// What each date left out.
    pub dates: Vec<MapDate>,
    pub files: Option<Files>,
}

/// What counts as cloud, and whether it leaves a window or a pixel without a class.
#[derive(Clone, Copy)]
pub(super) struct Clouds<'a> {
    pub filter: &'a CloudFilter,
    pub masked: bool,
}

impl Classification {
    /// Classifies everything, row by row, into the files.
    pub fn of(
        model: &dyn Classifier,
        traversal: &Traversal<'_>,
        (clouds, dates): (Clouds<'_>, Vec<MapDate>),
        table: &ClassNumbers,
        files: Option<Files>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let size = (traversal.map().rows, traversal.map().columns);
        let colours = model.imagery().bands.true_colour();
        let mut classified = Self {
            map: Array2::zeros(size),
            seen: colours.map(|_| Array3::from_elem((size.0, size.1, 3), f32::NAN)),
            classified: 0,
            confidence: 0.0,
            seconds: 0.0,
            dates,
            files,
        };
        let began = Instant::now();
        match traversal {
            Traversal::Windows(dates) => classified.windows(model, dates, clouds, table, progress)?,
            Traversal::Tiles { dates, stride } => {
                classified.tiles(model, (*dates, *stride), clouds, table, progress)?;
            }
        }
        classified.seconds = began.elapsed().as_secs_f64();
        Ok(classified)
    }

    fn windows(
        &mut self,
        model: &dyn Classifier,
        dates: &[Windows<'_>],
        clouds: Clouds<'_>,
        table: &ClassNumbers,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let size = self.map.dim();
        let classes = table.classes().len();
        let colours = model.imagery().bands.true_colour();
        progress.begin("mapping", (self.map.len() * dates.len()) as u64);
        let extra = self.files.as_ref().map_or(0, |files| files.bytes_a_pixel(table.classes()));
        for lines in dates[0].strips(extra + (classes + 1) * size_of::<f64>()) {
            // Sums over the dates, and how many of them see a window.
            let mut sums = Array3::<f64>::zeros((lines.len(), size.1, classes));
            let mut seen_on = Array2::<f64>::zeros((lines.len(), size.1));
            for (windows, date) in dates.iter().zip(&mut self.dates) {
                let strip = windows.read(lines.clone())?;
                let mut chosen = strip.windows_with_data();
                date.without_data += lines.len() * size.1 - chosen.len();
                if let Some(under) = &mut date.under_clouds {
                    let clouded = |window: &[usize; 2]| strip.hidden(*window) > Some(clouds.filter.most);
                    *under += chosen.iter().filter(|window| clouded(window)).count();
                    chosen.retain(|window| !clouds.masked || !clouded(window));
                }
                progress.advance((lines.len() * size.1 - chosen.len()) as u64, "");
                for batch in chosen.chunks(BATCH) {
                    if progress.interrupted() {
                        let place = format!(
                            "in line {} of {} of the map; nothing is written",
                            lines.start + 1,
                            size.0
                        );
                        return Err(Error::Interrupted { place });
                    }
                    let images = strip.images(batch);
                    let patches = Patches::in_memory(windows.imagery(), model.classes().clone(), images)?;
                    let p = model.predict(&patches)?;
                    for (&[line, column], p) in batch.iter().zip(p.view().outer_iter()) {
                        let mut sum = sums.slice_mut(s![line - lines.start, column, ..]);
                        sum += &p;
                        seen_on[[line - lines.start, column]] += 1.0;
                    }
                    progress.advance(batch.len() as u64, "");
                }
                if let (Some(seen), Some(colours)) = (&mut self.seen, colours) {
                    for (c, band) in colours.into_iter().enumerate() {
                        let mut seen = seen.slice_mut(s![lines.clone(), .., c]);
                        seen.zip_mut_with(&strip.means(band), |seen, mean| {
                            if seen.is_nan() {
                                *seen = *mean;
                            }
                        });
                    }
                }
            }
            let mut rows = self.rows(&lines, table);
            for ((line, column), &count) in seen_on.indexed_iter().filter(|(_, count)| **count > 0.0) {
                let mut p = sums.slice_mut(s![line, column, ..]);
                p /= count;
                self.put(&mut rows, ([lines.start + line, column], lines.start), p.view(), table);
            }
            self.append(&rows)?;
        }
        progress.end("");
        Ok(())
    }

    fn tiles(
        &mut self,
        model: &dyn Classifier,
        (dates, stride): (&[SceneView<'_>], usize),
        clouds: Clouds<'_>,
        table: &ClassNumbers,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let colours = model.imagery().bands.true_colour();
        let dates: Vec<_> = dates.iter().map(|view| Ground::scene(view, clouds.masked)).collect();
        blend(model, &dates, stride, progress, &mut |blended| {
            let lines = blended.first..blended.first + blended.p.dim().0;
            let mut rows = self.rows(&lines, table);
            for (date, (without_data, under)) in self.dates.iter_mut().zip(&blended.left_out) {
                date.without_data += without_data;
                date.under_clouds = date.under_clouds.zip(*under).map(|(sum, under)| sum + under);
            }
            for ((row, column), _) in blended.with_data.indexed_iter().filter(|(_, data)| **data) {
                let p = blended.p.slice(s![row, column, ..]);
                self.put(&mut rows, ([lines.start + row, column], lines.start), p, table);
                if let (Some(seen), Some(colours)) = (&mut self.seen, colours) {
                    for (c, band) in colours.into_iter().enumerate() {
                        seen[[lines.start + row, column, c]] = blended.seen[[row, column, band]];
                    }
                }
            }
            self.append(&rows)
        })
    }

    /// Room for these lines of the files.
    fn rows(&self, lines: &Range<usize>, table: &ClassNumbers) -> MapRows {
        let classes =
            self.files.as_ref().filter(|files| files.has_probabilities()).map(|_| table.classes().len());
        MapRows::without_data(lines.len(), self.map.dim().1, classes)
    }

    /// Stores a model's prediction for a pixel of the map; `first` is the first line of `rows`.
    fn put(
        &mut self,
        rows: &mut MapRows,
        ([line, column], first): ([usize; 2], usize),
        p: ArrayView1<'_, f64>,
        table: &ClassNumbers,
    ) {
        let best = first_largest(p);
        self.map[[line, column]] = table.number(best);
        self.confidence += p[best];
        self.classified += 1;
        // `0 − Σ`, not `−Σ`: a sure prediction has 0 nats, not −0.
        let entropy = 0.0 - p.iter().map(|&p| x_ln_y(p, p)).sum::<f64>();
        rows.put([line - first, column], p, (p[best], entropy));
    }

    fn append(&mut self, rows: &MapRows) -> Result<()> {
        self.files.as_mut().map_or(Ok(()), |files| files.append(rows))
    }
}
