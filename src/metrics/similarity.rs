//! Weighted accuracy: an error between similar zones weighs less than one between unlike ones.

use std::path::Path;

use ndarray::Array2;

use super::ConfusionMatrix;
use crate::files::read_text;
use crate::{Classes, Error, Result};

/// How similar classes are, `w_ij` from 0 (nothing in common) to 1 (the same); read from a file, for the
/// weights are an expert's judgement.
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
            return Err(Error::input("similarity matrix", problem, "give one row and one column a class"));
        }
        if let Some(((i, j), w)) = weights.indexed_iter().find(|(_, w)| !(0.0..=1.0).contains(*w)) {
            return Err(Error::input(
                format!("similarity matrix, row {}, column {}", i + 1, j + 1),
                format!("weight {w}"),
                "give weights from 0 to 1",
            ));
        }
        Ok(Self { classes, weights })
    }

    /// Reads a CSV of K rows of K weights, in the order of `classes`, rows = reference. With a first line
    /// of the classes' codes, an empty or any other cell before them, each row starts with its code too.
    ///
    /// # Errors
    /// A file that cannot be read, a cell that is no number, other codes, or another size: names the line.
    pub fn read_csv(path: &Path, classes: &Classes) -> Result<Self> {
        let text = read_text(path)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut rows: Vec<(usize, Vec<&str>)> = lines
            .map(|(n, line)| (n + 1, line.split(',').map(|cell| cell.trim().trim_matches('"')).collect()))
            .collect();
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
            return Err(Error::file(path, problem, "give one row a class"));
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
        if similarity.classes != *self.classes() {
            let problem = format!("classes {}, predictions of {}", similarity.classes, self.classes());
            return Err(Error::input("similarity matrix", problem, "give weights of the same classes"));
        }
        let weighted = self.counts().into_iter().zip(&similarity.weights).map(|(&count, w)| count as f64 * w);
        Ok(weighted.sum::<f64>() / self.total() as f64)
    }
}
