//! The tables of a file next to its pixels: labels, votes, distributions.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, s};

use super::super::datasets::{Numbers, product};
use super::{DISTRIBUTIONS, SourceFile};
use crate::{Classes, Error, Result};

/// Columns of the first vote sets: the choices of ten experts, then the original label.
const CHOICES: usize = 11;
/// The built zones, which come first: those that the paper's distributions are over.
const BUILT: usize = 10;

impl SourceFile {
    /// Class of each row; read and checked once.
    pub(in crate::data) fn labels(&self) -> Result<Arc<[usize]>> {
        if let Some(table) = self.label_table.get() {
            return Ok(table.clone());
        }
        let Some(dataset) = &self.labels else {
            let problem = "no dataset 'label', so that the class of a patch is not known";
            let advice = "add one-hot labels; without them a file can only be predicted";
            return Err(Error::file(&self.path, problem, advice));
        };
        let table = dataset.classes_of_rows()?;
        Ok(self.label_table.get_or_init(|| table.into()).clone())
    }

    /// Vote counts: as stored, or counted from the choices of the experts. Shape: (N, K).
    pub(in crate::data) fn votes(&self) -> Result<Array2<f32>> {
        let Some(dataset) = &self.votes else {
            return Err(Error::file(&self.path, "no dataset 'votes'", "use the one-hot labels"));
        };
        if dataset.shape()[1] == CHOICES && self.classes.len() != CHOICES && self.labels.is_some() {
            return self.count_choices(dataset);
        }
        self.table(dataset)
    }

    /// Votes that are stored as the first vote sets have them: the number, from 1, of the class that each
    /// of ten experts chose, and that of the original label. The label is not one of the votes.
    fn count_choices(&self, dataset: &Numbers) -> Result<Array2<f32>> {
        let choices: Array2<f32> = dataset.read()?;
        let labels = self.labels()?;
        let mut votes = Array2::zeros((self.rows, self.classes.len()));
        for (row, (choices, &label)) in choices.outer_iter().zip(&*labels).enumerate() {
            let class =
                |choice: f32| (1..=self.classes.len()).position(|k| (k as f32).total_cmp(&choice).is_eq());
            let classes: Option<Vec<usize>> = choices.iter().map(|&choice| class(choice)).collect();
            let Some(classes) = classes.filter(|classes| classes[CHOICES - 1] == label) else {
                let problem = format!("{CHOICES} columns that are not ten classes, from 1, and the label's");
                let advice = "store how many experts chose each class, one column per class";
                return Err(Error::input(format!("{}, row {row}", dataset.place()), problem, advice));
            };
            for &k in &classes[..CHOICES - 1] {
                votes[[row, k]] += 1.0;
            }
        }
        Ok(votes)
    }

    /// Label distributions as stored. Those of the built zones alone are spread over all; a row of
    /// another zone then has none, and sums to 0. Shape: (N, K).
    pub(in crate::data) fn distributions(&self) -> Result<Array2<f32>> {
        let Some(dataset) = &self.distributions else {
            let problem = format!("no dataset 'votes' and none whose name starts with '{DISTRIBUTIONS}'");
            return Err(Error::file(&self.path, problem, "use the one-hot labels"));
        };
        let shape = dataset.shape();
        if shape == [self.rows, self.classes.len()] {
            return self.table(dataset);
        }
        let labels = if self.labels.is_some() { self.labels()? } else { Arc::default() };
        let built: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] < BUILT).collect();
        let of_zones = self.classes == Classes::lcz() && shape[1] == BUILT;
        if !of_zones || (shape[0] != built.len() && shape[0] != self.rows) {
            let problem = format!(
                "shape {} for {} patches ({} of a built zone) of {} classes",
                product(&shape),
                self.rows,
                built.len(),
                self.classes.len()
            );
            let advice = "store one row per patch, or a patch of a built zone, and one column per class";
            return Err(Error::input(dataset.place(), problem, advice));
        }
        let stored: Array2<f32> = dataset.read()?;
        let mut all = Array2::zeros((self.rows, self.classes.len()));
        for (n, &row) in built.iter().enumerate() {
            let n = if shape[0] == self.rows { row } else { n };
            all.slice_mut(s![row, ..BUILT]).assign(&stored.row(n));
        }
        Ok(all)
    }

    /// Classes of the pixels of these rows, or [`Masks::IGNORED`](crate::data::Masks::IGNORED). Shape: (n, S, S).
    pub(in crate::data) fn masks(&self, rows: Range<usize>) -> Result<Array3<u8>> {
        let Some(dataset) = &self.masks else {
            return Err(Error::file(&self.path, "no dataset 'mask'", "cut patches with --masks"));
        };
        // As floats: HDF5 would clip values outside u8.
        let values: Array3<f32> = dataset.slice(s![rows.clone(), .., ..])?;
        let classes = self.classes.len().min(usize::from(u8::MAX));
        let is_class = |value: f32| (0.0..=classes as f32).contains(&value) && value.fract() == 0.0;
        if let Some(((n, row, column), value)) = values.indexed_iter().find(|(_, value)| !is_class(**value)) {
            return Err(Error::input(
                format!("{}, row {}", dataset.place(), rows.start + n),
                format!(
                    "{value} at line {row}, column {column} is not 0 (no class) or one of 1 to {classes}"
                ),
                "correct the mask, or make the attribute 'classes' name each class",
            ));
        }
        // Stored is 0 for none, 1 for the first.
        Ok(values.mapv(|value| (value as u8).wrapping_sub(1)))
    }

    fn table(&self, dataset: &Numbers) -> Result<Array2<f32>> {
        let columns = dataset.shape()[1];
        if columns != self.classes.len() {
            return Err(Error::input(
                dataset.place(),
                format!("{columns} columns for the {} classes {}", self.classes.len(), self.classes),
                "store one column per class",
            ));
        }
        dataset.read()
    }
}
