//! Weighted accuracy: an error between similar zones weighs less than one between dissimilar ones.

use std::path::Path;

use ndarray::{Array2, ArrayView2};

use super::ConfusionMatrix;
use crate::files::{csv_rows, read_text};
use crate::{Classes, Error, Result, Zone};

/// Twelfths of similarity between zones 1–10 and A–G (Bechtel, Demuzere & Stewart 2020, *A Weighted Accuracy
/// Measure for Land Cover Mapping*).
#[rustfmt::skip]
const TWELFTHS: [[u8; 17]; 17] = [
    [12, 11, 10,  8,  7,  6,  7,  9,  5,  9,  4,  3,  1,  0,  3,  0,  0],
    [11, 12, 11,  7,  8,  7,  8, 10,  5, 10,  5,  4,  3,  1,  4,  1,  1],
    [10, 11, 12,  6,  7,  8,  9, 11,  7, 11,  6,  5,  4,  2,  5,  2,  2],
    [ 8,  7,  6, 12, 11, 10,  9,  6,  9,  7,  6,  7,  6,  4,  1,  4,  4],
    [ 7,  8,  7, 11, 12, 11, 10,  8, 10,  8,  7,  8,  6,  5,  2,  5,  5],
    [ 6,  7,  8, 10, 11, 12, 11,  9, 11,  9,  8,  9,  8,  7,  3,  6,  6],
    [ 7,  8,  9,  9, 10, 11, 12,  8, 10,  8,  9,  8,  7,  5,  2,  5,  5],
    [ 9, 10, 11,  6,  8,  9,  8, 12,  9, 11,  5,  6,  5,  3,  6,  4,  4],
    [ 5,  5,  7,  9, 10, 11, 10,  9, 12,  8,  7,  8,  9,  7,  4,  7,  7],
    [ 9, 10, 11,  7,  8,  9,  8, 11,  8, 12,  5,  6,  5,  3,  6,  4,  4],
    [ 4,  5,  6,  6,  7,  8,  9,  5,  7,  5, 12, 11, 10,  8,  5,  8,  8],
    [ 3,  4,  5,  7,  8,  9,  8,  6,  8,  6, 11, 12, 11,  9,  6,  9,  9],
    [ 1,  3,  4,  6,  6,  8,  7,  5,  9,  5, 10, 11, 12, 10,  7, 10, 10],
    [ 0,  1,  2,  4,  5,  7,  5,  3,  7,  3,  8,  9, 10, 12,  9, 11, 11],
    [ 3,  4,  5,  1,  2,  3,  2,  6,  4,  6,  5,  6,  7,  9, 12,  9,  9],
    [ 0,  1,  2,  4,  5,  6,  5,  4,  7,  4,  8,  9, 10, 11,  9, 12, 11],
    [ 0,  1,  2,  4,  5,  6,  5,  4,  7,  4,  8,  9, 10, 11,  9, 11, 12],
];

/// How similar classes are, `w_ij` from 0 (nothing in common) to 1 (the same): published ones for the zones, or
/// one's own from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Similarity {
    classes: Classes,
    weights: Array2<f64>,
}

impl Similarity {
    /// Weights, rows = reference. Shape: (K, K).
    ///
    /// # Errors
    /// A shape other than K × K, or a weight outside 0–1: names its row.
    pub fn new(classes: Classes, weights: Array2<f64>) -> Result<Self> {
        let k = classes.len();
        if weights.dim() != (k, k) {
            let problem = format!("{} × {} weights for {k} classes", weights.nrows(), weights.ncols());
            return Err(Error::input("similarity matrix", problem, "give one row and one column per class"));
        }
        if let Some(((i, j), w)) = weights.indexed_iter().find(|(_, w)| !(0.0..=1.0).contains(*w)) {
            let place = format!("similarity matrix, row {}, column {}", i + 1, j + 1);
            return Err(Error::input(place, format!("weight {w}"), "give weights from 0 to 1"));
        }
        Ok(Self { classes, weights })
    }

    /// Reads a CSV of K rows of K weights, in the order of `classes`, rows = reference. With a first line
    /// of the classes' codes, an empty or any other cell before them, each row starts with its code too.
    ///
    /// # Errors
    /// A file that cannot be read, a cell that is not a number, other codes, or another size: names the line.
    pub fn read_csv(path: impl AsRef<Path>, classes: &Classes) -> Result<Self> {
        let path = path.as_ref();
        let rows = csv_rows(&read_text(path)?, path)?;
        let mut rows: Vec<(usize, Vec<&str>)> =
            rows.iter().map(|(line, cells)| (*line, cells.iter().collect())).collect();
        let at = |line: usize| format!("{}, line {line}", path.display());
        let codes: Vec<&str> = classes.codes().iter().map(String::as_str).collect();
        let headed = rows.first().is_some_and(|(_, cells)| cells.len() == codes.len() + 1);
        if headed {
            let (line, header) = rows.remove(0);
            if header[1..] != codes[..] {
                let problem = format!("columns {}, not {classes}", header[1..].join(" "));
                return Err(Error::input(at(line), problem, "name the classes in the model's order"));
            }
        }
        if rows.len() != codes.len() {
            let problem = format!("{} rows of weights for {} classes", rows.len(), codes.len());
            return Err(Error::file(path, problem, "give one row per class"));
        }
        let mut weights = Array2::zeros((codes.len(), codes.len()));
        for (i, (line, cells)) in rows.iter().enumerate() {
            let (name, numbers) = if headed { (cells[0], &cells[1..]) } else { (codes[i], &cells[..]) };
            if name != codes[i] || numbers.len() != codes.len() {
                let problem = format!("row '{name}' of {} weights", numbers.len());
                let advice = format!("this row is class {}, of {} weights", codes[i], codes.len());
                return Err(Error::input(at(*line), problem, advice));
            }
            for (j, cell) in numbers.iter().enumerate() {
                weights[[i, j]] = cell.parse().ok().filter(|w| (0.0..=1.0).contains(w)).ok_or_else(|| {
                    Error::input(at(*line), format!("weight '{cell}'"), "give numbers from 0 to 1")
                })?;
            }
        }
        Self::new(classes.clone(), weights)
    }

    /// The similarities of Local Climate Zones as Bechtel, Demuzere & Stewart (2020) print them, with two decimals.
    /// None where some class is not a zone.
    pub fn published(classes: &Classes) -> Option<Self> {
        Self::exact_of_zones(classes)
            .map(|exact| Self { weights: exact.weights.mapv(|w| (100.0 * w).round() / 100.0), ..exact })
    }

    /// The same before rounding: whole twelfths.
    pub fn exact_of_zones(classes: &Classes) -> Option<Self> {
        let zones: Vec<Zone> = (0..classes.len()).map(|k| classes.zone(k)).collect::<Option<_>>()?;
        let at = |k: usize| zones[k].number() - 1;
        let twelfths = |(i, j)| f64::from(TWELFTHS[at(i)][at(j)]) / 12.0;
        let weights = Array2::from_shape_fn((zones.len(), zones.len()), twelfths);
        Some(Self { classes: classes.clone(), weights })
    }

    /// The weights, rows = reference. Shape: (K, K).
    pub fn weights(&self) -> ArrayView2<'_, f64> {
        self.weights.view()
    }

    fn check(&self, confusion: &ConfusionMatrix) -> Result<()> {
        if self.classes != *confusion.classes() {
            let problem = format!("classes {}, predictions of {}", self.classes, confusion.classes());
            return Err(Error::input("similarity matrix", problem, "give weights of the same classes"));
        }
        Ok(())
    }

    /// What the rows and columns mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }
}

impl ConfusionMatrix {
    /// Weighted accuracy `WA = Σ_ij w_ij C_ij / N` (Bechtel et al. 2017): with w the identity it is OA.
    ///
    /// # Errors
    /// Weights of another class list.
    ///
    /// ```
    /// use lcz::Classes;
    /// use lcz::metrics::{ConfusionMatrix, Similarity};
    /// let classes = Classes::named(["dense trees", "scattered trees"])?;
    /// let confusion = ConfusionMatrix::from_counts(classes.clone(), ndarray::array![[6, 2], [0, 2]])?;
    /// let similarity = Similarity::new(classes, ndarray::array![[1.0, 0.75], [0.75, 1.0]])?;
    /// assert_eq!(confusion.weighted_accuracy_score(&similarity)?, 0.95);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn weighted_accuracy_score(&self, similarity: &Similarity) -> Result<f64> {
        similarity.check(self)?;
        let weighted = self.counts().into_iter().zip(&similarity.weights).map(|(&count, w)| count as f64 * w);
        Ok(weighted.sum::<f64>() / self.total() as f64)
    }

    /// Weighted kappa `κ_w = (P_o − P_e) / (1 − P_e)` with `P_o = Σ_ij w_ij p_ij` and `P_e = Σ_ij w_ij p_i· p_·j`
    /// (Cohen 1968): with w the identity it is Cohen's kappa. NaN where `P_e` = 1.
    ///
    /// # Errors
    /// Weights of another class list.
    pub fn weighted_kappa_score(&self, similarity: &Similarity) -> Result<f64> {
        similarity.check(self)?;
        let (observed, chance) = self.agreement(&similarity.weights);
        Ok((observed - chance) / (1.0 - chance))
    }

    /// `P_o` and `P_e` with these weights.
    pub(crate) fn agreement(&self, w: &Array2<f64>) -> (f64, f64) {
        let total = self.total() as f64;
        let (rows, columns) = (self.reference_totals(), self.predicted_totals());
        w.indexed_iter().fold((0.0, 0.0), |(observed, chance), ((i, j), w)| {
            let independent = (rows[i] as f64 / total) * (columns[j] as f64 / total);
            (observed + w * self.count(i, j) as f64 / total, chance + w * independent)
        })
    }
}
