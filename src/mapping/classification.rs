//! All windows or tiles of a scene classified, into the pixels of a map and its files.

use std::ops::Range;
use std::time::Instant;

use ndarray::{Array2, Array3, ArrayView1, s};

use super::blend::{Ground, blend};
use super::files::{Files, MapRows};
use super::report::{MapDate, MapNumbers};
use super::sources::{Input, Traversal};
use crate::data::Patches;
use crate::labels::{first_largest, x_ln_y};
use crate::scene::{CloudFilter, SceneView, Windows};
use crate::{Error, Progress, Result};

/// Windows that are classified together.
const BATCH: usize = 1024;

/// The result of all windows or tiles.
pub(super) struct Classification {
    /// Numbers of the classes, 0 for none.
    pub map: Array2<u8>,
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
        traversal: &Traversal<'_>,
        (clouds, dates): (Clouds<'_>, Vec<MapDate>),
        table: &MapNumbers,
        files: Option<Files>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let size = (traversal.map().rows, traversal.map().columns);
        let mut classified =
            Self { map: Array2::zeros(size), classified: 0, confidence: 0.0, seconds: 0.0, dates, files };
        let began = Instant::now();
        match traversal {
            Traversal::Windows(sources) => classified.windows(sources, clouds, table, progress)?,
            Traversal::Tiles { source, stride, lines, .. } => {
                classified.tiles(source, (*stride, lines.clone()), clouds, table, progress)?;
            }
        }
        classified.seconds = began.elapsed().as_secs_f64();
        Ok(classified)
    }

    fn windows(
        &mut self,
        sources: &[Input<'_, Windows<'_>>],
        clouds: Clouds<'_>,
        table: &MapNumbers,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let size = self.map.dim();
        let classes = table.classes().len();
        progress.begin("mapping", (self.map.len() * self.dates.len()) as u64);
        let extra = self.files.as_ref().map_or(0, |files| files.bytes_a_pixel(table.classes()));
        for lines in sources[0].dates[0].strips(extra + (classes + 1) * size_of::<f64>()) {
            // Sums over the sensors, and how many of them see a window.
            let mut fused = Array3::<f64>::zeros((lines.len(), size.1, classes));
            let mut sensors = Array2::<f64>::zeros((lines.len(), size.1));
            let mut of_dates = self.dates.iter_mut();
            for source in sources {
                // The same over a sensor's dates.
                let mut sums = Array3::<f64>::zeros(fused.dim());
                let mut seen_on = Array2::<f64>::zeros(sensors.dim());
                for (windows, date) in source.dates.iter().zip(&mut of_dates) {
                    let strip = windows.read(lines.clone())?;
                    let mut chosen = strip.windows_with_data();
                    date.without_data += sensors.len() - chosen.len();
                    if let Some(under) = &mut date.under_clouds {
                        let clouded = |window: &[usize; 2]| strip.hidden(*window) > Some(clouds.filter.most);
                        *under += chosen.iter().filter(|window| clouded(window)).count();
                        chosen.retain(|window| !clouds.masked || !clouded(window));
                    }
                    progress.advance((sensors.len() - chosen.len()) as u64, "");
                    for batch in chosen.chunks(BATCH) {
                        if progress.interrupted() {
                            let line = lines.start + 1;
                            let place =
                                format!("in line {line} of {} of the map; nothing is written", size.0);
                            return Err(Error::Interrupted { place });
                        }
                        let images = strip.images(batch);
                        let patches = Patches::in_memory(windows.imagery(), table.classes().clone(), images)?;
                        let p = source.model.predict(&patches)?;
                        for (&[line, column], p) in batch.iter().zip(p.view().outer_iter()) {
                            let mut sum = sums.slice_mut(s![line - lines.start, column, ..]);
                            sum += &p;
                            seen_on[[line - lines.start, column]] += 1.0;
                        }
                        progress.advance(batch.len() as u64, "");
                    }
                }
                add_means(&mut fused, sums, &seen_on);
                sensors += &seen_on.mapv(|dates| dates.min(1.0));
            }
            let mut p = Array3::zeros(fused.dim());
            add_means(&mut p, fused, &sensors);
            let mut rows = self.rows(&lines, table);
            for ((line, column), _) in sensors.indexed_iter().filter(|(_, count)| **count > 0.0) {
                let p = p.slice(s![line, column, ..]);
                self.put(&mut rows, ([lines.start + line, column], lines.start), p, table);
            }
            self.append(&rows)?;
        }
        progress.end("");
        Ok(())
    }

    fn tiles(
        &mut self,
        source: &Input<'_, SceneView<'_>>,
        (stride, all_lines): (usize, Range<usize>),
        clouds: Clouds<'_>,
        table: &MapNumbers,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let dates: Vec<_> = source.dates.iter().map(|view| Ground::scene(view, clouds.masked)).collect();
        let start = all_lines.start;
        blend(source.model, &dates, (stride, all_lines), progress, &mut |blended| {
            let lines = blended.first - start..blended.first - start + blended.p.dim().0;
            let mut rows = self.rows(&lines, table);
            for (date, (without_data, under)) in self.dates.iter_mut().zip(&blended.left_out) {
                date.without_data += without_data;
                date.under_clouds = date.under_clouds.zip(*under).map(|(sum, under)| sum + under);
            }
            for ((row, column), _) in blended.with_data.indexed_iter().filter(|(_, data)| **data) {
                let p = blended.p.slice(s![row, column, ..]);
                self.put(&mut rows, ([lines.start + row, column], lines.start), p, table);
            }
            self.append(&rows)
        })
    }

    /// Room for these lines of the files.
    fn rows(&self, lines: &Range<usize>, table: &MapNumbers) -> MapRows {
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
        table: &MapNumbers,
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

/// Adds sum / count wherever something was counted.
fn add_means(to: &mut Array3<f64>, mut sums: Array3<f64>, counts: &Array2<f64>) {
    for ((line, column), &count) in counts.indexed_iter().filter(|(_, count)| **count > 0.0) {
        let mut sum = sums.slice_mut(s![line, column, ..]);
        sum /= count;
        to.slice_mut(s![line, column, ..]).scaled_add(1.0, &sum);
    }
}
