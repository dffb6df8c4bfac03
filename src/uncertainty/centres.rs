//! Focal points of classes, and how far each sample lies from its class's.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::weiszfeld::contiguous;
use super::{MedianFit, Uncertainty, Weiszfeld};
use crate::predictions::BLOCK;
use crate::progress::Silent;
use crate::simd::Level;
use crate::simd::distances::{add, distances};
use crate::{Classes, Error, FeatureRows, Features, Labels, Progress, Result};

/// What a class's focal point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Centre {
    /// The point of the smallest summed distance to the class's samples (Koller et al., Eq. 2).
    #[default]
    GeometricMedian,
    /// The median of each feature on its own, as the authors' plotting code takes it. Of an even
    /// number, the mean of the two in the middle.
    CoordinateMedian,
    /// The mean.
    Mean,
}

/// Bytes of features that coordinate-wise medians gather at once.
const GATHERED: usize = 256 << 20;

/// The focal point of each class. A class without samples has none.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassCentres {
    labels: Labels,
    points: Vec<Option<Vec<f64>>>,
    fits: Vec<Option<MedianFit>>,
    width: usize,
}

impl ClassCentres {
    /// Finds the focal points of the classes that the labels name, from features in memory or in a
    /// file, which is read in passes and need not fit into memory. The same bits either way, and with
    /// any number of threads.
    ///
    /// # Errors
    /// No sample, another number of labels than samples, a feature that is NaN or infinite (names the
    /// row), settings out of range, a file that cannot be read.
    pub fn find(
        centre: Centre,
        rows: &dyn FeatureRows,
        labels: &Labels,
        settings: Weiszfeld,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        check_labels(rows, labels)?;
        if labels.is_empty() {
            return Err(Error::input(rows.name(), "no sample", "give at least one"));
        }
        let mut fits = vec![None; labels.classes().len()];
        let points = match centre {
            Centre::Mean => means(rows, labels, progress)?,
            Centre::CoordinateMedian => coordinate_medians(rows, labels, progress)?,
            Centre::GeometricMedian => {
                let start = means(rows, labels, progress)?;
                let found = settings.run(rows, labels, start, progress)?;
                fits = found.iter().map(|found| found.as_ref().map(|(_, fit)| *fit)).collect();
                found.into_iter().map(|found| found.map(|(point, _)| point)).collect()
            }
        };
        Ok(Self { labels: labels.clone(), points, fits, width: rows.extent().1 })
    }

    /// The classes.
    pub fn classes(&self) -> &Classes {
        self.labels.classes()
    }

    /// The focal point of class k; none if the class had no sample. Length D.
    pub fn point(&self, k: usize) -> Option<&[f64]> {
        self.points[k].as_deref()
    }

    /// How the geometric median of class k came out; none for other centres.
    pub fn fit(&self, k: usize) -> Option<MedianFit> {
        self.fits[k]
    }

    /// ‖h(x) − c_k‖ of samples, k being each one's own class.
    ///
    /// # Errors
    /// Another number of labels than samples, other classes or another width of features, a class
    /// without a focal point, a distance that is not finite, a file that cannot be read.
    pub fn distances(
        &self,
        rows: &dyn FeatureRows,
        labels: &Labels,
        progress: &mut dyn Progress,
    ) -> Result<Uncertainty> {
        check_labels(rows, labels)?;
        if labels.classes() != self.classes() {
            let problem = format!("classes {}, the centres' are {}", labels.classes(), self.classes());
            return Err(Error::input(rows.name(), problem, "give labels of the centres' classes"));
        }
        let width = rows.extent().1;
        if width != self.width {
            let problem = format!("{width} features per sample, the centres have {}", self.width);
            return Err(Error::input(rows.name(), problem, "give features of the same network"));
        }
        if let Some(row) = labels.indices().iter().position(|&k| self.points[k].is_none()) {
            let class = self.classes().name(labels.indices()[row]);
            let problem = format!("class {class} has no centre: no sample was given of it");
            return Err(Error::input(format!("{}, row {row}", rows.name()), problem, "leave the class out"));
        }
        progress.begin("distances", labels.len() as u64);
        let mut all = Vec::with_capacity(labels.len());
        rows.pass(&mut |start, slab| {
            let values = contiguous(&slab);
            let labels = &labels.indices()[start..start + slab.nrows()];
            let blocks: Vec<Vec<f64>> = labels
                .par_chunks(BLOCK)
                .enumerate()
                .map(|(block, labels)| {
                    let rows = values[block * BLOCK * width..].chunks_exact(width.max(1));
                    let mut found = Vec::with_capacity(labels.len());
                    for (row, &k) in rows.zip(labels) {
                        let centre = self.points[k].as_deref().unwrap_or_default();
                        distances(Level::best(), std::iter::once(row), centre, &mut found);
                    }
                    found
                })
                .collect();
            all.extend(blocks.into_iter().flatten());
            progress.advance(labels.len() as u64, "");
            Ok(())
        })?;
        progress.end("");
        Uncertainty::new(all)
    }
}

impl Features {
    /// The geometric median of each class (Koller et al., Eq. 2), to 1e-8 mean distances.
    ///
    /// # Errors
    /// As [`ClassCentres::find`].
    pub fn geometric_medians(&self, labels: &Labels) -> Result<ClassCentres> {
        self.centres(Centre::GeometricMedian, labels)
    }

    /// The coordinate-wise median of each class.
    ///
    /// # Errors
    /// As [`ClassCentres::find`].
    pub fn coordinate_medians(&self, labels: &Labels) -> Result<ClassCentres> {
        self.centres(Centre::CoordinateMedian, labels)
    }

    /// The mean of each class.
    ///
    /// # Errors
    /// As [`ClassCentres::find`].
    pub fn class_means(&self, labels: &Labels) -> Result<ClassCentres> {
        self.centres(Centre::Mean, labels)
    }

    fn centres(&self, centre: Centre, labels: &Labels) -> Result<ClassCentres> {
        ClassCentres::find(centre, self, labels, Weiszfeld::default(), &mut Silent)
    }

    /// The distance of each of the samples that the centres were found from to its class's centre:
    /// u = ‖h(x) − c_k‖ (Koller et al., Eq. 2). For other samples: [`ClassCentres::distances`].
    ///
    /// # Errors
    /// Another number of samples, or features of another width.
    pub fn distances_to(&self, centres: &ClassCentres) -> Result<Uncertainty> {
        centres.distances(self, &centres.labels, &mut Silent)
    }
}

fn check_labels(rows: &dyn FeatureRows, labels: &Labels) -> Result<()> {
    let samples = rows.extent().0;
    if samples == labels.len() {
        return Ok(());
    }
    let problem = format!("{} labels for {samples} samples", labels.len());
    Err(Error::input(rows.name(), problem, "give one label per sample"))
}

/// The mean of each class that has samples.
fn means(
    rows: &dyn FeatureRows,
    labels: &Labels,
    progress: &mut dyn Progress,
) -> Result<Vec<Option<Vec<f64>>>> {
    let (width, classes) = (rows.extent().1, labels.classes().len());
    let counts = labels.counts();
    let mut sums: Vec<Option<Vec<f64>>> = vec![None; classes];
    progress.begin("class means", labels.len() as u64);
    rows.pass(&mut |start, slab| {
        let values = contiguous(&slab);
        let labels = &labels.indices()[start..start + slab.nrows()];
        let blocks: Vec<Vec<Option<Vec<f64>>>> = labels
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, labels)| sums_of_block(&values[block * BLOCK * width..], labels, width, classes))
            .collect();
        for block in blocks {
            if block.iter().flatten().flatten().any(|x| !x.is_finite()) {
                return Err(not_finite(rows, start, &slab));
            }
            for (sum, of_block) in sums.iter_mut().zip(block) {
                match (sum, of_block) {
                    (Some(sum), Some(of_block)) => sum.iter_mut().zip(of_block).for_each(|(s, x)| *s += x),
                    (empty, of_block) if of_block.is_some() => *empty = of_block,
                    _ => {}
                }
            }
        }
        progress.advance(labels.len() as u64, "");
        Ok(())
    })?;
    progress.end("");
    for (sum, n) in sums.iter_mut().zip(counts) {
        sum.iter_mut().flatten().for_each(|x| *x /= n as f64);
    }
    Ok(sums)
}

fn sums_of_block(values: &[f32], labels: &[usize], width: usize, classes: usize) -> Vec<Option<Vec<f64>>> {
    let origin = vec![0.0; width];
    let of_class = |k: usize| {
        let members = (0..labels.len()).filter(|&row| labels[row] == k);
        let rows: Vec<&[f32]> = members.map(|row| &values[row * width..(row + 1) * width]).collect();
        (!rows.is_empty()).then(|| {
            let mut sum = vec![0.0; width];
            add(Level::best(), &rows, &origin, &mut sum);
            sum
        })
    };
    (0..classes).map(of_class).collect()
}

/// Names the first row of a slab with NaN or an infinite number.
fn not_finite(rows: &dyn FeatureRows, start: usize, slab: &ArrayView2<'_, f32>) -> Error {
    let bad = slab.axis_iter(Axis(0)).position(|row| row.iter().any(|x| !x.is_finite()));
    let row = start + bad.unwrap_or_default();
    Error::input(format!("{}, row {row}", rows.name()), "NaN or infinite", "check the network and its input")
}

/// The median of each feature and class. Some features at a time are gathered, a pass each.
fn coordinate_medians(
    rows: &dyn FeatureRows,
    labels: &Labels,
    progress: &mut dyn Progress,
) -> Result<Vec<Option<Vec<f64>>>> {
    let (samples, width) = rows.extent();
    let counts = labels.counts();
    let mut points: Vec<Option<Vec<f64>>> =
        counts.iter().map(|&n| (n > 0).then(|| Vec::with_capacity(width))).collect();
    let at_once = (GATHERED / (4 * samples)).clamp(1, width.max(1));
    for first in (0..width).step_by(at_once) {
        let columns = first..width.min(first + at_once);
        let mut gathered = Array2::<f32>::zeros((columns.len(), samples));
        progress
            .begin(&format!("medians of features {} to {}", columns.start + 1, columns.end), samples as u64);
        rows.pass(&mut |start, slab| {
            let part = slab.slice(ndarray::s![.., columns.clone()]);
            if part.iter().any(|x| !x.is_finite()) {
                return Err(not_finite(rows, start, &slab));
            }
            gathered.slice_mut(ndarray::s![.., start..start + slab.nrows()]).assign(&part.t());
            progress.advance(slab.nrows() as u64, "");
            Ok(())
        })?;
        let medians: Vec<Vec<Option<f64>>> = gathered
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|column| {
                let mut values: Vec<Vec<f32>> = counts.iter().map(|&n| Vec::with_capacity(n)).collect();
                column.iter().zip(labels.indices()).for_each(|(x, &k)| values[k].push(*x));
                values.iter_mut().map(|values| median(values)).collect()
            })
            .collect();
        for column in medians {
            for (point, median) in points.iter_mut().zip(column) {
                if let (Some(point), Some(median)) = (point, median) {
                    point.push(median);
                }
            }
        }
    }
    progress.end("");
    Ok(points)
}

/// The middle number, or the mean of the two in the middle; none of none.
fn median(values: &mut [f32]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let middle = f64::from(*middle);
    if n % 2 == 1 {
        return Some(middle);
    }
    let before = below.iter().copied().max_by(f32::total_cmp).map_or(middle, f64::from);
    Some(f64::midpoint(before, middle))
}
