//! Data attached to the pixels of a view: labels, masks, votes, distributions, groups and places, attached or the file's
//! own.

use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut2, Axis, Zip};

use super::Patches;
use crate::data::Masks;
use crate::data::so2sat::Place;
use crate::{Classes, Error, LabelDistributions, Labels, Result, Votes};

/// Data attached to the patches, by row of the source and in its columns; they take precedence over those of the
/// file.
#[derive(Clone, Default)]
pub(super) struct Given {
    pub(super) labels: Option<Arc<[usize]>>,
    pub(super) votes: Option<Arc<Array2<f32>>>,
    pub(super) groups: Option<Arc<[i32]>>,
    masks: Option<Arc<Array3<u8>>>,
}

/// Marks rows of a table that no view can reach: they were left out before the table was given.
const NOT_GIVEN: usize = usize::MAX;

/// Masks of a file that are read together.
const MASKS_AT_ONCE: usize = 64;

impl Patches {
    /// The same patches with these labels, instead of the file's if it has some.
    ///
    /// # Errors
    /// Another number of labels than patches, or other classes.
    pub fn with_labels(mut self, labels: &Labels) -> Result<Self> {
        self.check_attached("labels", labels.len(), Some(labels.classes()))?;
        let mut table = vec![NOT_GIVEN; self.source.rows()];
        for (row, &k) in self.rows.iter().zip(labels.indices()) {
            table[row] = self.columns[k];
        }
        self.given.labels = Some(table.into());
        Ok(self)
    }

    /// The same patches with these votes, instead of the file's if it has some.
    ///
    /// # Errors
    /// Another number of rows than patches, or other classes.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// use lcz::{Classes, Imagery, Votes, data::Patches};
    /// let classes = Classes::named(["water", "sand"])?;
    /// let images = ndarray::Array4::zeros((3, 4, 4, 1));
    /// let patches = Patches::in_memory(Imagery::new(4, ["red"])?, classes.clone(), images)?;
    /// let votes = Votes::new(classes, ndarray::array![[9.0, 1.0], [5.0, 5.0], [0.0, 10.0]])?;
    /// let patches = patches.with_votes(&votes)?;
    /// assert_eq!(patches.distributions()?.view()[[0, 0]], 0.9);
    /// assert_eq!(patches.labels_or_majority()?.indices(), [0, 0, 1]); // no labels: the largest share, the first of equals
    /// assert_eq!(patches.clone().with_vote_counts(votes.counts().to_owned())?.votes()?, votes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_votes(mut self, votes: &Votes) -> Result<Self> {
        self.check_attached("votes", votes.counts().nrows(), Some(votes.classes()))?;
        let width = self.columns.iter().max().map_or(0, |k| k + 1);
        let mut table = Array2::zeros((self.source.rows(), width));
        for (row, counts) in self.rows.iter().zip(votes.counts().outer_iter()) {
            for (&column, &count) in self.columns.iter().zip(counts) {
                table[[row, column]] = count;
            }
        }
        self.given.votes = Some(Arc::new(table));
        Ok(self)
    }

    /// As [`with_votes`](Self::with_votes), with how many experts chose each class of the patches. Shape: (N, K).
    ///
    /// # Errors
    /// Another number of rows than patches or of columns than classes, a negative count, or a row without votes.
    pub fn with_vote_counts(self, counts: Array2<f32>) -> Result<Self> {
        let votes = Votes::new(self.classes.clone(), counts)?;
        self.with_votes(&votes)
    }

    /// The same patches with the city or region of each, which goes along into files of predictions.
    ///
    /// # Errors
    /// Another number of groups than patches.
    pub fn with_groups(mut self, groups: Vec<i32>) -> Result<Self> {
        self.check_attached("groups", groups.len(), None)?;
        let mut table = vec![0; self.source.rows()];
        for (row, group) in self.rows.iter().zip(groups) {
            table[row] = group;
        }
        self.given.groups = Some(table.into());
        Ok(self)
    }

    /// The same patches with the classes of their pixels, instead of the file's if it has some.
    ///
    /// # Errors
    /// Another number of masks than patches, masks of another size, or other classes.
    pub fn with_masks(mut self, masks: &Masks) -> Result<Self> {
        self.check_attached("masks", masks.len(), Some(masks.classes()))?;
        let (size, (_, rows, columns)) = (self.imagery.patch_size, masks.view().dim());
        if (rows, columns) != (size, size) {
            let place = format!("{}, masks", self.name());
            let problem = format!("{rows} x {columns} pixels for patches of {size} x {size}");
            return Err(Error::input(place, problem, "give the class of each pixel"));
        }
        let mut table = Array3::from_elem((self.source.rows(), size, size), Masks::IGNORED);
        for (row, mask) in self.rows.iter().zip(masks.view().outer_iter()) {
            let of_source = |&class: &u8| self.columns.get(usize::from(class)).map_or(class, |&k| k as u8);
            table.index_axis_mut(Axis(0), row).assign(&mask.map(of_source));
        }
        self.given.masks = Some(Arc::new(table));
        Ok(self)
    }

    fn check_attached(&self, what: &str, rows: usize, classes: Option<&Classes>) -> Result<()> {
        if rows != self.len() {
            let problem = format!("{rows} rows for {} patches", self.len());
            return Err(Error::input(format!("{}, {what}", self.name()), problem, "give one per patch"));
        }
        match classes {
            Some(classes) if *classes != self.classes => Err(Error::input(
                format!("{}, {what}", self.name()),
                format!("classes {classes}, not {}", self.classes),
                "give them over the patches' classes",
            )),
            _ => Ok(()),
        }
    }

    /// Whether [`labels`](Self::labels) has something to read.
    pub fn has_labels(&self) -> bool {
        self.given.labels.is_some() || self.source.file().is_some_and(|file| file.labels.is_some())
    }

    /// Whether [`votes`](Self::votes) has something to read.
    pub fn has_votes(&self) -> bool {
        self.given.votes.is_some() || self.source.file().is_some_and(|file| file.votes.is_some())
    }

    /// Whether [`distributions`](Self::distributions) has something to read.
    pub fn has_distributions(&self) -> bool {
        self.has_votes() || self.source.file().is_some_and(|file| file.distributions.is_some())
    }

    /// Whether [`masks`](Self::masks) has something to read.
    pub fn has_masks(&self) -> bool {
        self.given.masks.is_some() || self.source.file().is_some_and(|file| file.masks.is_some())
    }

    /// The class of each patch.
    ///
    /// # Errors
    /// No labels, or a label of the file that is not one-hot (names the row).
    pub fn labels(&self) -> Result<Labels> {
        let table = match (&self.given.labels, self.source.file()) {
            (Some(table), _) => table.clone(),
            (None, Some(file)) => file.labels()?,
            (None, None) => return Err(Error::input(self.name(), "no labels", "attach them (with_labels)")),
        };
        let class_of = self.class_of_columns();
        let class_of = |row: usize| class_of.get(table[row]).copied().unwrap_or(NOT_GIVEN);
        Labels::new(self.classes.clone(), self.rows.iter().map(class_of).collect())
    }

    /// The class of each column of the source; [`NOT_GIVEN`] where it was left out.
    fn class_of_columns(&self) -> Vec<usize> {
        let mut class_of = vec![NOT_GIVEN; self.columns.iter().max().map_or(0, |k| k + 1)];
        for (k, &column) in self.columns.iter().enumerate() {
            class_of[column] = k;
        }
        class_of
    }

    /// The class of each pixel. Shape: (N, S, S).
    ///
    /// # Errors
    /// No masks, or a pixel of the file whose value is not a class (names the row).
    pub fn masks(&self) -> Result<Masks> {
        let size = self.imagery.patch_size;
        let class_of = self.class_of_columns();
        let mut values = Array3::from_elem((self.len(), size, size), Masks::IGNORED);
        let put = |mut target: ArrayViewMut2<'_, u8>, mask: ArrayView2<'_, u8>| {
            Zip::from(&mut target).and(&mask).for_each(|target, &column| {
                let class = class_of.get(usize::from(column)).and_then(|&class| u8::try_from(class).ok());
                *target = class.unwrap_or(Masks::IGNORED);
            });
        };
        match (&self.given.masks, self.source.file()) {
            (Some(table), _) => {
                for (row, target) in self.rows.iter().zip(values.outer_iter_mut()) {
                    put(target, table.index_axis(Axis(0), row));
                }
            }
            (None, Some(file)) => {
                let mut order: Vec<(usize, usize)> = self.rows.iter().zip(0..).collect();
                order.sort_unstable();
                for block in order.chunk_by(|a, b| a.0 / MASKS_AT_ONCE == b.0 / MASKS_AT_ONCE) {
                    let (first, last) = (block[0].0, block[block.len() - 1].0);
                    let masks = file.masks(first..last + 1)?;
                    for &(row, n) in block {
                        put(values.index_axis_mut(Axis(0), n), masks.index_axis(Axis(0), row - first));
                    }
                }
            }
            (None, None) => return Err(Error::input(self.name(), "no masks", "attach them (with_masks)")),
        }
        Masks::new(self.classes.clone(), values)
    }

    /// The votes of the experts. Shape: (N, K).
    ///
    /// # Errors
    /// No votes, a width that is not the number of classes, a negative count, or a patch that nobody
    /// voted on (names the row).
    pub fn votes(&self) -> Result<Votes> {
        let table = match (&self.given.votes, self.source.file()) {
            (Some(table), _) => table.clone(),
            (None, Some(file)) => Arc::new(file.votes()?),
            (None, None) => return Err(Error::input(self.name(), "no votes", "attach them (with_votes)")),
        };
        let counts = self.pick(&table);
        for (row, votes) in self.rows.iter().zip(counts.outer_iter()) {
            if votes.iter().any(|v| !v.is_finite() || *v < 0.0) {
                let place = format!("{}, votes, row {row}", self.name());
                let problem = "a count is negative or not a number";
                return Err(Error::input(place, problem, "give how many experts chose each class"));
            }
            if votes.sum() <= 0.0 {
                let place = format!("{}, votes, row {row}", self.name());
                let problem = "no expert voted for any of the classes";
                return Err(Error::input(place, problem, "leave the row out, or use the one-hot labels"));
            }
        }
        Votes::new(self.classes.clone(), counts)
    }

    /// The label distribution of each patch: its share of the [`votes`](Self::votes) where there are
    /// votes, else the distributions that the file holds itself (`y_distributional_urban` in the
    /// files of the label-distribution paper). Shape: (N, K).
    ///
    /// One-hot labels are never returned as distributions: use `labels()?.one_hot()`.
    ///
    /// # Errors
    /// Neither votes nor distributions, or rows that are neither (named).
    pub fn distributions(&self) -> Result<LabelDistributions> {
        if self.has_votes() {
            return Ok(self.votes()?.distributions());
        }
        let Some(file) = self.source.file() else {
            return Err(Error::input(self.name(), "no votes", "attach them (with_votes), or use the labels"));
        };
        let mut y = self.pick(&file.distributions()?).mapv(f64::from);
        for (row, mut y) in self.rows.iter().zip(y.outer_iter_mut()) {
            let total = y.sum();
            // A class left out leaves its share to the others, as it does with votes.
            if y.iter().any(|y| !y.is_finite() || *y < 0.0) || total <= 0.0 {
                return Err(Error::input(
                    format!("{}, label distributions, row {row}", self.name()),
                    format!("not a distribution over the classes (sum {total})"),
                    "leave the row or its zone out (data.without), or use the one-hot labels",
                ));
            }
            y /= total;
        }
        LabelDistributions::new(self.classes.clone(), y)
    }

    /// What a network is trained on: the [`distributions`](Self::distributions) where there are any, else the
    /// [`labels`](Self::labels), one-hot. Shape: (N, K).
    ///
    /// # Errors
    /// As there.
    pub fn targets(&self) -> Result<LabelDistributions> {
        if self.has_distributions() { self.distributions() } else { Ok(self.labels()?.one_hot()) }
    }

    /// The class of each patch: its label, or where there are no labels the class of the largest share
    /// of its distribution, the first of equals. Example: [`with_votes`](Self::with_votes).
    ///
    /// # Errors
    /// Neither labels nor distributions, or rows that are neither (named).
    pub fn labels_or_majority(&self) -> Result<Labels> {
        if self.has_labels() || !self.has_distributions() {
            return self.labels();
        }
        Ok(self.distributions()?.majority())
    }

    /// The city or region of each patch, if known.
    pub fn groups(&self) -> Option<Vec<i32>> {
        self.given.groups.as_ref().map(|table| self.rows.iter().map(|row| table[row]).collect())
    }

    /// The names of the groups, by number, where they are cities with names (So2Sat, version 4).
    pub fn cities(&self) -> &[(i32, String)] {
        let file = self.source.file().filter(|_| self.has_the_files_groups());
        file.map_or(&[], |file| &file.cities)
    }

    fn has_the_files_groups(&self) -> bool {
        let of_file = self.source.file().and_then(|file| file.groups.as_ref());
        matches!((of_file, &self.given.groups), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
    }

    /// Where each patch lies, if the file or the one next to it states it (So2Sat, version 4).
    ///
    /// # Errors
    /// Places that are not one per patch, or not numbers.
    pub fn places(&self) -> Result<Option<Vec<Place>>> {
        let Some(file) = self.source.file() else { return Ok(None) };
        Ok(file.places()?.map(|places| self.rows.iter().map(|row| places[row]).collect()))
    }

    /// The view's rows and columns of a table over the source.
    fn pick(&self, table: &Array2<f32>) -> Array2<f32> {
        Array2::from_shape_fn((self.len(), self.columns.len()), |(n, k)| {
            table[[self.rows.get(n), self.columns[k]]]
        })
    }
}
